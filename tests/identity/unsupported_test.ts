import assert from "node:assert/strict";
import { UNSUPPORTED_SERVICES, unsupportedService } from "../../identity/mod.ts";
import { parseBotConfig } from "../../identity/bot/mod.ts";
import { test } from "../support/harness.ts";

/** The types that the original documents, beside those of tbot; frozen here on purpose. */
const ORIGINAL = [
  "application-proxy",
  "database",
  "database-tunnel",
  "identity/key-agent",
  "kubernetes",
  "kubernetes/argo-cd",
  "kubernetes/v2",
  "ssh-multiplexer",
  "ssh_host",
  "workload-identity-api",
  "workload-identity-aws-roles-anywhere",
  "workload-identity-jwt",
  "workload-identity-x509",
];

test("every other service of the original's is refused by name, and none is forgotten", () => {
  assert.deepEqual(UNSUPPORTED_SERVICES, ORIGINAL);
  for (const type of ORIGINAL) {
    const text = `version: v2\nproxy_server: x:1\nservices:\n- type: ${type}\n`;
    assert.throws(() => parseBotConfig(text, "tbot.yaml"), (error: Error) => {
      const [, line, ...rest] = error.message.split("\n");
      assert.equal(line, `  tbot.yaml:4:9: ${unsupportedService(type)}`);
      // One sentence, with what to use in its place, and nothing about keys of the service.
      assert.match(
        unsupportedService(type),
        /^services of type "[^"]+" are not supported: \w[^.]+$/,
      );
      assert.deepEqual(rest, []);
      return true;
    });
  }
});
