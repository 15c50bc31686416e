/** The shapes of request bodies; unknown members are refused, so that a typo is never ignored. */
import { z } from "zod";
import { ID_TOKEN_METHODS, KEYPAIR_METHOD } from "../join/mod.ts";

const MAX_PEM = 4096;
const publicKey = z.string().min(1).max(MAX_PEM);
const ttl = z.number().int().positive().max(10 * 365 * 86_400);

const token = z.string().min(1).max(1024);

const jwt = z.string().min(1).max(4096);

export const challengeRequest = z.strictObject({ method: z.literal(KEYPAIR_METHOD), token });

export const joinRequest = z.discriminatedUnion("method", [
  z.strictObject({ method: z.literal("token"), token, publicKey, ttl }),
  z.strictObject({
    method: z.enum(ID_TOKEN_METHODS),
    token,
    idToken: z.string().min(1).max(16 * 1024),
    publicKey,
    ttl,
  }),
  z.strictObject({
    method: z.literal(KEYPAIR_METHOD),
    token,
    publicKey,
    ttl,
    challenge: jwt,
    boundKey: publicKey,
    proof: jwt,
    secret: z.string().min(1).max(1024).exactOptional(),
    state: jwt.exactOptional(),
    next: z.strictObject({ boundKey: publicKey, proof: jwt }).exactOptional(),
  }),
]);

export const renewRequest = z.strictObject({ publicKey, ttl });

const app = z.string().min(1).max(256);

export const identityRequest = z.strictObject({
  publicKey,
  ttl,
  reissue: z.boolean(),
  roles: z.array(z.string().min(1).max(256)).max(1000).exactOptional(),
  app: app.exactOptional(),
});

const label = z.string().min(1).max(256);
const reason = z.string().max(500);
const time = z.iso.datetime();

export const heartbeatRequest = z.strictObject({
  version: label,
  hostname: z.string().max(255),
  started: time,
  oneshot: z.boolean(),
  interval: z.number().int().positive().max(10 * 365 * 86_400),
  services: z.array(z.strictObject({
    name: label,
    type: label,
    status: z.enum(["initializing", "healthy", "unhealthy"]),
    reason: reason.exactOptional(),
  })).max(101),
  last_error: z.strictObject({ service: label, reason, at: time }).exactOptional(),
});

export const sessionRequest = z.strictObject({
  app,
  publicKey,
  agent: z.string().min(1).max(512).exactOptional(),
});
