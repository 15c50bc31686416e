/**
 * What an app may say of itself, wherever it is written: in `app_service.apps` of a file or in a
 * resource of `kind: app`. Both have these fields, and both mean by them what `toApp()` in `app_fields.ts` says.
 */
import * as z from "zod";
import { appTransport, serverUrl } from "../app.ts";
import { header, headerName } from "./_header_rules.ts";
import { appLimitsSchema } from "./app_limits.ts";
import {
  argv,
  MIN_PERIOD_MS,
  referenceFields,
  sourceProblem,
  valueSource,
  variable,
} from "./_value_source.ts";
import { period, toggle } from "./fields.ts";
import { hinted, nearest } from "./problems.ts";

const DEFAULT_LABEL_PERIOD_MS = 60_000;
const MAX_LABELS = 64;
const MAX_HEADERS = 64;
const SCHEMES = ["mcp+stdio", "mcp+http", "mcp+https", "mcp+sse+http", "mcp+sse+https"];

const text = z.string().min(1, "it is empty").max(4096);
const line = text.regex(/^[^\0]*$/, "it has a NUL");

/** The name of an app is a DNS label. */
export const appName = z.string().regex(
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  "an app's name has lower-case letters, digits and dashes, and at most 63 of them",
);

/** Static labels. */
export const appLabels = z.record(z.string(), z.string()).default({});

const uri = z.string().default("").superRefine((value, context) => {
  const problem = uriProblem(value);
  if (problem) context.addIssue(problem);
});

/** The command of a label, without the label's name. */
export const labelCommand = z.strictObject({
  command: argv,
  period: period(MIN_PERIOD_MS).default(DEFAULT_LABEL_PERIOD_MS),
});

/** The name of a label that a command tells. */
export const labelName = z.string().regex(/^[A-Za-z0-9/._:-]{1,128}$/, "it is no name of a label")
  .refine((name) => !name.startsWith("teleport.internal/"), "this name is the system's own");

const mcp = z.strictObject({
  command: line,
  args: z.array(z.string()).default([]),
  run_as_host_user: line,
  cwd: line.regex(/^\/|^[A-Za-z]:[\\/]/, "write the full path of the directory").optional(),
  env: z.record(variable, valueSource).optional(),
  pass_env: z.array(variable).optional(),
});

const headerFrom = z.strictObject({
  name: headerName,
  prefix: z.string().regex(/^[\x20-\x7e]*$/, "a header has printable characters only").default(""),
  ...referenceFields,
}).superRefine((fields, context) => {
  const problem = sourceProblem(fields, ["file", "env", "command"]);
  if (problem) context.addIssue(problem);
});

const rewrite = z.strictObject({
  jwt_claims: z.enum(["roles-and-traits", "roles", "traits", "none"], {
    error: "write roles-and-traits, roles, traits or none",
  }).default("roles-and-traits"),
  headers: z.array(header).max(MAX_HEADERS).default([]),
  headers_from: z.array(headerFrom).max(MAX_HEADERS).default([]),
});

/** The fields that stand directly in an app of a file, and under `spec` in a resource. */
export const appFields = {
  uri,
  mcp: mcp.optional(),
  insecure_skip_verify: toggle.optional(),
  commands: z.array(labelCommand.extend({ name: labelName })).max(MAX_LABELS).default([]),
  rewrite: rewrite.optional(),
  limits: appLimitsSchema,
};

const fields = z.object(appFields);

/** The fields, checked. */
export type AppFields = z.infer<typeof fields>;

/** What is wrong with fields taken together; for `superRefine()` of a schema that has them. */
export function checkAppFields(app: AppFields, context: z.RefinementCtx): void {
  const complain = (path: (string | number)[], message: string, hint?: string) =>
    context.addIssue({ ...hinted(message, hint), path });
  const transport = appTransport(app.uri);
  if (transport === "stdio") {
    if (app.mcp === undefined) {
      complain(
        [],
        "the app has no `mcp` section",
        "write mcp: with command, args and run_as_host_user, or the uri of an HTTP server",
      );
    }
    if (app.rewrite) complain(["rewrite"], "`rewrite` is for servers over HTTP", "see mcp.env");
    if (app.insecure_skip_verify) {
      complain(["insecure_skip_verify"], "only a server over HTTPS has a certificate");
    }
  } else if (transport !== undefined && app.mcp) {
    complain(["mcp"], "`mcp` starts a server, but the uri names one over HTTP");
  }
  const second = app.rewrite && secondHeader(app.rewrite);
  if (second !== undefined) {
    complain(
      ["rewrite", "headers_from", second, "name"],
      "there is a second value for this header",
    );
  }
  const names = app.commands.map(({ name }) => name);
  names.forEach((name, index) => {
    if (names.indexOf(name) === index) return;
    complain(["commands", index, "name"], `there is a second command for the label "${name}"`);
  });
}

/** A header that has a value from elsewhere has one: two would leave it to the server which counts. */
function secondHeader(
  { headers, headers_from }: NonNullable<AppFields["rewrite"]>,
): number | undefined {
  const names = [...headers, ...headers_from].map(({ name }) => name.toLowerCase());
  const second = headers_from.findIndex((_, index) => {
    const at = headers.length + index;
    return names.indexOf(names[at] ?? "") !== at;
  });
  return second < 0 ? undefined : second;
}

function uriProblem(value: string): ReturnType<typeof hinted> | undefined {
  const transport = appTransport(value);
  if (transport === undefined) {
    // Not the rest of it: that may hold a password.
    const [scheme = ""] = value.slice(0, 40).split(":");
    const meant = /^https?$/.test(scheme) ? `mcp+${scheme}` : nearest(scheme, SCHEMES);
    return hinted(
      `"${scheme}://" is no scheme of an MCP server's URI`,
      meant === undefined
        ? `schemes are ${SCHEMES.map((known) => `${known}://`).join(", ")}`
        : `did you mean \`${meant}://\`?`,
    );
  }
  if (transport === "stdio") return undefined;
  const url = URL.parse(serverUrl(value));
  if (url === null || url.hostname === "") return hinted("this is no URL of a server");
  if (url.username !== "" || url.password !== "") {
    return hinted("a URI has no user and no password", "see rewrite.headers_from");
  }
  return url.hash === "" ? undefined : hinted("the URI of a server has no `#`");
}
