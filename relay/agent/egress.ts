/**
 * What the audit log says of how a session reaches its server: the kind of credential, and the
 * headers that are added to requests. Headers of the protocol are not among them; they repeat what
 * messages say.
 */
import {
  type App,
  appTransport,
  HEADER_TRAITS,
  JWT_HEADER,
  type Principal,
} from "../../identity/mod.ts";
import { expandTemplate, parseTemplate } from "../../policy/mod.ts";

/** The original's words; `user-defined` is not among ours, since no header of a client is passed on. */
export type EgressAuthType = "unknown" | "app-jwt" | "app-id-token" | "app-defined";

/** By name, as the configuration writes it; a header may be there several times. */
export type RecordedHeaders = Readonly<Record<string, readonly string[]>>;

export interface Egress {
  readonly authType: EgressAuthType;
  /** Absent where nothing is sent over HTTP. */
  readonly headers?: RecordedHeaders;
}

export interface EgressOptions {
  /** As the agent's configuration has it, in full. */
  readonly app: App;
  readonly principal: Principal;
  /** Whether tokens can be signed here; headers that need one are left out otherwise. */
  readonly signs: boolean;
}

/** The original's word for a value that is not recorded. */
const REDACTED = "<REDACTED>";

/** What a value under such a name is for, whatever it is made of. */
const CREDENTIAL = /auth|cookie|credential|key|passw|secret|token/i;

export function egressOf({ app, principal, signs }: EgressOptions): Egress {
  if (appTransport(app.uri) === "stdio") return { authType: "unknown" };
  const { headers = [], headersFrom = [] } = app.rewrite ?? {};
  const recorded: Record<string, readonly string[]> = Object.create(null);
  const add = (name: string, values: readonly string[]) => {
    if (values.length > 0) recorded[name] = [...recorded[name] ?? [], ...values];
  };
  if (signs) add(JWT_HEADER, [REDACTED]);
  for (const { name, value } of headers) add(name, valuesOf(name, value, principal, signs));
  for (const { name } of headersFrom) add(name, [REDACTED]);
  return { authType: authType(app, signs), headers: recorded };
}

/**
 * INVARIANT (no secret): a value is recorded if traits of the bot make it, which the log has
 * anyhow; what is written out, signed or looked up may be a credential.
 */
function valuesOf(
  name: string,
  value: string,
  { traits }: Principal,
  signs: boolean,
): readonly string[] {
  if (isSigned(value)) return signs ? [REDACTED] : [];
  const parsed = parseTemplate(value, HEADER_TRAITS);
  if (!parsed.ok || parsed.template.kind === "literal") return [REDACTED];
  const { values } = expandTemplate(parsed.template, traits);
  return CREDENTIAL.test(name) ? values.map(() => REDACTED) : values;
}

function authType({ rewrite }: App, signs: boolean): EgressAuthType {
  const { headers = [], headersFrom = [] } = rewrite ?? {};
  const uses = (token: string) => signs && headers.some(({ value }) => names(token).test(value));
  if (uses("id_token")) return "app-id-token";
  if (uses("jwt")) return "app-jwt";
  const authorized = headers.some(({ name }) => name.toLowerCase() === "authorization");
  return authorized || headersFrom.length > 0 ? "app-defined" : "unknown";
}

function isSigned(value: string): boolean {
  return value.includes("{{") && (names("jwt").test(value) || names("id_token").test(value));
}

function names(token: string): RegExp {
  return new RegExp(`\\{\\{.*\\b${token}\\b`);
}
