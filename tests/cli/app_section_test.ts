import assert from "node:assert/strict";
import { parseClusterConfig } from "../../cli/config/teleport_yaml.ts";
import { IdentityError } from "../../identity/mod.ts";
import type { App } from "../../identity/mod.ts";
import { test } from "../support/harness.ts";

/** A file with one app, `a`, whose other lines stand at line 4 and below, column 7. */
function file(...lines: string[]): string {
  return ["app_service:", "  apps:", "    - name: a", ...lines.map((line) => `      ${line}`)]
    .join("\n") + "\n";
}

function appOf(...lines: string[]): App {
  const [app] = parseClusterConfig(file(...lines), "f").apps;
  assert.ok(app);
  return app;
}

const STDIO = "mcp: {command: x, run_as_host_user: y}";
const HTTP = "uri: mcp+https://mcp.example.com/mcp";

test("an app without a uri is one that the agent starts", () => {
  for (const uri of ["# none", 'uri: ""', "uri: mcp+stdio://"]) {
    assert.equal(appOf(uri, STDIO).uri, "mcp+stdio://");
  }
});

test("an app over HTTP has every setting that the original has for one", () => {
  const app = appOf(
    "uri: mcp+https://mcp.example.com:8443/mcp?x=1",
    "description: far away",
    "insecure_skip_verify: yes",
    "labels: {env: prod}",
    "commands:",
    "  - {name: region, command: [cat, /etc/region], period: 1h}",
    "  - {name: load, command: [uptime]}",
    "rewrite:",
    "  jwt_claims: traits",
    "  headers:",
    '    - "Authorization: Bearer {{internal.jwt}}"',
    "    - {name: X-Team, value: '{{external.team}}'}",
  );
  assert.deepEqual(app, {
    name: "a",
    description: "far away",
    uri: "mcp+https://mcp.example.com:8443/mcp?x=1",
    labels: { "teleport.internal/app-sub-kind": "mcp", env: "prod" },
    dynamicLabels: [
      { name: "region", command: ["cat", "/etc/region"], periodMs: 3_600_000 },
      { name: "load", command: ["uptime"], periodMs: 60_000 },
    ],
    insecureSkipVerify: true,
    rewrite: {
      jwtClaims: "traits",
      headers: [
        { name: "Authorization", value: "Bearer {{internal.jwt}}" },
        { name: "X-Team", value: "{{external.team}}" },
      ],
      headersFrom: [],
    },
  });
});

test("a value comes from the file itself, another file, a variable or a command", () => {
  assert.deepEqual(
    appOf(
      HTTP,
      "rewrite:",
      "  headers_from:",
      "    - {name: Authorization, prefix: 'Bearer ', file: /run/secrets/token}",
      "    - {name: X-Key, env: API_KEY}",
      "    - {name: X-Short, command: [mint, --short], period: 30s}",
    ).rewrite?.headersFrom,
    [
      {
        name: "Authorization",
        prefix: "Bearer ",
        from: { kind: "file", path: "/run/secrets/token" },
      },
      { name: "X-Key", prefix: "", from: { kind: "env", name: "API_KEY" } },
      {
        name: "X-Short",
        prefix: "",
        from: { kind: "command", command: ["mint", "--short"], periodMs: 30_000 },
      },
    ],
  );
  const { mcp } = appOf(
    "mcp:",
    "  command: x",
    "  run_as_host_user: y",
    "  cwd: /srv/mcp",
    "  pass_env: [HTTPS_PROXY]",
    "  env:",
    "    MODE: fast",
    "    ALSO: {value: slow}",
    "    TOKEN: {file: /run/secrets/token}",
    "    KEY: {env: API_KEY}",
    "    SHORT: {command: [mint]}",
  );
  assert.deepEqual(mcp, {
    command: "x",
    args: [],
    runAsHostUser: "y",
    cwd: "/srv/mcp",
    passEnv: ["HTTPS_PROXY"],
    env: {
      MODE: { kind: "value", value: "fast" },
      ALSO: { kind: "value", value: "slow" },
      TOKEN: { kind: "file", path: "/run/secrets/token" },
      KEY: { kind: "env", name: "API_KEY" },
      SHORT: { kind: "command", command: ["mint"], periodMs: 300_000 },
    },
  });
});

test("mcp_demo_server adds the original's demo app", () => {
  assert.deepEqual(parseClusterConfig("app_service: {mcp_demo_server: true}\n", "f").apps, [{
    name: "teleport-mcp-demo",
    description: "A demo MCP server that shows current user and session information",
    uri: "mcp+stdio://teleport-mcp-demo",
    labels: {
      "teleport.internal/resource-type": "demo",
      "teleport.internal/app-sub-kind": "mcp",
    },
  }]);
  assert.deepEqual(
    parseClusterConfig("app_service: {enabled: no, mcp_demo_server: true}\n", "f").apps,
    [],
  );
});

const header = (text: string) => [HTTP, "rewrite:", "  headers:", `    - ${text}`];
const from = (text: string) => [HTTP, "rewrite:", "  headers_from:", `    - {${text}}`];

