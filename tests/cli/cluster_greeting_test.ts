import assert from "node:assert/strict";
import { clusterGreeting } from "../../cli/commands/_cluster_greeting.ts";
import { test } from "../support/harness.ts";

test("the greeting of a cluster shows the pin of each CA that is trusted, during a rotation two", () => {
  const greeting = clusterGreeting({
    name: "demo",
    address: "localhost:3080",
    dataDir: "/var/lib/demo",
    caPins: ["sha256:a", "sha256:b"],
    configFile: "teleport.yaml",
  });
  assert.match(greeting, /^ {2}CA pin {4}sha256:a\n {2}CA pin {4}sha256:b\n\n/m);
  assert.match(greeting, /^ {2}tctl -c teleport\.yaml status/m);
});
