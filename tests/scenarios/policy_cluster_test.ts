// A refusal, followed from the client's error to the rule behind it, on the compiled programs.
import assert from "node:assert/strict";
import { GUIDE_ROLE, NARROW_ROLE } from "../support/cluster_process.ts";
import { APP, Guide } from "../support/guide.ts";
import { scenario as test } from "../support/scenario.ts";

test(
  "the id in a refusal leads to the rule behind it, and to what a change of roles would do",
  async (context) => {
    const guide = await Guide.start(context);
    guide.write("narrow.yaml", NARROW_ROLE);
    await guide.tctl("create", "-f", "narrow.yaml");
    await guide.tctl("bots", "update", "example", "--add-roles", "auditor");
    await guide.join();
    const client = await guide.open();
    const refused = await client.refusal("get-env");
    await client.call("echo", { message: "hello" });
    await client.close();
    const id = /decision ([0-9a-f-]{36})/.exec(String(refused.data))?.[1];
    assert.ok(id, `there is no id in ${refused.data}`);

    const explained = await guide.tctl("policy", "explain", id);
    assert.match(explained, new RegExp(`bot-example was denied this on ${APP}`));
    assert.match(
      explained,
      /Denied by role "example-role", spec\.deny\.mcp\.tools\[0\] "get-env" \(narrow\.yaml:13\)/,
    );
    assert.match(explained, /To allow it: remove spec\.deny\.mcp\.tools\[0\]/);

    const wide = guide.write("wide.yaml", NARROW_ROLE.replace("'get-env'", "'get-sum'"));
    guide.write("audit.json", await guide.tctl("audit", "ls", "--format=json"));
    const diff = await guide.cluster.tctl([
      "policy",
      "diff",
      "--cluster",
      wide,
      "--replay",
      "audit.json",
    ]);
    assert.equal(diff.code, 1, diff.stderr);
    assert.match(diff.stdout, /^example on my-mcp-server$/m);
    assert.match(diff.stdout, /^1 of 2 recorded calls would be decided differently$/m);
    assert.match(
      diff.stdout,
      new RegExp(`\\+ bot-example on ${APP}: call tool get-env, once, last ${id}`),
    );

    const lint = await guide.cluster.tctl(["policy", "lint", "--cluster"]);
    assert.equal(lint.code, 0, lint.stdout + lint.stderr);
    assert.match(lint.stderr, /^Checked 5 files: /);

    // Held against what the app's server really offers, arguments included.
    const wrong = guide.write(
      "wrong.yaml",
      GUIDE_ROLE.replace(/tools:.*/s, "tools: [{name: echo, where: 'args.mesage == \"x\"'}, ekho]"),
    );
    const live = await guide.cluster.tctl(["policy", "lint", "--live-tools", wrong]);
    assert.equal(live.code, 1, live.stdout + live.stderr);
    assert.match(live.stdout, /ekho/);
    assert.match(live.stdout, /mesage/);
    assert.doesNotMatch(live.stderr, /not checked/);
    const table = await guide.tctl(
      ..."policy explain --live-tools --bot example --app".split(" "),
      APP,
    );
    assert.match(table, /^get-env +deny: denied_by_rule/m);

    // From afar the preset of the bot lets it read the log, and nothing more.
    const afar = (...args: string[]) =>
      guide.run("tctl", "-i", guide.identity, "--auth-server", guide.cluster.proxy, ...args);
    const log = await afar("audit", "ls", "--format=json");
    assert.equal(log.code, 0, log.stderr);
    const decided = JSON.parse(log.stdout) as { decision_id?: string }[];
    assert.ok(decided.some(({ decision_id }) => decision_id === id));
    const removal = await afar("rm", "role/example-role");
    assert.deepEqual([removal.code, removal.stdout], [1, ""]);
    assert.match(removal.stderr, /access denied: no role of this identity allows to delete/);
    assert.match(await guide.tctl("get", "role/example-role"), /name: example-role/);
  },
  { proves: ["policy.explain_id", "policy.cluster", "tctl.remote"] },
);
