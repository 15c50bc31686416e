import assert from "node:assert/strict";
import {
  DEFAULT_LISTEN,
  defaultDataDir,
  parseClusterConfig,
} from "../../cli/config/teleport_yaml.ts";
import { IdentityError } from "../../identity/mod.ts";
import { test } from "../support/harness.ts";

const guide = `version: v3
teleport:
  nodename: mcp-host
  data_dir: /var/lib/teleport
auth_service:
  enabled: yes
  cluster_name: example.com
proxy_service:
  enabled: "yes"
  web_listen_addr: 0.0.0.0:443
  public_addr: example.com:443
app_service:
  enabled: true
  resources:
    - labels:
        env: [dev, test]
  apps:
    - name: my-mcp-server
      description: A server
      labels:
        env: dev
      mcp:
        command: npx
        args: ["-y", "@modelcontextprotocol/server-everything"]
        run_as_host_user: nobody
ssh_service:
  enabled: no
`;

/** One process with everything in it. */
const TOGETHER = {
  services: { authority: true, relay: true, agent: true },
  authorityListen: undefined,
  joining: undefined,
  drainMs: 30_000,
  newsAges: { stale: 30_000, lost: 300_000 },
  nodename: undefined,
};

test("parseClusterConfig() reads the guide's file", () => {
  assert.deepEqual(parseClusterConfig(guide, "teleport.yaml"), {
    ...TOGETHER,
    nodename: "mcp-host",
    file: "teleport.yaml",
    dataDir: "/var/lib/teleport",
    clusterName: "example.com",
    listen: { host: "0.0.0.0", port: 443 },
    publicAddrs: ["example.com:443"],
    apps: [{
      name: "my-mcp-server",
      description: "A server",
      uri: "mcp+stdio://",
      labels: { "teleport.internal/app-sub-kind": "mcp", env: "dev" },
      mcp: {
        command: "npx",
        args: ["-y", "@modelcontextprotocol/server-everything"],
        runAsHostUser: "nobody",
      },
    }],
    appSelectors: [{ env: ["dev", "test"] }],
    agentLimits: {},
    appLimits: {},
    audit: { mode: "best_effort", redact: [], spoolLimitMib: 256, queueLimit: 10_000 },
    diagnostics: undefined,
    tracing: undefined,
  });
});

test("parseClusterConfig() reads how an agent, a relay and an authority stand apart", () => {
  const pin = `sha256:${"0".repeat(64)}`;
  const agent = parseClusterConfig(
    `teleport:
  nodename: far
  proxy_server: example.com
  join_params: {method: token, token_name: a-secret}
  ca_pin: ${pin}
auth_service: {enabled: no}
proxy_service: {enabled: no}
app_service:
  authority_away: {refuse_after: 10s, end_after: 1h}
`,
    "f",
  );
  assert.deepEqual(agent.services, { authority: false, relay: false, agent: true });
  assert.deepEqual(agent.joining, {
    authority: "example.com",
    token: "a-secret",
    caPins: [pin],
  });
  assert.deepEqual(agent.newsAges, { stale: 10_000, lost: 3_600_000 });
  const relay = parseClusterConfig(
    `teleport: {auth_server: '10.0.0.1:3025', auth_token: a-secret}
auth_service: {enabled: no}
app_service: {enabled: no}
proxy_service: {drain_timeout: 5m}
`,
    "f",
  );
  assert.deepEqual(relay.services, { authority: false, relay: true, agent: false });
  assert.deepEqual([relay.joining?.authority, relay.drainMs], ["10.0.0.1:3025", 300_000]);
  const authority = parseClusterConfig(
    "proxy_service: {enabled: no}\napp_service: {enabled: no}\n",
    "f",
  );
  assert.deepEqual(authority.authorityListen, { host: "127.0.0.1", port: 3025 });
});

test("parseClusterConfig() reads where to serve metrics and where to send traces", () => {
  const text = `teleport:
  diag_addr: 127.0.0.1:3000
tracing_service:
  enabled: yes
  exporter_url: http://127.0.0.1:4318
  sampling_rate_per_million: 250000
`;
  const { diagnostics, tracing } = parseClusterConfig(text, "teleport.yaml");
  assert.deepEqual(diagnostics, { host: "127.0.0.1", port: 3000 });
  assert.deepEqual(tracing, { url: "http://127.0.0.1:4318/v1/traces", ratio: 0.25 });
  const off = text.replace("enabled: yes", "enabled: no");
  assert.equal(parseClusterConfig(off, "teleport.yaml").tracing, undefined);
});

