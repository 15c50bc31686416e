// What a server over HTTP is told, on the compiled programs.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLocalJWKSet, jwtVerify } from "jose";
import { filesWith } from "../support/files_with.ts";
import { Guide } from "../support/guide.ts";
import { startHttpEchoServer } from "../support/http_echo_server.ts";
import { McpOpenError } from "../support/mcp_client.ts";
import { scenario as test } from "../support/scenario.ts";

/** The JSON at a path of the cluster's port, over TLS. */
function get(proxy: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const options = { agent: false, rejectUnauthorized: false, servername: "" };
    https.get(`https://${proxy}${path}`, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk));
      response.on("end", () => resolve(JSON.parse(text)));
    }).on("error", reject);
  });
}

/** The guide's bot with traits, as a resource. */
function botWith(traits: Record<string, string[]>): string {
  return JSON.stringify({
    kind: "bot",
    version: "v1",
    metadata: { name: "example" },
    spec: {
      roles: ["example-role"],
      traits: Object.entries(traits).map(([name, values]) => ({ name, values })),
    },
  });
}

test(
  "a server over HTTP learns who calls and has its secret, and can verify it by the cluster's keys",
  async (context) => {
    const upstream = await startHttpEchoServer(context);
    const uri = `mcp+${upstream.url}`;
    const directory = mkdtempSync(join(tmpdir(), "postern-secrets-"));
    context.cleanup(() => rmSync(directory, { recursive: true }));
    const secret = join(directory, "key");
    writeFileSync(secret, "sesame-1\n");
    const guide = await Guide.start(context, {
      sections: [
        "    - name: far",
        `      uri: ${uri}`,
        "      labels: {env: dev}",
        "      rewrite:",
        "        headers:",
        "          - 'Authorization: Bearer {{internal.jwt}}'",
        "          - 'X-Team: {{external.team}}'",
        "        headers_from:",
        `          - {name: X-Key, file: ${secret}}`,
        "",
      ].join("\n"),
    });
    await guide.tctl(
      "create",
      "-f",
      guide.write("bot.yaml", botWith({ team: ["support", "night"] })),
    );
    await guide.join();

    const client = await guide.open({ app: "far" });
    assert.equal(await client.call("echo", { message: "one" }), "Echo: one");
    writeFileSync(secret, "sesame-2\n");
    assert.equal(await client.call("echo", { message: "two" }), "Echo: two");

    const calls = upstream.asked.filter(({ method }) => method === "tools/call");
    assert.deepEqual(calls.map(({ headers }) => headers["x-key"]), ["sesame-1", "sesame-2"]);
    for (const { method, headers } of upstream.asked) {
      assert.equal(headers["x-team"], "support, night", method);
      const token = String(headers["teleport-jwt-assertion"]);
      assert.equal(headers["authorization"], `Bearer ${token}`, method);
    }
    const keys = await get(guide.cluster.proxy, "/.well-known/jwks.json");
    const { payload } = await jwtVerify(
      String(upstream.asked[0]?.headers["teleport-jwt-assertion"]),
      createLocalJWKSet(keys as Parameters<typeof createLocalJWKSet>[0]),
      { issuer: "example.test", audience: uri, subject: "bot-example" },
    );
    assert.deepEqual(payload["roles"], ["example-role"]);
    assert.deepEqual(payload["traits"], { team: ["support", "night"] });

    await client.close();
    const audit = await guide.tctl("audit", "ls", "--format=json");
    await guide.cluster.stop();
    const token = String(upstream.asked[0]?.headers["teleport-jwt-assertion"]);
    for (const kept of ["sesame-1", "sesame-2", token]) {
      assert.deepEqual(filesWith(kept, guide.directory), []);
      assert.ok(!audit.includes(kept));
    }
  },
  { proves: ["apps.headers"] },
);

test(
  "a trait that would forge a header opens no session, and the client is told",
  async (context) => {
    const upstream = await startHttpEchoServer(context);
    const guide = await Guide.start(context, {
      sections: "    - {name: far, labels: {env: dev}, " +
        `uri: mcp+${upstream.url}, rewrite: {headers: ['X-Team: {{external.team}}']}}\n`,
    });
    const forged = { team: ["a\r\nX-Admin: yes"] };
    await guide.tctl("create", "-f", guide.write("bot.yaml", botWith(forged)));
    await guide.join();
    await assert.rejects(guide.open({ app: "far" }), (error: unknown) => {
      assert.ok(error instanceof McpOpenError);
      assert.match(error.message, /Cannot send the header "X-Team" to app "far"/);
      return true;
    });
    assert.deepEqual(upstream.asked, []);
    assert.match(await guide.tctl("audit", "ls"), /mcp\.session\.end/);
  },
  { proves: ["apps.forged"] },
);
