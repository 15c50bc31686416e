// Two authorities on one PostgreSQL under many clients, broken connections and restarts, against a
// model of what must hold: no token twice, no two live generations, no edit lost, no lock
// ignored. POSTERN_MODEL_RUNS says how many runs of up to 30 steps (2 in the suite).
import assert from "node:assert/strict";
import process from "node:process";
import fc from "fast-check";
import postgres from "postgres";
import { createAdmin } from "../../identity/authority/admin/mod.ts";
import { generateKeyPair, IdentityError } from "../../identity/mod.ts";
import type { Store } from "../../identity/storage/store.ts";
import { readCertificate } from "../../identity/x509/mod.ts";
import { test } from "../support/harness.ts";
import type { TestContext } from "../support/harness.ts";
import { NO_POSTGRES, sharedPostgres } from "../support/postgres_server.ts";
import {
  type Credentials,
  type RealAuthority,
  realAuthority,
  TTL,
} from "../support/real_authority.ts";

const RUNS = Number(process.env["POSTERN_MODEL_RUNS"] ?? 2);
const STEPS = 30;
const BOT = "robot";

interface Machine {
  held: Credentials;
  readonly instance: string;
  generation: number;
  locked: boolean;
}

interface Model {
  readonly machines: Machine[];
  edits: number;
}

interface System {
  readonly url: string;
  readonly authorities: RealAuthority[];
  open(): Promise<RealAuthority>;
}

type Step = fc.AsyncCommand<Model, System>;

const outcome = <T>(work: Promise<T>) =>
  work.then((value) => ({ code: "done", value }), (error: unknown) => {
    if (!(error instanceof IdentityError)) throw error;
    return { code: error.code as string, value: undefined };
  });

const codes = (results: readonly { readonly code: string }[]) =>
  results.map(({ code }) => code).sort();

function botClaims(certificate: string) {
  const { claims } = readCertificate(certificate);
  assert.ok(claims.kind === "bot");
  return claims;
}

function step(name: string, run: Step["run"], check: Step["check"] = () => true): Step {
  return { check, run, toString: () => name };
}

/** Many machines ask with one token, each at some authority: one joins. */
const join = (at: readonly number[]) =>
  step(`join at ${at}`, async (model, { authorities }) => {
    const token = await authorities[0]!.addToken(BOT);
    const results = await Promise.all(at.map(async (index) => {
      const { publicKey, privateKey: key } = generateKeyPair();
      const request = { method: "token", token, publicKey, ttl: TTL } as const;
      return { key, ...await outcome(authorities[index]!.connect().join(request)) };
    }));
    const refused = at.slice(1).map(() => "JOIN_TOKEN_USED");
    assert.deepEqual(codes(results), [...refused, "done"].sort());
    const { key, value } = results.find(({ code }) => code === "done")!;
    const { instance, generation } = botClaims(value!.tls);
    model.machines.push({
      held: { certificate: value!.tls, key },
      instance,
      generation,
      locked: false,
    });
  });

const renewal = async (authority: RealAuthority, held: Credentials) => {
  const { publicKey, privateKey: key } = generateKeyPair();
  const result = await outcome(authority.connect(held).renew({ publicKey, ttl: TTL }));
  return { key, ...result };
};

/** One machine renews: it is a generation on, unless it is locked. */
const renew = (which: number, at: number) =>
  step(`renew ${which} at ${at}`, async ({ machines }, { authorities }) => {
    const machine = machines[which % machines.length]!;
    const { key, code, value } = await renewal(authorities[at]!, machine.held);
    assert.equal(code, machine.locked ? "LOCKED" : "done");
    if (machine.locked) return;
    machine.held = { certificate: value!.tls, key };
    assert.equal(botClaims(value!.tls).generation, ++machine.generation);
  }, ({ machines }) => machines.length > 0);

