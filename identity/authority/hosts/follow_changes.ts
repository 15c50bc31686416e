/** The change stream over HTTP: an answer without an end. */
import type { Context, Hono } from "hono";
import { IdentityError } from "../../error.ts";
import type { Version } from "../../stream/line.ts";
import type { Cluster } from "../cluster.ts";
import type { Env } from "../public_api.ts";
import { CHANGES_PATH } from "../routes.ts";
import { ChangeStream, streamBody } from "../stream/change_stream.ts";
import { type HostCaller, identifyHost } from "./identify_host.ts";

export function addChanges(api: Hono<Env>, cluster: Cluster): void {
  api.get(CHANGES_PATH, async (context) => {
    const caller = await identifyHost(cluster, context.env, "host");
    return follow(cluster, caller, versionIn(context));
  });
}

function follow(cluster: Cluster, caller: HostCaller, after: Version | undefined): Response {
  const stream = new ChangeStream(cluster, caller, after);
  cluster.hosts.add(caller, stream);
  const closed = () => cluster.hosts.remove(caller, stream);
  return new Response(streamBody(stream, closed), {
    headers: { "content-type": "application/x-ndjson", "cache-control": "no-store" },
  });
}

function versionIn(context: Context<Env>): Version | undefined {
  const { epoch, seq } = context.req.query();
  if (epoch === undefined || seq === undefined) return undefined;
  if (/^[0-9]{1,15}$/.test(seq)) return { epoch, seq: Number(seq) };
  throw new IdentityError("BAD_REQUEST", "The request is not valid at seq: it is no number");
}