for (
  const [problem, text, wrong] of [
    ["no `exporter_url`", "  exporter_url: http://127.0.0.1:4318\n", "  enabled: yes\n"],
    ["not a URL", "http://127.0.0.1:4318", "localhost"],
    ["not http or https but grpc://", "http://", "grpc://"],
    ['"loopback" is not an address', "127.0.0.1:3000", "loopback"],
  ] as const
) {
  test(`parseClusterConfig() says at which line of tracing or diagnostics: ${problem}`, () => {
    const file = `teleport:
  diag_addr: 127.0.0.1:3000
tracing_service:
  exporter_url: http://127.0.0.1:4318
`.replace(text, wrong);
    assert.throws(() => parseClusterConfig(file, "teleport.yaml"), (error) => {
      assert.ok(error instanceof IdentityError);
      assert.ok(error.message.includes(problem), error.message);
      return true;
    });
  });
}

test("parseClusterConfig() fills an empty file with private defaults", () => {
  assert.deepEqual(parseClusterConfig("", "teleport.yaml"), {
    ...TOGETHER,
    file: "teleport.yaml",
    dataDir: defaultDataDir(),
    clusterName: undefined,
    listen: DEFAULT_LISTEN,
    publicAddrs: [],
    apps: [],
    appSelectors: [],
    agentLimits: {},
    appLimits: {},
    audit: { mode: "best_effort", redact: [], spoolLimitMib: 256, queueLimit: 10_000 },
    diagnostics: undefined,
    tracing: undefined,
  });
  assert.deepEqual(DEFAULT_LISTEN, { host: "127.0.0.1", port: 3080 });
});

const listening = (address: string) =>
  parseClusterConfig(`proxy_service: {web_listen_addr: "${address}"}`, "f").listen;

test("web_listen_addr is host:port, with every interface when there is no host", () => {
  assert.deepEqual(listening(":443"), { host: "0.0.0.0", port: 443 });
  assert.deepEqual(listening("[::1]:0"), { host: "::1", port: 0 });
  assert.deepEqual(listening("localhost:3080"), { host: "localhost", port: 3080 });
});

test("parseClusterConfig() reads how the audit log is kept", () => {
  const { audit } = parseClusterConfig("audit: {mode: strict, redact: [$..token]}\n", "f");
  assert.equal(audit.mode, "strict");
  assert.equal(audit.redact.length, 1);
  const limits = parseClusterConfig("audit: {spool_limit_mib: 1, queue_limit: 500}\n", "f").audit;
  assert.deepEqual([limits.spoolLimitMib, limits.queueLimit], [1, 500]);
});

