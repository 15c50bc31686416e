// Locks on what many use, at the compiled programs: open sessions end, with a receipt of which.
import assert from "node:assert/strict";
import { isRunning } from "../support/cluster_process.ts";
import { APP, Guide } from "../support/guide.ts";
import { McpOpenError } from "../support/mcp_client.ts";
import { scenario as test } from "../support/scenario.ts";

test(
  "a lock on a role or an app ends its sessions at once, and says which and after how long",
  async (context) => {
    const guide = await Guide.start(context);
    await guide.join();
    for (const target of [["--role", "example-role"], ["--app", APP]]) {
      const clients = [await guide.open(), await guide.open()];
      const open: { session: string; app: string; bot: string; started: string }[] = JSON.parse(
        await guide.tctl("sessions", "ls", "--format=json"),
      );
      assert.deepEqual(open.map(({ app, bot }) => [app, bot]), [
        [APP, "example"],
        [APP, "example"],
      ]);
      assert.match(await guide.tctl("sessions", "ls"), new RegExp(open[0]!.session));

      const lock = JSON.parse(
        await guide.tctl("lock", ...target, "--message", "stand by", "--format=json"),
      );
      assert.deepEqual(
        lock.ended.map(({ session }: { session: string }) => session).toSorted(),
        open.map(({ session }) => session).toSorted(),
      );
      for (const { milliseconds } of lock.ended) assert.ok(milliseconds >= 0);
      assert.equal(await guide.tctl("sessions", "ls"), "No open sessions\n");
      for (const client of clients) {
        await assert.rejects(client.call("echo", { message: "still?" }), /locked: stand by/);
        await client.close();
      }
      await assert.rejects(guide.open(), (error) => {
        assert.ok(error instanceof McpOpenError, String(error));
        assert.match(error.message, /locked: stand by/);
        return true;
      });
      const [shown] = [JSON.parse(await guide.tctl("get", "lock", "--format=json"))].flat();
      const [kind, name] = [target[0]!.slice(2), target[1]];
      assert.deepEqual(shown.spec.target, { [kind]: name });
      await guide.tctl("rm", `lock/${lock.name}`);
      const again = await guide.open();
      assert.equal(await again.call("echo", { message: "back" }), "Echo: back");
      await again.close();
    }
    const nothing = await guide.cluster.tctl(["lock", "--role", "example-rule"]);
    assert.equal(nothing.code, 1);
    assert.match(nothing.stderr, /role "example-rule" does not exist/);
    const both = await guide.cluster.tctl(["lock", "--role", "example-role", "--app", APP]);
    assert.match(both.stderr, /A lock needs one target/);
    assert.ok(isRunning(guide.cluster.agent.pid));
  },
  { proves: ["lock.targets"] },
);
