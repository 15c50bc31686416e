/**
 * Joins a bot by an OIDC token of whoever its machine runs at. There is no standing secret, so that
 * the machine proves itself anew each time, instead of renewing; while it still has a certificate
 * it stays the same instance, one generation on.
 */
import { createHash, randomBytes } from "node:crypto";
import { IdentityError } from "../error.ts";
import type { Claims } from "../join/mod.ts";
import { proveIdToken } from "../join/mod.ts";
import { normalizePublicKey, publicKeyFingerprint } from "../keys.ts";
import type { Transaction } from "../storage/store.ts";
import type { BotClaims } from "../x509/claims.ts";
import type { IdTokenJoin, IssuedCertificates } from "./api.ts";
import { type Connection, identifyCaller } from "./caller.ts";
import type {
  BotItem,
  Cluster,
  IdTokenItem,
  InstanceItem,
  MethodTokenItem,
  UsedIdTokenItem,
} from "./cluster.ts";
import { botFields } from "./issue_recorded.ts";
import { issueIdentityCertificates, MAX_BOT_TTL, notAfter } from "./issuing.ts";
import { advance, refuseClone } from "./renew_bot.ts";

/** How long the hash of a token outlives it, for clocks that differ. */
const AFTERLIFE_MS = 60_000;

export async function joinByIdToken(
  cluster: Cluster,
  request: IdTokenJoin,
  connection: Connection,
): Promise<IssuedCertificates> {
  const publicKey = normalizePublicKey(request.publicKey);
  const item = await cluster.store.get<MethodTokenItem>("method_token", request.token);
  const token = isIdToken(item?.value, request) ? item.value : undefined;
  try {
    if (token === undefined) throw unknownToken(request);
    const claims = await prove(cluster, request, token);
    const { bot } = token;
    const member = await sameInstance(cluster, bot, connection);
    const joined = await admit(cluster, request, {
      bot,
      key: publicKeyFingerprint(publicKey),
      member,
      expires: new Date(Number(claims["exp"]) * 1000 + AFTERLIFE_MS),
    });
    const issued = await issueIdentityCertificates(cluster, {
      publicKey,
      claims: { kind: "bot", ...joined },
      notAfter: notAfter(cluster.clock.now(), Math.min(request.ttl, MAX_BOT_TTL)),
    });
    await record(cluster, request, connection, {
      ...botFields(joined),
      token_name: request.token,
      claims,
    });
    return issued;
  } catch (error) {
    if (error instanceof IdentityError) {
      await record(cluster, request, connection, {
        ...(token && { bot_name: token.bot, token_name: request.token }),
        error: error.message,
      });
    }
    throw error;
  }
}

function isIdToken(
  item: MethodTokenItem | undefined,
  { method }: IdTokenJoin,
): item is IdTokenItem {
  return item?.method === method;
}

// Not by its name: what is none here may be a secret, in the wrong place.
function unknownToken({ method }: IdTokenJoin): IdentityError {
  return new IdentityError(
    "JOIN_REFUSED",
    `Cannot join: the cluster has no ${method} token of this name`,
    { hint: "`tctl tokens ls` shows the tokens that there are; `token` in tbot's file names one" },
  );
}

function prove(
  { clock, issuers: keys, name }: Cluster,
  { idToken }: IdTokenJoin,
  { method, rules }: IdTokenItem,
): Promise<Claims> {
  return proveIdToken({ method, rules, idToken, cluster: name }, { clock, keys });
}

/** The instance that the caller is by its certificate, if it still has a good one of this bot. */
async function sameInstance(
  cluster: Cluster,
  bot: string,
  connection: Connection,
): Promise<BotClaims | undefined> {
  if (!connection.peer) return undefined;
  const { claims } = await identifyCaller(cluster, connection, "bot");
  return claims.bot === bot ? claims : undefined;
}

