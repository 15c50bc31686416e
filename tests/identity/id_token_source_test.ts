// Where tbot gets an OIDC token from, and what it says when there is none: never what it has read.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IdTokenOnboarding } from "../../identity/bot/config.ts";
import { fetchIdToken } from "../../identity/bot/id_token.ts";
import { IdentityError } from "../../identity/mod.ts";
import { test, type TestContext } from "../support/harness.ts";

const SECRET = "eyJ.do-not-print.me";

function scratch({ cleanup }: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-source-"));
  cleanup(() => rmSync(directory, { recursive: true }));
  return directory;
}

type Onboarding = Omit<IdTokenOnboarding, "token">;

function fetched(
  onboarding: Onboarding,
  env: Record<string, string> = {},
): Promise<string> {
  return fetchIdToken({ token: "acme-ci", ...onboarding }, "example.test", env);
}

const present: [what: string, Onboarding, Record<string, string>][] = [
  ["GitLab's own variable", { joinMethod: "gitlab" }, { TBOT_GITLAB_JWT: SECRET }],
  ["a variable of another name", { joinMethod: "gitlab", variable: "MY_JWT" }, { MY_JWT: SECRET }],
  [
    "a variable that ends with a newline",
    { joinMethod: "generic_oidc", variable: "MY_JWT" },
    { MY_JWT: `${SECRET}\n` },
  ],
  [
    "a command that prints it",
    { joinMethod: "generic_oidc", command: ["/bin/echo", SECRET] },
    {},
  ],
];

for (const [what, onboarding, env] of present) {
  test(`the token comes from ${what}`, async () => {
    assert.equal(await fetched(onboarding, env), SECRET);
  });
}

test("Kubernetes' token comes from where it is said to be, or the variable says", async (context) => {
  const path = join(scratch(context), "token");
  writeFileSync(path, `${SECRET}\n`);
  assert.equal(await fetched({ joinMethod: "kubernetes", path }), SECRET);
  assert.equal(
    await fetched({ joinMethod: "kubernetes" }, { KUBERNETES_TOKEN_PATH: path }),
    SECRET,
  );
});

const absent: [what: string, Onboarding, Record<string, string>, said: RegExp][] = [
  [
    "a variable that is not set",
    { joinMethod: "gitlab" },
    { OTHER: SECRET },
    /^Cannot have a gitlab token: the variable TBOT_GITLAB_JWT is not set$/,
  ],
  [
    "an empty variable",
    { joinMethod: "gitlab", variable: "MY_JWT" },
    { MY_JWT: " \n" },
    /^Cannot have a gitlab token: it is empty$/,
  ],
  [
    "a variable that holds no token",
    { joinMethod: "generic_oidc", variable: "MY_JWT" },
    { MY_JWT: SECRET.repeat(1_000) },
    /^Cannot have a generic_oidc token: it is too large for a token$/,
  ],
  [
    "a file that is not there",
    { joinMethod: "kubernetes", path: "/no/such/token" },
    {},
    /^Cannot have a kubernetes token: \/no\/such\/token cannot be read: ENOENT$/,
  ],
  [
    "a command that is not there",
    { joinMethod: "generic_oidc", command: ["/no/such/program", SECRET] },
    {},
    /^Cannot have a generic_oidc token: the command \/no\/such\/program failed \(ENOENT\)$/,
  ],
  [
    "a command that fails",
    { joinMethod: "generic_oidc", command: ["/bin/sh", "-c", `echo ${SECRET} >&2; exit 3`] },
    {},
    /^Cannot have a generic_oidc token: the command \/bin\/sh failed \(3\)$/,
  ],
  [
    "a command that prints without end",
    { joinMethod: "generic_oidc", command: ["/bin/sh", "-c", `while :; do echo ${SECRET}; done`] },
    {},
    /^Cannot have a generic_oidc token: the command \/bin\/sh /,
  ],
  [
    "a GitHub job that may not ask",
    { joinMethod: "github" },
    { ACTIONS_ID_TOKEN_REQUEST_TOKEN: SECRET },
    /^Cannot have a github token: this job may not ask for one$/,
  ],
];

for (const [what, onboarding, env, said] of absent) {
  test(`${what} is told of, and nothing that was read`, async () => {
    await assert.rejects(fetched(onboarding, env), (error: unknown) => {
      assert.ok(error instanceof IdentityError);
      assert.equal(error.code, "CONFIG_INVALID");
      assert.match(error.message, said);
      assert.doesNotMatch(`${error.message} ${error.hint} ${error.cause}`, /do-not-print/);
      return true;
    });
  });
}

/** What GitHub answers with; a parser that quotes what it has stumbled over would show it. */
const answers: [what: string, status: number, headers: object, body: string, said: RegExp][] = [
  ["refuses", 403, {}, SECRET, /: it answered with HTTP 403$/],
  [
    "sends elsewhere",
    302,
    { location: "/elsewhere" },
    "",
    /^Cannot get an OIDC token from GitHub: /,
  ],
  ["answers with something else", 200, {}, "do-not-print", /: its answer is not JSON$/],
  ["answers without end", 200, {}, "x".repeat(1024 * 1024), /: its answer is too large$/],
];

for (const [what, status, headers, body, said] of answers) {
  test(`a GitHub that ${what} is asked once, and told of without a secret`, async (context) => {
    const asked: [path: string | undefined, authorization: string | undefined][] = [];
    const server = createServer((request, response) => {
      asked.push([request.url, request.headers.authorization]);
      response.writeHead(status, { ...headers }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    context.cleanup(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    const job = {
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/token?api-version=2`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: SECRET,
    };
    await assert.rejects(fetched({ joinMethod: "github" }, job), (error: unknown) => {
      assert.ok(error instanceof IdentityError);
      assert.equal(error.code, "UNAVAILABLE");
      assert.match(error.message, said);
      assert.doesNotMatch(`${error.message} ${error.hint} ${error.cause}`, /do-not-print/);
      return true;
    });
    assert.deepEqual(asked, [
      ["/token?api-version=2&audience=example.test", `Bearer ${SECRET}`],
    ]);
  });
}
