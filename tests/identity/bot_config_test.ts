import assert from "node:assert/strict";
import { parseBotConfig } from "../../identity/bot/mod.ts";
import { formatDuration, parseDuration } from "../../identity/duration.ts";
import { test } from "../support/harness.ts";

const pin = `sha256:${"ab".repeat(32)}`;
const guide = `version: v2
proxy_server: demo.test:443
onboarding:
  join_method: token
  token: abcd1234
  ca_pins: ["${pin}"]
storage:
  type: directory
  path: /var/lib/teleport/bot
services:
- type: identity
  destination:
    type: directory
    path: /opt/machine-id
  allow_reissue: true
`;

test("the guide's configuration is read with its defaults", () => {
  assert.deepEqual(parseBotConfig(guide, "tbot.yaml"), {
    config: {
      proxyServer: "demo.test:443",
      trust: { kind: "pins", pins: [pin] },
      onboarding: { joinMethod: "token", token: "abcd1234" },
      storage: directory("/var/lib/teleport/bot"),
      credentialTtl: 3_600_000,
      renewalInterval: 1_200_000,
      oneshot: false,
      debug: false,
      diagnostics: undefined,
      services: [{
        type: "identity",
        name: "identity-1",
        destination: directory("/opt/machine-id"),
        cluster: undefined,
        allowReissue: true,
        roles: undefined,
        credentialTtl: 3_600_000,
        renewalInterval: 1_200_000,
      }],
    },
    warnings: [],
  });
});

test("an application and a tunnel are read with their defaults", () => {
  const text = guide.slice(0, guide.indexOf("- type: identity")) + `- type: application
  app_name: files
  destination: {type: directory, path: /opt/files}
  specific_tls_naming: true
- type: application-tunnel
  name: front
  app_name: files
  listen: tcp://127.0.0.1:8080
  roles: [reader]
`;
  const times = { credentialTtl: 3_600_000, renewalInterval: 1_200_000 };
  assert.deepEqual(parseBotConfig(text, "tbot.yaml").config.services, [
    {
      type: "application",
      name: "application-1",
      app: "files",
      destination: directory("/opt/files"),
      specificTlsNaming: true,
      roles: undefined,
      ...times,
    },
    {
      type: "application-tunnel",
      name: "front",
      app: "files",
      listen: { host: "127.0.0.1", port: 8080 },
      allowedHosts: [],
      roles: ["reader"],
      ...times,
    },
  ]);
});

test("old names are read as the new ones", () => {
  const old = guide.replace("services", "outputs") + "certificate_ttl: 2h30m\n";
  const { config } = parseBotConfig(old, "tbot.yaml");
  assert.equal(config.credentialTtl, 9_000_000);
  assert.equal(config.services[0]?.credentialTtl, 9_000_000);
});

test("what the command line sets takes the place of the file's", () => {
  const text = guide.replace(/proxy_server.*\n/, "");
  const overrides = { proxyServer: "other.test:1", token: "t", oneshot: true, debug: true };
  const { config } = parseBotConfig(text, "tbot.yaml", overrides);
  assert.equal(config.proxyServer, "other.test:1");
  assert.deepEqual(config.onboarding, { joinMethod: "token", token: "t" });
  assert.deepEqual([config.oneshot, config.debug], [true, true]);
});

test("a token of digits alone loses none of them", () => {
  for (const token of ["00123456789012345678901234567890", "12e4", "0x10"]) {
    const { config } = parseBotConfig(guide.replace("abcd1234", token), "tbot.yaml");
    assert.equal(config.onboarding?.token, token);
  }
});

test("lifetimes that are seldom meant are warnings for the bot and errors for a service", () => {
  const { warnings } = parseBotConfig(guide + "credential_ttl: 25h\nrenewal_interval: 26h\n", "f");
  assert.deepEqual(warnings, [
    "f: `credential_ttl` is above 24h, which is the longest that is issued",
    "f: `credential_ttl` is not above `renewal_interval`: certificates would run out",
  ]);
  const oneshot = guide + "credential_ttl: 10m\noneshot: true\n";
  assert.deepEqual(parseBotConfig(oneshot, "f").warnings, []);
});

