import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { botConfigSchema, migrateBotConfig, parseBotConfig } from "../../identity/bot/mod.ts";
import { test } from "../support/harness.ts";

const V1 = `auth_server: example.test:443
certificate_ttl: 30m
renewal_interval: 10m
debug: true
onboarding:
  token: abcd
  ca_pins: ["sha256:${"ab".repeat(32)}"]
storage:
  directory: /var/lib/teleport/bot
destinations:
- directory: {path: /opt/files, symlinks: secure, acls: "off"}
  roles: [reader]
  app: files
  configs: [ssh_client, tls]
- directory: /opt/whole
  cluster: example.test
- memory: true
`;

test("a file of version 1 means in version 2 what it meant", () => {
  const { text, warnings } = migrateBotConfig(V1, "tbot.yaml");
  assert.deepEqual(parse(text), {
    version: "v2",
    debug: true,
    proxy_server: "example.test:443",
    credential_ttl: "30m",
    renewal_interval: "10m",
    onboarding: { join_method: "token", token: "abcd", ca_pins: [`sha256:${"ab".repeat(32)}`] },
    storage: { type: "directory", path: "/var/lib/teleport/bot" },
    services: [
      {
        type: "application",
        roles: ["reader"],
        destination: { type: "directory", path: "/opt/files", symlinks: "secure", acls: "off" },
        app_name: "files",
        specific_tls_naming: true,
      },
      {
        type: "identity",
        destination: { type: "directory", path: "/opt/whole" },
        cluster: "example.test",
      },
      { type: "identity", destination: { type: "memory" } },
    ],
  });
  assert.deepEqual(warnings, [
    "`auth_server` has become `proxy_server`: it must be the address of the cluster's public port",
  ]);
  assert.equal(parseBotConfig(text, "tbot.yaml").config.services.length, 3);
});

const refused: Record<string, [string, RegExp]> = {
  "version 2": ["version: v2\n", /is of version 2 already/],
  "an unknown key": [V1 + "extra: 1\n", /:18:1: unknown key `extra`/],
  "a database": [V1 + "- memory: true\n  database: {service: x}\n", /behind app-agent/],
};
for (const [what, [text, message]] of Object.entries(refused)) {
  test(`a file with ${what} is not migrated, and it is said why`, () => {
    assert.throws(() => migrateBotConfig(text, "tbot.yaml"), { code: "CONFIG_INVALID", message });
  });
}

test("a file of version 1 is known for one when it is started with", () => {
  assert.throws(() => parseBotConfig(V1, "tbot.yaml"), { message: /tbot migrate/ });
});

test("docs/schema/tbot.schema.json is the schema of this version", () => {
  assert.deepEqual(
    JSON.parse(readFileSync("docs/schema/tbot.schema.json", "utf8")),
    botConfigSchema(),
    "run: bun cli/tbot.ts schema > docs/schema/tbot.schema.json",
  );
});

test("the schema knows every key of a service, and each only where it belongs", () => {
  const { properties } = botConfigSchema() as {
    properties: {
      services: { items: { anyOf: { properties: object; additionalProperties: boolean }[] } };
    };
  };
  const kinds = properties.services.items.anyOf;
  assert.ok(kinds.every(({ additionalProperties }) => additionalProperties === false));
  assert.deepEqual(kinds.map(({ properties }) => Object.keys(properties).includes("listen")), [
    false,
    false,
    true,
  ]);
});
