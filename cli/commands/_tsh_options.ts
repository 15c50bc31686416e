/** Options that all of tsh's commands share, wherever they come from. */
import { IdentityError } from "../../identity/mod.ts";
import type { LogFormat } from "../log.ts";
import type { TshHost } from "./_tsh_host.ts";

export interface TshOptions {
  readonly identity?: string | undefined;
  readonly proxy?: string | undefined;
  readonly insecure?: boolean | undefined;
  readonly debug?: boolean | undefined;
  readonly logFormat?: LogFormat | undefined;
}

/** Where the cluster is and who asks: options first, then the original's variables. */
export function surroundings(
  options: TshOptions,
  host: TshHost,
  doing: string,
): { readonly identityPath: string; readonly proxy: string } {
  if (options.insecure) {
    throw new IdentityError("BAD_REQUEST", `Cannot ${doing}: --insecure would turn nothing off`, {
      hint: "Leave it out: the identity file has the CAs that the cluster is verified by",
    });
  }
  const identityPath = options.identity || host.env["TELEPORT_IDENTITY_FILE"];
  if (!identityPath) {
    throw new IdentityError("BAD_REQUEST", `Cannot ${doing}: no identity is given`, {
      hint: "Add -i with the file that tbot writes, for example -i /opt/machine-id/identity",
    });
  }
  const proxy = options.proxy || host.env["TELEPORT_PROXY"];
  if (!proxy) {
    throw new IdentityError("BAD_REQUEST", `Cannot ${doing}: no cluster is given`, {
      hint: "Add --proxy with the cluster's public address, for example --proxy example.com:443",
    });
  }
  return { identityPath, proxy };
}

/** The log of a command. */
export function openLog({ debug, logFormat }: TshOptions, host: TshHost): Log {
  return host.openLog({ debug: debug === true, format: logFormat });
}

type Log = ReturnType<TshHost["openLog"]>;
