/** The shapes of request bodies; unknown members are refused, so that a typo is never ignored. */
import { z } from "zod";
import { appName } from "../config/app_schema.ts";
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

const hostId = z.string().regex(/^[0-9a-f]{32}$/);
const MAX_APPS = 1000;
const address = z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}$/);

export const hostJoinRequest = z.strictObject({
  token,
  role: z.enum(["agent", "relay"]),
  publicKey,
  name: z.string().max(253),
  before: z.strictObject({ host: hostId, signature: z.string().max(1024) }).exactOptional(),
});

export const hostRenewRequest = z.strictObject({ publicKey });

export const presentAppsRequest = z.strictObject({
  apps: z.array(z.strictObject({
    name: appName,
    description: z.string().max(4096),
    uri: z.string().max(4096),
    labels: z.record(z.string().max(256), z.string().max(4096)),
  })).max(MAX_APPS),
});

export const presentRelayRequest = z.strictObject({ addresses: z.array(address).min(1).max(16) });

const head = z.strictObject({
  writer: hostId,
  seq: z.number().int().nonnegative(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
});

export const shipRequest = z.strictObject({
  records: z.array(z.strictObject({ seq: z.number().int().positive(), text: z.string() }))
    .min(1).max(10_000),
  head,
  durable: z.boolean(),
});

export const appTokenRequest = z.strictObject({
  kind: z.enum(["jwt", "id_token"]),
  audience: z.string().max(4096),
  principal: z.strictObject({
    bot: z.string().min(1).max(256),
    roles: z.array(z.string()).max(1000),
    traits: z.record(z.string(), z.array(z.string())),
  }),
  claims: z.enum(["roles-and-traits", "roles", "traits", "none"]),
  notAfter: z.iso.datetime(),
});

export const answerRequest = z.strictObject({ id: z.uuid(), answer: z.unknown() });

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