// Each case: what is changed in the guide's file, and the lines that are reported.
const wrong: Record<string, [string, string[]]> = {
  "an empty file": ["", [
    "1:1: only version 2 is supported: write `version: v2`, or have `tbot migrate` rewrite the file",
  ]],
  "version 1": [guide.replace("v2", "v1"), [
    "1:10: only version 2 is supported: write `version: v2`, or have `tbot migrate` rewrite the file",
  ]],
  "version 3": [guide.replace("v2", "v3"), [
    '1:10: unrecognized config version "v3": write `version: v2`',
  ]],
  "a list": ["- a\n", ["1:1: expected object, received array"]],
  "a misspelled key": [guide.replace("proxy_server", "proxyserver"), [
    "2:1: unknown key `proxyserver` (did you mean `proxy_server`?)",
  ]],
  "a misspelled key of a service": [guide.replace("allow_reissue", "alow_reissue"), [
    "15:3: unknown key `alow_reissue` (did you mean `allow_reissue`?)",
  ]],
  "a misspelled key of a destination": [guide.replace("path: /opt", "pth: /opt"), [
    "14:5: unknown key `pth` (did you mean `path`?)",
    "13:5: a directory needs a `path`",
  ]],
  "a key like no other": [guide + "colour: red\n", ["16:1: unknown key `colour`"]],
  "no proxy": [guide.replace(/proxy_server.*\n/, ""), [
    "1:1: `proxy_server` is missing (write the cluster's host:port)",
  ]],
  "an auth server": [guide + "auth_server: x:1\n", [
    "16:14: tbot reaches the authority through the cluster's port: use `proxy_server`",
  ]],
  "another type of service": [guide.replace("type: identity", "type: application-proxy"), [
    '11:9: services of type "application-proxy" are not supported: use `application-tunnel`, one ' +
    "for each app",
  ]],
  "an application without an app": [guide.replace("type: identity", "type: application"), [
    "11:3: the name of an app is missing",
    "15:3: unknown key `allow_reissue`",
  ]],
  "a tunnel that the network reaches": [tunnel("tcp://0.0.0.0:8080"), [
    "13:11: whoever reaches 0.0.0.0 acts as the bot: listen on 127.0.0.1, or name in " +
    "`allowed_hosts` under which names this machine may be asked",
  ]],
  "a tunnel on a socket": [tunnel("unix:///run/mcp.sock"), [
    "13:11: MCP clients speak HTTP over TCP: write tcp://127.0.0.1:PORT",
  ]],
  "a tunnel on no port": [tunnel("tcp://localhost"), [
    '13:11: "tcp://localhost" is no address to listen on: write tcp://127.0.0.1:PORT',
  ]],
  "two tunnels on one address": [
    tunnel("tcp://localhost:80") + tunnelService("tcp://localhost:80"),
    ["16:11: the address localhost:80 is used twice"],
  ],
  "a type of service that nobody has": [guide.replace("type: identity", "type: identty"), [
    '11:9: there is no service of type "identty": use identity, application or application-tunnel',
  ]],
  "another join method": [guide.replace("join_method: token", "join_method: iam"), [
    '4:16: the join method "iam" is not supported: use generic_oidc where the machine is given an ' +
    "OIDC token, and token elsewhere",
  ]],
  "a token without its method": [guide.replace("  join_method: token\n", ""), [
    "4:3: a `token` needs a `join_method` beside it, such as token",
  ]],
  "a method's section beside another method": [
    guide.replace(
      "  join_method: token\n",
      "  join_method: token\n  gitlab: {token_env_var_name: X}\n",
    ),
    ["5:11: `gitlab` is for `join_method: gitlab`"],
  ],
  "a method that is not told where its proof is": [
    guide.replace("join_method: token", "join_method: generic_oidc"),
    ["4:16: write where its token comes from: `generic_oidc` with `env` or `command`"],
  ],
  "a pin that is none": [guide.replace("sha256:", "sha1:"), [
    "6:13: expected sha256: and 64 hex digits",
  ]],
  "two ways to trust": [guide + "insecure: true\n", [
    "16:11: `insecure`, `ca_pins` and `ca_path` exclude each other: keep one",
  ]],
  "a destination of another type": [
    guide.replace("storage:\n  type: directory", "storage:\n  type: kubernetes_secret"),
    [
      '8:9: destinations of type "kubernetes_secret" are not supported: write to a `directory` on a ' +
      "volume that the pods share",
    ],
  ],
  "a destination that nobody has": [guide.replace("type: directory", "type: s3"), [
    '8:9: there is no destination of type "s3": use directory or memory',
  ]],
  "a destination without a type": [guide.replace("  type: directory\n", ""), [
    "8:3: a destination needs a `type`: directory or memory",
  ]],
  "a wrong type of value": [guide.replace("true", "maybe"), [
    "15:18: `allow_reissue`: expected boolean, received string",
  ]],
  "a duration in words": [guide + "credential_ttl: 5 min\n", [
    '16:17: "5 min" is no duration: write one such as 1h, 20m or 1h30m',
  ]],
  "an interval of nothing": [guide + "renewal_interval: 1ms\n", [
    '16:19: "1ms" is too short: at least 1s',
  ]],
  "a service with a lifetime and no interval": [guide + "  credential_ttl: 1h\n", [
    "16:19: `credential_ttl` needs `renewal_interval` beside it: set both or neither",
  ]],
  "a service that would run out": [
    guide + "  credential_ttl: 10m\n  renewal_interval: 20m\n",
    ["16:19: `credential_ttl` is not above `renewal_interval`: certificates would run out"],
  ],
  "a service that is wanted for days": [
    guide + "  credential_ttl: 25h\n  renewal_interval: 1h\n",
    ["16:19: `credential_ttl` is above 24h, which is the longest that is issued"],
  ],
  "an ssh_config": [guide + "  ssh_config: on\n", [
    "16:15: tbot serves no SSH and writes no ssh_config: leave it out or set `ssh_config: off`",
  ]],
  "an output in the storage": [guide.replace("/opt/machine-id", "/var/lib/teleport/bot/"), [
    "14:11: the directory /var/lib/teleport/bot is used twice",
  ]],
  "a reserved name": [guide + "  name: heartbeat\n", ["16:9: this name is reserved"]],
  "a reader that is an option": [
    guide.replace("/opt/machine-id", "/opt/machine-id\n    readers: [{user: -x}]"),
    ["15:22: expected the name of a user or group"],
  ],
  "a key twice": [guide + "version: v2\n", ["16:1: Map keys must be unique"]],
};
for (const [what, [text, lines]] of Object.entries(wrong)) {
  test(`parseBotConfig() refuses ${what}, and says where`, () => {
    assert.throws(() => parseBotConfig(text, "tbot.yaml"), (error: Error & { code?: string }) => {
      assert.equal(error.code, "CONFIG_INVALID");
      assert.deepEqual(
        error.message.split("\n").slice(1),
        lines.map((line) => `  tbot.yaml:${line}`),
      );
      return true;
    });
  });
}

