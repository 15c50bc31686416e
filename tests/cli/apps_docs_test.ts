import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseClusterConfig } from "../../cli/config/teleport_yaml.ts";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { realAuthority } from "../support/real_authority.ts";
import { test } from "../support/harness.ts";

const page = readFileSync(new URL("../../docs/apps.md", import.meta.url), "utf8");
const examples = [...page.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text = ""]) => text);
const files = examples.filter((text) => text.startsWith("app_service:"));
const resources = examples.filter((text) => text.startsWith("kind:"));

test("every example of docs/apps.md is a file or a resource", () => {
  assert.equal(files.length + resources.length, examples.length);
  assert.ok(files.length > 2 && resources.length > 1);
});

for (const text of files) {
  const [, name] = /name: (\S+)/.exec(text) ?? [];
  test(`the file with app ${name} in docs/apps.md can be used`, () => {
    assert.ok(parseClusterConfig(text, "docs/apps.md").apps.length > 0);
  });
}

for (const text of resources) {
  const [kind] = text.split("\n");
  test(`the resource of ${kind} in docs/apps.md can be created`, async (context) => {
    const { cluster } = await realAuthority(context);
    await createAdmin(cluster).createResources({ text, file: "docs/apps.md", force: false });
  });
}
