import { invalidConfig, placeOf } from "../../identity/config/mod.ts";
import type { Source } from "../../identity/config/mod.ts";

/** Where something listens. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`; every address of the machine when there is no host. */
export function parseHostPort(text: string, source: Source, path: readonly string[]): HostPort {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]*):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match && port <= 65_535) {
    return { host: match[1]?.replace(/^\[|\]$/g, "") || "0.0.0.0", port };
  }
  throw invalidConfig(source.file, [{
    at: placeOf(source, path),
    message: `\`${path.at(-1)}\` is not an address: ${text}`,
    hint: "write host:port, for example 0.0.0.0:443",
  }]);
}
