// Both CAs replaced by hand under a running tbot and open sessions, on the compiled programs.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, pinIn, RunningProgram } from "../support/cluster_process.ts";
import { Guide } from "../support/guide.ts";
import { McpOpenError } from "../support/mcp_client.ts";
import { scenario as test } from "../support/scenario.ts";

test(
  "both CAs are replaced under a running tbot; calls succeed in every phase",
  async (context) => {
    const guide = await Guide.start(context);
    await guide.writeBotFile();
    const tbotYaml = join(guide.directory, "tbot.yaml");
    const config = readFileSync(tbotYaml, "utf8");
    guide.write("tbot.yaml", `${config}credential_ttl: 10m\nrenewal_interval: 2s\n`);
    const tbot = new RunningProgram("tbot", ["start", "-c", "tbot.yaml"], { cwd: guide.directory });
    context.cleanup(() => tbot.stop());
    const certificates = () => {
      try {
        const text = readFileSync(guide.identity, "utf8");
        return text.match(/-----BEGIN CERTIFICATE[^]+?-----END CERTIFICATE-----/g) ?? [];
      } catch {
        return [];
      }
    };
    const cas = async (type: string) =>
      (await guide.tctl("auth", "export", `--type=tls-${type}`))
        .match(/-----BEGIN CERTIFICATE[^]+?-----END CERTIFICATE-----/g) ?? [];
    const rotate = async (phase: string) => {
      for (const type of ["user", "host"]) {
        await guide.tctl("auth", "rotate", `--type=${type}`, "--manual", `--phase=${phase}`);
      }
    };
    const copy = (name: string) => {
      const path = join(guide.directory, name);
      copyFileSync(guide.identity, path);
      return path;
    };
    await eventually(() => certificates().length === 2, "tbot has written the identity");
    const first = copy("first");
    const early = await guide.open();
    const works = async (client: typeof early) =>
      assert.equal(await client.call("echo", { message: "hello" }), "Echo: hello");
    const worksAnew = async () => {
      const client = await guide.open();
      await works(client);
      await client.close();
    };

    await rotate("init");
    await works(early);
    await worksAnew();
    await eventually(() => certificates().length === 3, "the identity has both host CAs");
    const second = copy("second");

    await rotate("update_clients");
    await works(early);
    await worksAnew();
    const [newUser = ""] = await cas("user");
    const { publicKey } = new X509Certificate(newUser);
    await eventually(
      () => new X509Certificate(certificates()[0] ?? newUser).verify(publicKey),
      "the new user CA has signed the identity",
    );
    const late = await guide.open();

    await rotate("update_servers");
    assert.equal((await guide.tctl("status")).match(/rotating servers \(mode: manual/g)?.length, 2);
    await works(early);
    await works(late);
    await worksAnew();
    await guide.open({ identity: second }).then((client) => client.close());

    await rotate("standby");
    await works(late);
    await worksAnew();
    await eventually(async () => {
      const events = JSON.parse(await guide.tctl("audit", "ls", "--format=json"));
      return events.some(({ type, status }: { type: string; status: unknown }) =>
        type === "mcp.session.end" &&
        /no current user CA of the cluster signed it|no CA that the cluster/
          .test(JSON.stringify(status))
      );
    }, "the session on a certificate of the old CA has ended");
    // Its bridge has opened another one, with the identity of now.
    await works(early);
    await eventually(() => certificates().length === 2, "the identity has the new host CA alone");
    const refused = async (identity: string, because: RegExp) =>
      await assert.rejects(guide.open({ identity }), (error) => {
        assert.ok(error instanceof McpOpenError, String(error));
        assert.match(error.message, because);
        return true;
      });
    await refused(second, /no CA that the cluster trusts signed it; the user CA was rotated at/);
    await refused(first, /Cannot trust .*before the cluster's CA was rotated/s);

    const pin = pinIn(await guide.tctl("status"));
    assert.notEqual(pin, guide.pin);
    for (const [given, code] of [[guide.pin, 1], [pin, 0]] as const) {
      const storage = join(guide.directory, "another");
      await guide.writeBotFile({ pin: given, storage, destination: `${storage}-id` }, "other.yaml");
      const ended = await guide.run("tbot", "start", "-c", "other.yaml", "--oneshot");
      assert.equal(ended.code, code, ended.stderr);
    }
    await late.close();
  },
  { proves: ["rotation"] },
);
