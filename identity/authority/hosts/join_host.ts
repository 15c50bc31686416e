/**
 * Joins of hosts: agents and relays that are not in the authority's process. Their tokens are good
 * for any number of machines until they expire, as the original's are; what an agent may serve is
 * bounded by its token or by what others serve, not by who holds the token.
 */
import { randomBytes } from "node:crypto";
import { IdentityError } from "../../error.ts";
import { verifyHostProof } from "../../join/host_proof.ts";
import { normalizePublicKey } from "../../keys.ts";
import type { Transaction } from "../../storage/store.ts";
import type { HostJoinRequest, IssuedHost } from "../api.ts";
import type { Cluster, HostItem, HostTokenItem } from "../cluster.ts";
import { tokenItemName } from "../join_bot.ts";
import { issueHost } from "./issue_host.ts";

/** Turns a token into the certificate of an agent or a relay. */
export async function joinHost(
  cluster: Cluster,
  request: HostJoinRequest,
  remote: string,
): Promise<IssuedHost> {
  const publicKey = normalizePublicKey(request.publicKey);
  const { role, name } = request;
  try {
    const host = await cluster.store.update((tx) => admit(cluster, tx, { ...request, publicKey }));
    const issued = await issueHost(cluster, { host, role, publicKey });
    await record(cluster, request, remote, { host_id: host, host_name: name });
    return issued;
  } catch (error) {
    if (error instanceof IdentityError) {
      await record(cluster, request, remote, { host_name: name, error: error.message });
    }
    throw error;
  }
}

async function admit(
  cluster: Cluster,
  tx: Transaction,
  request: HostJoinRequest,
): Promise<string> {
  const { before, name, publicKey, role } = request;
  const now = cluster.clock.now();
  const token = tokenItemName(request.token);
  const { apps } = await usableToken(tx, token, role, now);
  const known = before && await tx.get<HostItem>("host", before.host);
  const host = before && known ? before.host : randomBytes(16).toString("hex");
  if (before && known) demandProof(cluster, known.value, { ...request, before });
  const time = now.toISOString();
  await tx.put(
    "host",
    host,
    {
      role,
      name,
      publicKey,
      token,
      joined: known?.value.joined ?? time,
      renewed: time,
      ...(known && { previousKey: known.value.publicKey }),
      ...(apps && { apps }),
    } satisfies HostItem,
  );
  return host;
}

async function usableToken(
  tx: Transaction,
  name: string,
  role: HostJoinRequest["role"],
  now: Date,
): Promise<HostTokenItem> {
  const item = await tx.get<HostTokenItem>("host_token", name);
  if (!item) {
    throw new IdentityError("JOIN_REFUSED", "Cannot join: no host joins with this token", {
      hint: "Check the token for a typing error, or create one with `tctl tokens add --type=app`",
    });
  }
  const { expires, roles } = item.value;
  if (new Date(expires) <= now) {
    throw new IdentityError(
      "JOIN_TOKEN_EXPIRED",
      `Cannot join as ${role}: the token expired at ${expires}`,
      { hint: "Create a new token with `tctl tokens add`" },
    );
  }
  if (roles.includes(role)) return item.value;
  throw new IdentityError("JOIN_REFUSED", `Cannot join as ${role}: the token is for others`, {
    hint: `Create one with \`tctl tokens add --type=${role === "agent" ? "app" : "proxy"}\``,
  });
}

/** Who holds a token may be a new host, and not take over an old one. */
function demandProof(
  cluster: Cluster,
  known: HostItem,
  { before, publicKey, role }: HostJoinRequest & Required<Pick<HostJoinRequest, "before">>,
): void {
  const { host, signature } = before;
  const proof = { cluster: cluster.name, host, publicKey };
  const keys = [known.publicKey, known.previousKey].filter((key) => key !== undefined);
  const proven = keys.some((key) => verifyHostProof(proof, signature, key));
  if (known.role === role && proven) return;
  throw new IdentityError(
    "JOIN_REFUSED",
    `Cannot join as ${role} ${host}: the proof is not by the key of that host`,
    { hint: "Remove host.json from the data directory to join as a new host" },
  );
}

async function record(
  { audit, store }: Cluster,
  { role, token }: HostJoinRequest,
  remote: string,
  fields: Readonly<Record<string, unknown>>,
): Promise<void> {
  const name = tokenItemName(token);
  // The hash of a token that is none here may be that of a secret for something else.
  const known = await store.get("host_token", name);
  const success = fields["error"] === undefined;
  await audit.append({
    type: "instance.join",
    code: success ? "TJ002I" : "TJ002E",
    ...fields,
    role,
    method: "token",
    ...(known && { token_name: name }),
    success,
    "addr.remote": remote,
  });
}
