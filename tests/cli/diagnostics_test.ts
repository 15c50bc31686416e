import assert from "node:assert/strict";
import http from "node:http";
import { Gauge } from "prom-client";
import { type Diagnostics, Registry, serveDiagnostics } from "../../cli/diagnostics.ts";
import { IdentityError } from "../../identity/mod.ts";
import { test, type TestContext } from "../support/harness.ts";

async function serve(context: TestContext, diagnostics: Partial<Diagnostics>) {
  const server = await serveDiagnostics({ host: "127.0.0.1", port: 0 }, {
    services: () => ({}),
    registry: new Registry(),
    ...diagnostics,
  });
  context.cleanup(() => server.close());
  const ask = async (path: string, method = "GET") => {
    const response = await fetch(`http://127.0.0.1:${server.address.port}${path}`, { method });
    return { status: response.status, text: await response.text() };
  };
  return { server, ask };
}

test("diagnostics are ready when every service is healthy, and say which is not", async (context) => {
  const services: Record<string, ReturnType<Diagnostics["services"]>[string]> = {
    identity: { status: "healthy" },
    output: { status: "unhealthy", reason: "the disk is full" },
  };
  const { ask } = await serve(context, { services: () => services });
  assert.equal((await ask("/livez")).status, 200);
  const unready = await ask("/readyz");
  assert.equal(unready.status, 503);
  assert.deepEqual(JSON.parse(unready.text), { status: "unhealthy", services });
  assert.deepEqual(await ask("/readyz/output"), {
    status: 503,
    text: '{"status":"unhealthy","reason":"the disk is full"}\n',
  });
  assert.equal((await ask("/readyz/identity")).status, 200);
  services["output"] = { status: "healthy" };
  assert.equal((await ask("/readyz")).status, 200);
});

test("diagnostics serve metrics, and nothing that they were not asked to", async (context) => {
  const { ask } = await serve(context, {});
  const { status, text } = await ask("/metrics");
  assert.equal(status, 200);
  assert.match(text, /^process_resident_memory_bytes [1-9]\d*$/m);
  for (const path of ["/readyz/other", "/readyz/__proto__", "/debug/pprof", "/"]) {
    assert.equal((await ask(path)).status, 404, path);
  }
  assert.equal((await ask("/livez", "POST")).status, 405);
});

test("metrics that cannot be collected are an error of the server, without its text", async (context) => {
  const registry = new Registry();
  const collect = () => {
    throw new Error("inner");
  };
  new Gauge({ name: "broken", help: "broken", registers: [registry], collect });
  const { ask } = await serve(context, { registry });
  const { status, text } = await ask("/metrics");
  assert.equal(status, 500);
  assert.ok(!text.includes("inner"));
});

test("an address that is taken is named", async (context) => {
  const { server } = await serve(context, {});
  await assert.rejects(
    serveDiagnostics(server.address, {
      services: () => ({}),
      registry: new Registry(),
    }),
    (error) =>
      error instanceof IdentityError && error.code === "CONFIG_INVALID" &&
      error.message.includes(`127.0.0.1:${server.address.port}: EADDRINUSE`),
  );
});

test("on loopback, a page that has brought its own name here is refused", async (context) => {
  const { server } = await serve(context, {});
  const ask = (host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const { port } = server.address;
      http.get({ host: "127.0.0.1", port, path: "/metrics", headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on("error", reject);
    });
  for (const host of ["localhost", "LOCALHOST:3001", "127.0.0.1:1", "127.9.9.9", "[::1]:80"]) {
    assert.equal(await ask(host), 200, host);
  }
  for (
    const host of ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "localhost."]
  ) {
    assert.equal(await ask(host), 403, host);
  }
});