interface Admission {
  readonly bot: string;
  readonly key: string;
  readonly member: BotClaims | undefined;
  readonly expires: Date;
}

async function admit(
  cluster: Cluster,
  { idToken, method }: IdTokenJoin,
  { bot, expires, key, member }: Admission,
): Promise<{ bot: string; instance: string; generation: number }> {
  const now = cluster.clock.now();
  const id = tokenId(idToken);
  const outcome = await cluster.store.update(async (tx) => {
    if (!await tx.get<BotItem>("bot", bot)) {
      throw new IdentityError("JOIN_REFUSED", `Cannot join: bot "${bot}" does not exist`, {
        hint: `Create it with \`tctl bots add ${bot}\``,
      });
    }
    const used = await tx.get<UsedIdTokenItem>("used_id_token", id);
    if (used) return await repeat(tx, bot, used.value, key);
    if (member) {
      const advanced = await advance(tx, member, key, now);
      if (advanced.kind === "renewed" || advanced.kind === "adopted") {
        const { instance } = member;
        await tx.put("used_id_token", id, { key, instance }, { expires });
        return { kind: "joined", instance, generation: advanced.generation } as const;
      }
      if (advanced.kind === "cloned") return { ...advanced, claims: member };
    }
    const instance = randomBytes(16).toString("hex");
    const time = now.toISOString();
    const item: InstanceItem = {
      bot,
      instance,
      generation: 1,
      key,
      joined: time,
      renewed: time,
      method,
    };
    await tx.put("instance", `${bot}/${instance}`, item);
    await tx.put("used_id_token", id, { key, instance }, { expires });
    return { kind: "joined", instance, generation: 1 } as const;
  });
  if (outcome.kind === "cloned") return await refuseClone(cluster, outcome.claims, outcome);
  return { bot, instance: outcome.instance, generation: outcome.generation };
}

/**
 * What is signed, and not the signature: that has several spellings which are all valid (the other
 * of two ECDSA values, unused bits of base64url), and each would pass for a token of its own.
 */
function tokenId(idToken: string): string {
  const signed = idToken.slice(0, idToken.lastIndexOf("."));
  return createHash("sha256").update(signed).digest("hex");
}

/** The same token with the same key answers again, so that a lost reply costs nothing. */
async function repeat(
  tx: Transaction,
  bot: string,
  used: UsedIdTokenItem,
  key: string,
): Promise<{ kind: "joined"; instance: string; generation: number }> {
  const item = await tx.get<InstanceItem>("instance", `${bot}/${used.instance}`);
  if (used.key === key && item?.value.key === key) {
    return { kind: "joined", instance: used.instance, generation: item.value.generation };
  }
  throw new IdentityError(
    "JOIN_TOKEN_USED",
    `Cannot join as bot "${bot}": its OIDC token was used`,
    {
      hint: "Each join needs a token of its own: let tbot get a fresh one",
    },
  );
}

/** What identifies a machine; never the token. */
async function record(
  { audit }: Cluster,
  { method }: IdTokenJoin,
  { remote }: Connection,
  { claims, error, ...bot }: {
    readonly claims?: Claims;
    readonly error?: string;
    readonly [field: string]: unknown;
  },
): Promise<void> {
  const common = { type: "bot.join", method, "addr.remote": remote } as const;
  if (claims === undefined) {
    return await audit.append({ ...common, ...bot, code: "TJ001E", success: false, error });
  }
  const attributes = Object.fromEntries(
    ATTRIBUTES.flatMap((name) => claims[name] === undefined ? [] : [[name, claims[name]]]),
  );
  await audit.append({ ...common, ...bot, code: "TJ001I", success: true, attributes });
}

const ATTRIBUTES = [
  ...["iss", "sub", "jti"],
  ...["repository", "workflow", "actor", "environment", "ref", "run_id", "sha"],
  ...["project_path", "pipeline_id", "job_id", "user_login"],
];