const bad: readonly { what: string; yaml: string; says: RegExp }[] = [
  {
    what: "an unknown key, with the nearest one",
    yaml: "proxy_service:\n  web_listen_adr: 0.0.0.0:443\n",
    says: /f:2:3: unknown key `web_listen_adr` \(did you mean `web_listen_addr`\?\)/,
  },
  {
    what: "PROXY protocol of anybody",
    yaml: "proxy_service:\n  proxy_protocol: on\n",
    says: /f:2:19: proxy_protocol needs proxy_protocol_from/,
  },
  {
    what: "a load balancer that is no network",
    yaml: "proxy_service:\n  proxy_protocol: on\n  proxy_protocol_from: [10.0.0.0/33]\n",
    says: /f:3:25: .*a network is an address/,
  },
  {
    what: "an address without a port",
    yaml: "proxy_service:\n  web_listen_addr: example.com\n",
    says: /f:2:20: "example.com" is not an address/,
  },
  {
    what: "an app without a server",
    yaml: "app_service:\n  apps:\n    - name: a\n",
    says: /f:3:7: the app has no `mcp` section/,
  },
  {
    what: "an app without the user that it runs as",
    yaml: "app_service:\n  apps:\n    - name: a\n      mcp: {command: x}\n",
    says: /f:4:12: .*`run_as_host_user` is missing/,
  },
  {
    what: "an app's name that is no DNS label",
    yaml: "app_service:\n  apps:\n    - {name: A b, mcp: {command: x, run_as_host_user: y}}\n",
    says: /f:3:14: an app's name has lower-case letters/,
  },
  {
    what: "a service that Postern has not",
    yaml: "ssh_service:\n  enabled: yes\n",
    says: /f:2:12: Postern has no ssh_service/,
  },
  {
    what: "a relay without its authority",
    yaml: "auth_service:\n  enabled: no\n",
    says: /f:\d+:\d+: the authority is elsewhere, and nothing says where/,
  },
  {
    what: "a relay behind a relay",
    yaml: "teleport:\n  proxy_server: a:443\nauth_service:\n  enabled: no\n",
    says: /f:2:17: a relay has to reach the authority itself/,
  },
  {
    what: "two ways to the authority",
    yaml: "teleport:\n  auth_server: a:1\n  proxy_server: a:2\nauth_service:\n  enabled: no\n",
    says: /f:3:17: auth_server and proxy_server exclude each other/,
  },
  {
    what: "another authority for a process that is one",
    yaml: "teleport:\n  auth_server: a:1\n",
    says: /f:2:16: auth_server is of no use: the authority is in this process/,
  },
  {
    what: "a process that is nothing",
    yaml: "auth_service: {enabled: no}\nproxy_service: {enabled: no}\n" +
      "app_service: {enabled: no}\nteleport: {auth_server: 'a:1'}\n",
    says: /there is nothing to do: every service is switched off/,
  },
  {
    what: "a method by which hosts do not join",
    yaml: "teleport:\n  join_params: {method: iam, token_name: x}\n",
    says: /f:2:25: hosts join by `method: token` only/,
  },
  {
    what: "a pin that is none",
    yaml: "teleport:\n  auth_server: a:1\n  ca_pin: abc\nauth_service: {enabled: no}\n",
    says: /f:3:11: "abc" is not a CA pin/,
  },
  {
    what: "sessions that end before new ones are refused",
    yaml: "app_service:\n  authority_away: {refuse_after: 1h, end_after: 1m}\n",
    says: /f:2:49: sessions cannot end before new ones are refused/,
  },
  {
    what: "a path of redaction that is none",
    yaml: "audit:\n  redact:\n    - $.params.arguments.password\n    - $.params[?@.secret]\n",
    says: /f:4:7: "\$\.params\[\?@\.secret\]" is not a path: "\[\?@\.secret\]" is no step/,
  },
  {
    what: "a mode of the audit log that there is not",
    yaml: "audit:\n  mode: relaxed\n",
    says: /f:2:9: /,
  },
  { what: "broken YAML", yaml: "a: [1\n", says: /f:\d+:\d+: / },
];

for (const { what, yaml, says } of bad) {
  test(`parseClusterConfig() refuses ${what}, and says where`, () => {
    assert.throws(() => parseClusterConfig(yaml, "f"), (error: unknown) => {
      assert.ok(error instanceof IdentityError);
      assert.equal(error.code, "CONFIG_INVALID");
      assert.match(error.message, says);
      return true;
    });
  });
}

test("parseClusterConfig() reads limits of the agent and of apps, and refuses what is none", () => {
  const limits = (text: string) => {
    const { agentLimits, appLimits } = parseClusterConfig(
      `app_service: {limits: {${text}}}`,
      "f",
    );
    return { ...agentLimits, ...appLimits };
  };
  assert.deepEqual(
    limits("sessions: 100, sessions_per_bot: 2, idle_timeout: 10m, max_duration: 8h"),
    {
      sessions: 100,
      sessionsPerBot: 2,
      idleMs: 600_000,
      durationMs: 8 * 3_600_000,
    },
  );
  assert.deepEqual(limits("message_size_mib: 0.5, calls_per_second: 0.5, server_memory_mib: 64"), {
    messageBytes: 512 * 1024,
    callsPerSecond: 0.5,
    serverMemory: 64 * 1024 * 1024,
  });
  const own = parseClusterConfig(
    `app_service: {apps: [{name: a, uri: "mcp+http://h", limits: {sessions_per_app: 3}}]}`,
    "f",
  );
  assert.deepEqual(own.apps[0]?.limits, { sessionsPerApp: 3 });
  for (
    const bad of [
      "calls_per_second: 0",
      "sessions: 0",
      "idle_timeout: 10",
      "max_duration: 1ms",
      "session: 1",
      "message_size_mib: 17",
      "message_depth: 129",
      "pending_requests: 10001",
    ]
  ) {
    assert.throws(() => limits(bad), /f:1:/, bad);
  }
});
