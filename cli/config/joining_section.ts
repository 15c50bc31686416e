/** `teleport:` of `teleport.yaml`: how agents and relays find an authority elsewhere, and join it. */
import { readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { z } from "zod";
import { invalidConfig, oneOrMany, placeOf } from "../../identity/config/mod.ts";
import type { Source } from "../../identity/config/mod.ts";
import { isPin, parseProxy } from "../../identity/mod.ts";
import type { Services } from "./teleport_yaml.ts";

export interface JoiningSection {
  /** `host:port` of the authority, or of a relay that leads to it. */
  readonly authority: string;
  /** The secret; absent for a host that has joined before. */
  readonly token: string | undefined;
  /** `sha256:…` of the cluster's CA; a public certificate has to do without them. */
  readonly caPins: readonly string[];
}

const address = z.string().superRefine((text, context) => {
  try {
    parseProxy(text);
  } catch {
    context.addIssue({ code: "custom", message: `"${text}" is not an address: write host:port` });
  }
});

/** Fields beside the others of `teleport:`. */
export const joiningFields = {
  auth_server: address.optional(),
  /** The original's older name; a list, of which one is used. */
  auth_servers: z.tuple([address], "write one address, as `auth_server`").optional(),
  proxy_server: address.optional(),
  auth_token: z.string().min(1).optional(),
  join_params: z.strictObject({
    method: z.literal("token", "hosts join by `method: token` only").default("token"),
    token_name: z.string().min(1),
  }).optional(),
  ca_pin: oneOrMany.optional(),
};

type Raw = { readonly [K in keyof typeof joiningFields]: z.infer<(typeof joiningFields)[K]> };
type Given = Partial<Raw>;

/** Undefined where the authority is in this process. Throws with every problem and its place. */
export function readJoining(
  raw: Given,
  { authority, relay }: Services,
  source: Source,
): JoiningSection | undefined {
  const problems: Parameters<typeof invalidConfig>[1][number][] = [];
  const problem = (field: string, message: string, hint: string) =>
    problems.push({ at: placeOf(source, ["teleport", field]), message, hint });
  const auth = raw.auth_server ?? raw.auth_servers?.[0];
  if (authority) {
    for (const field of ["auth_server", "auth_servers", "proxy_server"] as const) {
      if (raw[field] === undefined) continue;
      problem(
        field,
        `${field} is of no use: the authority is in this process`,
        "set auth_service: {enabled: no} for a relay or an agent of another authority",
      );
    }
  } else if (auth !== undefined && raw.proxy_server !== undefined) {
    problem("proxy_server", "auth_server and proxy_server exclude each other", "give one of them");
  } else if (auth === undefined && raw.proxy_server === undefined) {
    problem(
      "auth_server",
      "the authority is elsewhere, and nothing says where",
      "set teleport.auth_server, or proxy_server for an agent",
    );
  } else if (relay && auth === undefined) {
    problem(
      "proxy_server",
      "a relay has to reach the authority itself, not through a relay",
      "set teleport.auth_server to its auth_service.listen_addr",
    );
  }
  if (raw.auth_token !== undefined && raw.join_params !== undefined) {
    problem("auth_token", "auth_token and join_params exclude each other", "give one of them");
  }
  for (const pin of raw.ca_pin ?? []) {
    if (isPin(pin)) continue;
    problem("ca_pin", `"${pin}" is not a CA pin`, "`tctl status` on the authority's host shows it");
  }
  if (problems.length > 0) throw invalidConfig(source.file, problems);
  if (authority) return undefined;
  return {
    authority: (auth ?? raw.proxy_server)!,
    token: readToken(raw.auth_token ?? raw.join_params?.token_name, source),
    caPins: raw.ca_pin ?? [],
  };
}

/** As in the original, a full path is that of a file with the token. */
function readToken(text: string | undefined, source: Source): string | undefined {
  if (text === undefined || !isAbsolute(text)) return text;
  try {
    return readFileSync(text, "utf8").trim();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw invalidConfig(source.file, [{
      at: placeOf(source, ["teleport"]),
      message: `the file of the token, ${text}, cannot be read: ${code}`,
      hint: "give the token itself, or a file that this user may read",
    }]);
  }
}