test("two services need two names and two directories", () => {
  const second = `- type: identity
  name: identity-1
  destination: {type: directory, path: /opt/machine-id}
`;
  assert.throws(() => parseBotConfig(guide + second, "f"), {
    message: /17:9: "identity-1" is used twice\n {2}f:18:40: the directory \/opt\/machine-id/,
  });
});

test("an alias that unfolds without end is refused", () => {
  const levels = Array.from(
    { length: 12 },
    (_, i) => `x${i + 1}: &x${i + 1} [${`*x${i}, `.repeat(9)}*x${i}]`,
  );
  assert.throws(() => parseBotConfig(`x0: &x0 [a]\n${levels.join("\n")}\n`, "f"), {
    code: "CONFIG_INVALID",
    message: /1:1: Excessive alias count/,
  });
});

const durations: [string, number | undefined][] = [
  ["1h", 3_600_000],
  ["20m", 1_200_000],
  ["1h30m", 5_400_000],
  ["1.5h", 5_400_000],
  [".5s", 500],
  ["90s", 90_000],
  ["1500ms", 1_500],
  ["0", 0],
  ["", undefined],
  ["5", undefined],
  ["-1h", undefined],
  ["1h 30m", undefined],
  ["1d", undefined],
  [".h", undefined],
];
for (const [text, ms] of durations) {
  test(`parseDuration() reads "${text}" as ${ms}`, () => {
    assert.equal(parseDuration(text), ms);
  });
}

test("formatDuration() leaves out what is zero, and is read back", () => {
  const texts: [number, string][] = [
    [3_600_000, "1h"],
    [5_400_000, "1h30m"],
    [1_200_000, "20m"],
    [1_500, "1.5s"],
    [0, "0s"],
  ];
  for (const [ms, text] of texts) {
    assert.equal(formatDuration(ms), text);
    assert.equal(parseDuration(text), ms);
  }
});

function directory(path: string) {
  return { type: "directory", path, symlinks: "try-secure", acls: "try", readers: [] };
}

function tunnelService(listen: string): string {
  return `- type: application-tunnel\n  app_name: files\n  listen: ${listen}\n`;
}

function tunnel(listen: string): string {
  return guide.slice(0, guide.indexOf("- type: identity")) + tunnelService(listen);
}
