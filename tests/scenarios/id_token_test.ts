// CI jobs and pods that join by an OIDC token, on the compiled programs: no secret is written down.
import assert from "node:assert/strict";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { runProgram } from "../support/cluster_process.ts";
import { Guide } from "../support/guide.ts";
import { OidcIssuer } from "../support/oidc_issuer.ts";
import { scenario as test } from "../support/scenario.ts";

const GITHUB = "https://token.actions.githubusercontent.com";

test(
  "a GitHub job and a Kubernetes pod join without a secret, and reach the server",
  async (context) => {
    const guide = await Guide.start(context);
    const issuer = await OidcIssuer.start(context);
    const resource = (name: string, method: string, section: object) =>
      JSON.stringify({
        kind: "token",
        version: "v2",
        metadata: { name },
        spec: { roles: ["Bot"], join_method: method, bot_name: "example", [method]: section },
      });
    const github = { static_jwks: issuer.jwks, allow: [{ repository: "acme/app" }] };
    const kubernetes = {
      type: "static_jwks",
      static_jwks: { jwks: issuer.jwks },
      allow: [{ service_account: "agents:mcp" }],
    };
    await guide.tctl("create", guide.write("gh.yaml", resource("acme-ci", "github", github)));
    await guide.tctl("create", guide.write("k8s.yaml", resource("pods", "kubernetes", kubernetes)));
    assert.match(
      await guide.tctl("tokens", "ls"),
      /^acme-ci +example github +usable never$\n^pods +example kubernetes usable never$/m,
    );

    // What GitHub gives a job: an address to ask at, and a secret that ends with the job.
    const asked: string[] = [];
    let repository = "acme/app";
    issuer.instead = (path, response) => {
      const { pathname, searchParams } = new URL(path, issuer.url);
      if (pathname !== "/id-token") return false;
      asked.push(searchParams.get("audience") ?? "");
      void issuer.token({ issuer: GITHUB, claims: { repository } })
        .then((value) => response.end(JSON.stringify({ value })));
      return true;
    };
    const job = {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${issuer.url}/id-token?api-version=2`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "job-secret",
    };
    const start = async (method: string, token: string, env: Record<string, string>, more = "") => {
      await guide.writeBotFile({ token });
      const file = readFileSync(join(guide.directory, "tbot.yaml"), "utf8").replace(
        "join_method: token",
        `join_method: ${method}${more}`,
      );
      guide.write("tbot.yaml", file);
      return await runProgram("tbot", ["start", "-c", "tbot.yaml", "--oneshot"], {
        cwd: guide.directory,
        env: { PATH: process.env["PATH"] ?? "", ...env },
      });
    };
    const joined = await start("github", "acme-ci", job);
    assert.equal(joined.code, 0, joined.stderr);
    const client = await guide.open();
    assert.equal(await client.call("echo", { message: "from CI" }), "Echo: from CI");
    await client.close();

    // The next run proves itself again, and is the same instance.
    assert.equal((await start("github", "acme-ci", job)).code, 0);
    assert.deepEqual(asked, ["example.test", "example.test"]);
    const instances = JSON.parse(await guide.tctl("bots", "instances", "ls", "--format=json"));
    assert.deepEqual(instances.map(({ generation }: { generation: number }) => generation), [2]);

    repository = "evil/fork";
    const refused = await start("github", "acme-ci", job);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /no rule of the join token allows/);
    const without = await start("github", "acme-ci", {});
    assert.match(without.stderr, /this job may not ask for one/);
    assert.match(without.stderr, /id-token: write/);

    const sub = "system:serviceaccount:agents:mcp";
    const claims = { sub, "kubernetes.io": { namespace: "agents", pod: { name: "p" } } };
    const path = guide.write("pod-token", await issuer.token({ claims }));
    chmodSync(path, 0o600);
    const pod = await start("kubernetes", "pods", {}, `\n  kubernetes: {token_path: ${path}}`);
    assert.equal(pod.code, 0, pod.stderr);
    const events: Record<string, unknown>[] = JSON.parse(
      await guide.tctl("audit", "ls", "--format=json"),
    ).filter(({ type }: { type: string }) => type === "bot.join");
    assert.deepEqual(events.map(({ code, method, token_name }) => [code, method, token_name]), [
      ["TJ001I", "github", "acme-ci"],
      ["TJ001I", "github", "acme-ci"],
      ["TJ001E", "github", "acme-ci"],
      ["TJ001I", "kubernetes", "pods"],
    ]);
    assert.equal((events[3]!["attributes"] as { sub: string }).sub, sub);
  },
  { proves: ["join.id_token"] },
);
