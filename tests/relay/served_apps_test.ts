import assert from "node:assert/strict";
import { silentLog } from "../../identity/mod.ts";
import type { App, DynamicLabel } from "../../identity/mod.ts";
import { ServedApps } from "../../relay/agent/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";

const MINUTE = 60_000;

function label(name: string, ...command: string[]): DynamicLabel {
  return { name, command, periodMs: MINUTE };
}

function app(name: string, changes: Partial<App> = {}): App {
  return {
    name,
    description: "",
    uri: "mcp+stdio://",
    labels: { env: "dev", region: "static" },
    mcp: {
      command: "x",
      args: [],
      runAsHostUser: "y",
      env: { KEY: { kind: "value", value: "sesame" } },
    },
    ...changes,
  };
}

/** An agent whose commands print what `says` holds; a missing one fails. */
async function setUp(context: TestContext, apps: App[]) {
  const clock = new FakeClock(new Date(0));
  const says = new Map<string, string>();
  const presented: (readonly App[])[] = [];
  let wake = () => {};
  const runs: string[] = [];
  const served = await ServedApps.start({
    apps: () => apps,
    present: (now) => {
      presented.push(now);
      wake();
      return Promise.resolve();
    },
    clock,
    log: silentLog,
    run: async ([program = ""]) => {
      runs.push(program);
      await Promise.resolve();
      const said = says.get(program);
      if (said === undefined) throw new Error("it fails");
      return said;
    },
  });
  context.cleanup(() => served.close());
  return {
    clock,
    says,
    runs,
    served,
    presented,
    /** Waits until the cluster was told `count` times. */
    async told(count: number): Promise<readonly App[]> {
      while (presented.length < count) await new Promise<void>((resolve) => wake = resolve);
      return presented[count - 1] ?? [];
    },
  };
}

const labelsOf = (apps: readonly App[]) => apps.map(({ labels }) => labels);

test("the cluster learns what roles and people need, and nothing of how a server is reached", async (context) => {
  const { told, served } = await setUp(context, [app("a")]);
  assert.deepEqual(await told(1), [{
    name: "a",
    description: "",
    uri: "mcp+stdio://",
    labels: { env: "dev", region: "static" },
  }]);
  assert.deepEqual(served.find("a"), app("a"));
});

test("a label of a command beats a static one, and follows what the command says", async (context) => {
  const apps = [app("a", { dynamicLabels: [label("region", "where")] })];
  const { clock, says, told } = await setUp(context, apps);
  // At first the command has not answered: the app is not there, and not without its label.
  assert.deepEqual(await told(1), []);
  says.set("where", "  north \nmore\n");
  await clock.step(1);
  assert.deepEqual(labelsOf(await told(2)), [{ env: "dev", region: "north" }]);
  says.set("where", "south\n");
  await clock.step(1);
  assert.deepEqual(labelsOf(await told(3)), [{ env: "dev", region: "south" }]);
});

test("a command that fails once is forgiven; twice, and its app is not served", async (context) => {
  const { clock, says, told, presented } = await setUp(context, [
    app("a", { dynamicLabels: [label("region", "where")] }),
    app("b"),
  ]);
  says.set("where", "north");
  await clock.step(1);
  assert.equal((await told(2)).length, 2);
  says.delete("where");
  await clock.step(1);
  await clock.asleep(1);
  assert.equal(presented.length, 2);
  await clock.step(1);
  assert.deepEqual((await told(3)).map(({ name }) => name), ["b"]);
  says.set("where", "north");
  await clock.step(1);
  assert.equal((await told(4)).length, 2);
});

test("a command that prints nothing, or a book, gives no label", async (context) => {
  const { clock, says, presented } = await setUp(context, [
    app("a", { dynamicLabels: [label("region", "where")] }),
  ]);
  for (const said of ["", "\n \n", "x".repeat(1025)]) {
    says.set("where", said);
    await clock.step(1);
    await clock.asleep(1);
  }
  assert.deepEqual(presented, [[]]);
});

test("the commands of an app that is gone or changed are asked no more", async (context) => {
  const apps = [app("a", { dynamicLabels: [label("region", "old")] })];
  const { clock, presented, says, served, runs, told } = await setUp(context, apps);
  says.set("old", "x");
  says.set("new", "y");
  await clock.step(1);
  await told(2);
  apps[0] = app("a", { dynamicLabels: [label("region", "new")] });
  await served.refresh();
  while (presented.at(-1)?.[0]?.labels["region"] !== "y") await told(presented.length + 1);
  await clock.step(1);
  await clock.asleep(1);
  assert.deepEqual(runs, ["old", "old", "new", "new"]);
  apps.length = 0;
  await served.refresh();
  assert.equal(clock.next, undefined);
  assert.equal(served.find("a"), undefined);
});
