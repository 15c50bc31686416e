/** The shapes of answers: what the published description promises, and tests hold answers against. */
import { z } from "zod";

const text = z.string();
const texts = z.array(text);
const traits = z.record(text, texts);

export const clusterInfo = z.strictObject({ server_version: text, cluster_name: text });

/** RFC 7518 §6.2.1: `d` would be the private half, and is none of these. */
export const jwks = z.strictObject({
  keys: z.array(z.strictObject({
    kty: text,
    crv: text,
    x: text,
    y: text,
    kid: text,
    alg: text,
    use: text,
  })),
});

export const openidConfiguration = z.strictObject({
  issuer: text,
  jwks_uri: text,
  claims: texts,
  id_token_signing_alg_values_supported: texts,
  response_types_supported: texts,
  scopes_supported: texts,
  subject_types_supported: texts,
});

export const trustBundle = z.strictObject({
  cluster: text,
  hostCas: texts,
  userCas: texts,
  sshHostCas: texts,
  sshUserCas: texts,
});

export const issuedCertificates = z.strictObject({
  tls: text,
  ssh: text,
  trust: trustBundle,
  keypair: z.strictObject({
    state: text,
    boundKey: text,
    recoveriesLeft: z.number().int().exactOptional(),
  }).exactOptional(),
});

export const joinChallenge = z.strictObject({ cluster: text, challenge: text });

export const nothing = z.strictObject({});

export const sessionGrant = z.strictObject({
  session: z.uuid(),
  certificate: text,
  servername: text,
  agent: text,
  hostCas: texts,
});

export const appList = z.strictObject({
  principal: z.strictObject({ bot: text, instance: text, roles: texts, traits }),
  apps: z.array(z.strictObject({
    name: text,
    description: text,
    uri: text,
    labels: z.record(text, text),
    tools: z.strictObject({ allowed: texts, denied: texts }),
    byRole: z.array(z.strictObject({ role: text, allowed: texts, denied: texts })).exactOptional(),
  })),
});

export const apiFailure = z.strictObject({
  error: z.strictObject({ code: text, message: text, hint: text.exactOptional() }),
});

export const issuedHost = z.strictObject({ host: text, certificate: text, trust: trustBundle });

const lease = z.number().int();
export const presentedApps = z.strictObject({
  refused: z.array(z.strictObject({ app: text, because: text })),
  lease,
});

export const presentedRelay = z.strictObject({ lease });

export const appToken = z.strictObject({ token: text, expires: z.iso.datetime() });

const head = { writer: text, seq: z.number().int(), hash: text };
export const auditHead = z.strictObject(head);
export const signedHead = z.strictObject({ ...head, time: z.iso.datetime(), signature: text });
