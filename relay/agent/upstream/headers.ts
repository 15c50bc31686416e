/**
 * The headers that the agent adds for one session: a token that says who calls, rewritten headers,
 * secrets. What cannot be a header ends the attempt; nothing is cut or escaped to fit.
 */
import {
  type App,
  type AppTokenRequest,
  type Clock,
  HEADER_TRAITS,
  JWT_HEADER,
  type Log,
  type Principal,
  type Rewrite,
  type SignAppToken,
  validHeaderValue,
} from "../../../identity/mod.ts";
import { expandTemplate, parseTemplate, type Template } from "../../../policy/mod.ts";
import { RelayError } from "../../error.ts";
import { CallerToken } from "./_caller_token.ts";
import { valueOf } from "../values/value_of.ts";
import type { Values } from "../values/values.ts";
import type { HeaderSource, HttpHeader } from "./upstream.ts";

/** What all added headers may have together; common servers take 16 KiB or more. */
export const MAX_HEADER_BYTES = 16 * 1024;

export interface HeaderOptions {
  readonly app: App;
  /** Who the session's holder is now. */
  readonly principal: () => Principal;
  /** The end of the session's certificate. */
  readonly notAfter: () => Date;
  /** Without it no token is sent, and a header that should hold one is left out. */
  readonly signAppToken: SignAppToken | undefined;
  readonly values: Values;
  readonly clock: Clock;
  readonly log: Log;
}

/** The headers for the requests of one session; what it rejects with may be told to the peer. */
export function headerSource(options: HeaderOptions): HeaderSource {
  const { app, log, principal } = options;
  const { headers, headersFrom } = app.rewrite ?? NO_REWRITE;
  const templates = headers.map(({ name, value }) => ({ name, template: template(app, value) }));
  const jwt = tokenOf("jwt", options);
  const idToken = headers.some(({ value }) => value.includes("id_token"))
    ? tokenOf("id_token", options)
    : undefined;
  const missing = new Set<string>();
  return async () => {
    const now = principal();
    const [signed, id] = await Promise.all([jwt?.of(now), idToken?.of(now)]);
    // The agent's own come last: no trait of a bot may stand in for them.
    const traits = { ...now.traits, jwt: list(signed), id_token: list(id) };
    const found: HttpHeader[] = signed === undefined ? [] : [{ name: JWT_HEADER, value: signed }];
    for (const { name, template } of templates) {
      const { values, invalid } = expandTemplate(template, traits);
      if (invalid !== undefined) throw unfit(app, name, "a trait of the bot is no address");
      if (values.length === 0 && !missing.has(name)) {
        missing.add(name);
        log.warn("A header is left out: the bot lacks its trait", { app: app.name, header: name });
      }
      found.push(...values.map((value) => ({ name, value })));
    }
    for (const { name, prefix, from } of headersFrom) {
      found.push({ name, value: prefix + await valueOf(`header "${name}"`, from, options) });
    }
    check(app, found);
    return found;
  };
}

const NO_REWRITE: Rewrite = { jwtClaims: "roles-and-traits", headers: [], headersFrom: [] };

function tokenOf(
  kind: AppTokenRequest["kind"],
  { signAppToken: sign, app, ...options }: HeaderOptions,
): CallerToken | undefined {
  const { jwtClaims: claims } = app.rewrite ?? NO_REWRITE;
  return sign && new CallerToken({ ...options, kind, claims, app, sign });
}

function template(app: App, value: string): Template {
  const parsed = parseTemplate(value, HEADER_TRAITS);
  if (parsed.ok) return parsed.template;
  throw new RelayError("CONFIG_INVALID", `Cannot use a header of app "${app.name}"`, {
    hint: parsed.message,
  });
}

/** A peer is told the name of a header, and never what should have stood in it. */
function check(app: App, headers: readonly HttpHeader[]): void {
  let bytes = 0;
  for (const { name, value } of headers) {
    bytes += name.length + value.length + 4;
    if (validHeaderValue(value)) continue;
    throw unfit(app, name, "its value has characters that no header may have");
  }
  if (bytes <= MAX_HEADER_BYTES) return;
  throw new RelayError(
    "LIMIT_EXCEEDED",
    `The headers for app "${app.name}" have more than ${MAX_HEADER_BYTES} bytes`,
    { hint: "Set rewrite.jwt_claims to none, or give the bot fewer or shorter traits" },
  );
}

function unfit(app: App, name: string, found: string): RelayError {
  return new RelayError(
    "HEADER_INVALID",
    `Cannot send the header "${name}" to app "${app.name}": ${found}`,
    { hint: "Mend the bot's traits, or the value that app.rewrite names" },
  );
}

function list(token: string | undefined): string[] {
  return token === undefined ? [] : [token];
}
