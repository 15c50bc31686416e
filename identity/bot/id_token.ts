/** Where tbot gets the OIDC token that proves what it runs at; a fresh one for each join. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { promisify } from "node:util";
import { IdentityError } from "../error.ts";
import { fetchJson } from "../fetch_json.ts";
import type { IdTokenOnboarding } from "./config.ts";

/** Where Kubernetes puts the token of a pod's service account. */
const KUBERNETES_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const GITLAB_VARIABLE = "TBOT_GITLAB_JWT";
const TIMEOUT_MS = 10_000;
const MAX_BYTES = 16 * 1024;

type Environment = Readonly<Record<string, string | undefined>>;

/** The token, for an audience; rejects with `CONFIG_INVALID` or `UNAVAILABLE` when there is none. */
export async function fetchIdToken(
  onboarding: IdTokenOnboarding,
  audience: string,
  env: Environment = process.env,
): Promise<string> {
  const token = (await read(onboarding, audience, env)).trim();
  if (token !== "" && token.length <= MAX_BYTES) return token;
  throw missing(onboarding, token === "" ? "it is empty" : "it is too large for a token");
}

async function read(
  onboarding: IdTokenOnboarding,
  audience: string,
  env: Environment,
): Promise<string> {
  switch (onboarding.joinMethod) {
    case "github":
      return await fromGithub(onboarding, audience, env);
    case "gitlab":
      return fromVariable(onboarding, onboarding.variable ?? GITLAB_VARIABLE, env);
    case "kubernetes":
      return await fromFile(
        onboarding,
        onboarding.path ?? env["KUBERNETES_TOKEN_PATH"] ?? KUBERNETES_TOKEN,
      );
    case "generic_oidc":
      return onboarding.command === undefined
        ? fromVariable(onboarding, onboarding.variable ?? "", env)
        : await fromCommand(onboarding, onboarding.command);
  }
}

/** GitHub gives each job an address to ask at, and a secret to ask with. */
async function fromGithub(
  onboarding: IdTokenOnboarding,
  audience: string,
  env: Environment,
): Promise<string> {
  const url = URL.parse(env["ACTIONS_ID_TOKEN_REQUEST_URL"] ?? "");
  const secret = env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
  if (url === null || secret === undefined) {
    throw missing(
      onboarding,
      "this job may not ask for one",
      "Give it `permissions: id-token: write`",
    );
  }
  url.searchParams.set("audience", audience);
  try {
    const answer = await fetchJson(url, {
      headers: { authorization: `Bearer ${secret}` },
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES * 2,
    });
    const { value } = (answer ?? {}) as { value?: unknown };
    return typeof value === "string" ? value : "";
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new IdentityError("UNAVAILABLE", `Cannot get an OIDC token from GitHub: ${found}`, {
      cause,
    });
  }
}

function fromVariable(
  onboarding: IdTokenOnboarding,
  name: string,
  env: Environment,
): string {
  const token = env[name];
  if (token !== undefined) return token;
  throw missing(onboarding, `the variable ${name} is not set`);
}

async function fromFile(onboarding: IdTokenOnboarding, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw missing(onboarding, `${path} cannot be read: ${code}`, "Mount a projected token there");
  }
}

async function fromCommand(
  onboarding: IdTokenOnboarding,
  [program = "", ...args]: readonly string[],
): Promise<string> {
  try {
    const limits = { timeout: TIMEOUT_MS, maxBuffer: MAX_BYTES * 2 };
    return (await promisify(execFile)(program, args, limits)).stdout;
  } catch (error) {
    const { code, killed } = error as NodeJS.ErrnoException & { killed?: boolean };
    const how = killed ? `did not end within ${TIMEOUT_MS / 1000} s` : `failed (${code})`;
    throw missing(onboarding, `the command ${program} ${how}`);
  }
}

function missing(
  { joinMethod }: IdTokenOnboarding,
  found: string,
  hint = "See `onboarding` in tbot's configuration",
): IdentityError {
  return new IdentityError("CONFIG_INVALID", `Cannot have a ${joinMethod} token: ${found}`, {
    hint,
  });
}
