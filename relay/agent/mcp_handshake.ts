/** Who client and server say that they are, for the event of a session's start. */
import type { GateRecord } from "../gate/step.ts";
import { META_PROTOCOL_VERSION } from "../gate/methods.ts";
import type { JsonView } from "../wire/json.ts";

/** Fields of the event, under the original's names. */
export interface Handshake {
  readonly client_info?: Implementation;
  readonly server_info?: Implementation;
  readonly protocol_version?: string;
}

interface Implementation {
  readonly name: string;
  readonly version: string;
}

/** Peers choose these texts. */
const MAX_CHARS = 256;

/** What a message of the handshake says; in the modern era any request says it (2026-07-28). */
export function handshakeIn({ kind, from, method, params, result }: GateRecord): Handshake {
  if (kind === "request" && from === "client") {
    if (method === "initialize") {
      return defined({
        client_info: implementation(params?.member("clientInfo")),
        protocol_version: short(params?.member("protocolVersion")),
      });
    }
    const meta = params?.member("_meta");
    const version = short(meta?.member(META_PROTOCOL_VERSION));
    if (version === undefined) return {};
    return defined({
      client_info: implementation(meta?.member("io.modelcontextprotocol/clientInfo")),
      protocol_version: version,
    });
  }
  if (kind !== "response" || from !== "server" || method !== "initialize") return {};
  return defined({
    server_info: implementation(result?.member("serverInfo")),
    protocol_version: short(result?.member("protocolVersion")),
  });
}

function implementation(view: JsonView | undefined): Implementation | undefined {
  const name = short(view?.member("name"));
  return name === undefined ? undefined : { name, version: short(view?.member("version")) ?? "" };
}

function short(view: JsonView | undefined): string | undefined {
  return view?.string()?.slice(0, MAX_CHARS);
}

type Given = { readonly [K in keyof Handshake]: Handshake[K] | undefined };

function defined(values: Given): Handshake {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