const bad: readonly { what: string; app: readonly string[]; says: RegExp }[] = [
  {
    what: "a URL without the scheme's beginning",
    app: ["uri: https://mcp.example.com/mcp"],
    says:
      /f:4:12: "https:\/\/" is no scheme of an MCP server's URI \(did you mean `mcp\+https:\/\/`\?\)/,
  },
  {
    what: "a misspelled scheme, with the nearest one",
    app: ["uri: mcp+htps://mcp.example.com/mcp"],
    says: /f:4:12: "mcp\+htps:\/\/" is no scheme .*did you mean `mcp\+https?:\/\/`/,
  },
  {
    what: "another scheme, with those that there are",
    app: ["uri: tcp://localhost:5432"],
    says: /f:4:12: "tcp:\/\/" is no scheme .*schemes are mcp\+stdio:\/\/, mcp\+http:\/\/, /,
  },
  { what: "a URI without a host", app: ["uri: mcp+http://"], says: /f:4:12: .*no URL of a server/ },
  {
    what: "a password in a URI, and does not repeat it",
    app: ["uri: mcp+http://joe:sesame@localhost/mcp"],
    says: /^(?!.*sesame)[^]*f:4:12: a URI has no user and no password \(see rewrite.headers_from\)/,
  },
  { what: "a fragment", app: ["uri: mcp+http://localhost/#x"], says: /f:4:12: .*no `#`/ },
  { what: "HTTP with a command", app: [HTTP, STDIO], says: /f:5:12: `mcp` starts a server, but/ },
  {
    what: "rewriting for a server on stdio",
    app: [STDIO, "rewrite: {jwt_claims: none}"],
    says: /f:5:16: `rewrite` is for servers over HTTP \(see mcp.env\)/,
  },
  {
    what: "a misspelled key of rewrite",
    app: [HTTP, "rewrite: {header: []}"],
    says: /f:5:17: unknown key `header` \(did you mean `headers`\?\)/,
  },
  {
    what: "unknown claims",
    app: [HTTP, "rewrite: {jwt_claims: all}"],
    says: /f:5:29: .*roles-and-traits, roles, traits or none/,
  },
  {
    what: "a header without a colon",
    app: header("Authorization"),
    says: /f:7:13: .*`value` is missing/,
  },
  {
    what: "a header's name with a space",
    app: header('"X Y: z"'),
    says: /f:7:13: "X Y" is no name of a header/,
  },
  ...["Host", "mcp-session-id", "Content-Type", "Connection", "transfer-encoding", "Accept"].map(
    (name) => ({
      what: `the header ${name}`,
      app: header(`"${name}: x"`),
      says: new RegExp(`f:7:13: the header "${name}" cannot be set: it belongs to `),
    }),
  ),
  {
    what: "the header of the cluster's own token",
    app: from("name: Teleport-Jwt-Assertion, env: X"),
    says: /f:7:20: the header "Teleport-Jwt-Assertion" cannot be set: it carries the token/,
  },
  {
    what: "a header with a line end",
    app: header('"X: a\\r\\nY: b"'),
    says: /f:7:13: a header's value has printable characters only, on one line/,
  },
  {
    what: "a template that names no trait",
    app: header('"X: {{internal.jtw}}"'),
    says: /f:7:13: "internal.jtw" does not exist \(did you mean jwt\?\)/,
  },
  {
    what: "two values for one header",
    app: [HTTP, "rewrite: {headers: ['X: y'], headers_from: [{name: x, env: Y}]}"],
    says: /f:5:58: there is a second value for this header/,
  },
  {
    what: "a source that is none",
    app: from("name: X"),
    says: /f:7:13: write exactly one of `file`, `env`, `command`/,
  },
  {
    what: "two sources for one value",
    app: from("name: X, env: Y, file: /z"),
    says: /f:7:13: write exactly one of/,
  },
  {
    what: "a period for a file",
    app: from("name: X, file: /z, period: 1m"),
    says: /f:7:13: only a `command` has a `period`/,
  },
  {
    what: "a misspelled source, with the nearest one",
    app: ["mcp: {command: x, run_as_host_user: y, env: {K: {fille: /z}}}"],
    says: /f:4:56: unknown key `fille` \(did you mean `file`\?\)/,
  },
  {
    what: "a number, which YAML may have changed already",
    app: ["mcp: {command: x, run_as_host_user: y, env: {PORT: 0x50}}"],
    says: /f:4:58: .*write a text in quotes, or a map/,
  },
  {
    what: "a variable that is none",
    app: ["mcp: {command: x, run_as_host_user: y, pass_env: [A=B]}"],
    says: /f:4:57: .*the name of a variable/,
  },
  {
    what: "a directory that depends on where the agent was started",
    app: ["mcp: {command: x, run_as_host_user: y, cwd: srv}"],
    says: /f:4:51: .*full path of the directory/,
  },
  {
    what: "a label's command that runs all the time",
    app: [STDIO, "commands: [{name: l, command: [x], period: 1ms}]"],
    says: /f:5:50: "1ms" is too short: at least 1s/,
  },
  {
    what: "a command for a label of the system",
    app: [STDIO, "commands: [{name: teleport.internal/app-sub-kind, command: [x]}]"],
    says: /f:5:25: .*the system's own/,
  },
  {
    what: "two commands for one label",
    app: [STDIO, "commands: [{name: l, command: [x]}, {name: l, command: [y]}]"],
    says: /f:5:50: there is a second command for the label "l"/,
  },
];

for (const { what, app, says } of bad) {
  test(`an app is refused for ${what}, at its place`, () => refuses(file(...app), says));
}

test("two apps of one name are refused", () => {
  refuses(file(STDIO) + file(STDIO).slice(file().indexOf("    - name")), /f:5:13: .*second app/);
  const demo = "  mcp_demo_server: yes\n";
  const taken = file(STDIO).replace("name: a", "name: teleport-mcp-demo") + demo;
  refuses(taken, /f:3:13: there is a second app with the name "teleport-mcp-demo"/);
});

function refuses(text: string, says: RegExp): void {
  assert.throws(() => parseClusterConfig(text, "f"), (error: unknown) => {
    assert.ok(error instanceof IdentityError);
    assert.equal(error.code, "CONFIG_INVALID");
    assert.match(error.message, says);
    return true;
  });
}