/** Two holders of the same credentials renew at once, one at each authority: one does, and both are locked. */
const copied = (which: number) =>
  step(`two renew ${which}`, async ({ machines }, { authorities }) => {
    const machine = machines[which % machines.length]!;
    const results = await Promise.all(authorities.map((each) => renewal(each, machine.held)));
    assert.deepEqual(codes(results), machine.locked ? ["LOCKED", "LOCKED"] : ["LOCKED", "done"]);
    if (!machine.locked) machine.generation++;
    machine.locked = true;
  }, ({ machines }) => machines.length > 0);

/** Locked at one authority, refused at the other from then on. */
const lock = (which: number, at: number) =>
  step(`lock ${which} at ${at}`, async ({ machines }, { authorities }) => {
    const machine = machines[which % machines.length]!;
    await createAdmin(authorities[at]!.cluster).addLock({
      instance: machine.instance,
      message: "x",
    });
    machine.locked = true;
    assert.equal((await renewal(authorities[1 - at]!, machine.held)).code, "LOCKED");
  }, ({ machines }) => machines.length > 0);

/** Edits as `tctl edit` does: what it has read must still be there when it writes. */
async function editOnce(store: Store): Promise<void> {
  for (;;) {
    const read = await store.get<number>("settings", "edited");
    const written = await store.update(async (tx) => {
      if ((await tx.get("settings", "edited"))?.revision !== read?.revision) return false;
      await tx.put("settings", "edited", (read?.value ?? 0) + 1);
      return true;
    });
    if (written) return;
  }
}

const edit = (at: readonly number[]) =>
  step(`edit at ${at}`, async (model, { authorities }) => {
    await Promise.all(at.map((index) => editOnce(authorities[index]!.cluster.store)));
    model.edits += at.length;
    for (const { cluster } of authorities) {
      assert.equal((await cluster.store.get("settings", "edited"))?.value, model.edits);
    }
  });

/** All connections to the database break while nothing is being written. */
const cut = () =>
  step("cut", async (_, { url }) => {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    await sql`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid()`;
    await sql.end();
  });

/** Another authority takes the place of one, which goes on hanging about. */
const replace = (at: number) =>
  step(`replace ${at}`, async (_, system) => {
    system.authorities[at] = await system.open();
  });

async function check({ machines }: Model, { authorities }: System): Promise<void> {
  for (const { cluster } of authorities) {
    const instances = await cluster.store.list<{ instance: string; generation: number }>(
      "instance",
    );
    const found = new Map(instances.map(({ value }) => [value.instance, value.generation]));
    const expected = new Map(machines.map(({ instance, generation }) => [instance, generation]));
    assert.deepEqual([...found].sort(), [...expected].sort());
  }
}

async function newSystem(context: TestContext): Promise<System> {
  const url = await (await sharedPostgres()).newDatabase();
  const open = () => realAuthority(context, { database: `${url}?pool_max_conns=2` });
  const authorities = [await open(), await open()];
  await authorities[0]!.addBot(BOT);
  return { url, authorities, open };
}

test(
  "whatever clients do at two authorities, tokens, generations, edits and locks hold",
  async (context) => {
    const which = fc.nat(7);
    const at = fc.nat(1);
    const several = fc.array(at, { minLength: 2, maxLength: 5 });
    const steps = fc.commands([
      several.map(join),
      several.map(join),
      fc.tuple(which, at).map(([machine, index]) => renew(machine, index)),
      fc.tuple(which, at).map(([machine, index]) => renew(machine, index)),
      which.map(copied),
      fc.tuple(which, at).map(([machine, index]) => lock(machine, index)),
      several.map(edit),
      fc.constant(cut()),
      at.map(replace),
    ], { maxCommands: STEPS, size: "max" });
    await fc.assert(
      fc.asyncProperty(steps, async (run) => {
        const real = await newSystem(context);
        const model: Model = { machines: [], edits: 0 };
        await fc.asyncModelRun(() => ({ model, real }), run);
        await check(model, real);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  },
  { skip: NO_POSTGRES },
);
