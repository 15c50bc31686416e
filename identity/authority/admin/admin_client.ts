import { Buffer } from "node:buffer";
import { request as httpRequest } from "node:http";
import { IdentityError } from "../../error.ts";
import type { IdentityErrorCode } from "../../error.ts";
import type { ApiFailure } from "../api.ts";
import { authorityCaller, type ConnectOptions } from "../client.ts";
import { adminPath } from "../routes.ts";
import type { Admin } from "./admin.ts";

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

type Exchange = (operation: keyof Admin, argument: object) => Promise<unknown>;

/** The administration of the cluster whose authority listens at a Unix socket. */
export function adminClient(socketPath: string): Admin {
  return adminOver((operation, argument) => exchange(socketPath, operation, argument));
}

/** The administration from afar, by the roles of an identity. */
export function remoteAdminClient(options: ConnectOptions): Admin {
  const ask = authorityCaller(options);
  return {
    ...adminOver((operation, body) =>
      ask({
        method: "POST",
        path: adminPath(operation),
        body,
        maxAnswerBytes: MAX_ANSWER_BYTES,
      })
    ),
    backup: () =>
      Promise.reject(
        new IdentityError("BAD_REQUEST", "Cannot back up a cluster from afar", {
          hint: "Run it on the authority's host: a backup holds every secret of the cluster",
        }),
      ),
  };
}

function adminOver(exchange: Exchange): Admin {
  // The types of each operation hold at both ends: the server checks, and it is our own.
  const call = <K extends keyof Admin>(operation: K) => (argument: object) =>
    exchange(operation, argument) as ReturnType<Admin[K]>;
  return {
    status: call("status"),
    trust: call("trust"),
    rotateCa: call("rotateCa"),
    createResources: call("createResources"),
    getResources: call("getResources"),
    removeResource: call("removeResource"),
    addBot: call("addBot"),
    listBots: call("listBots"),
    updateBot: call("updateBot"),
    removeBot: call("removeBot"),
    listInstances: call("listInstances"),
    addToken: call("addToken"),
    addHostToken: call("addHostToken"),
    listTokens: call("listTokens"),
    removeToken: call("removeToken"),
    addLock: call("addLock"),
    listSessions: call("listSessions"),
    backup: call("backup"),
    auditEvents: call("auditEvents"),
    auditRecords: call("auditRecords"),
    policyWorld: call("policyWorld"),
    appTools: call("appTools"),
    approveTool: call("approveTool"),
    revokeTool: call("revokeTool"),
    listApprovals: call("listApprovals"),
    decisionEvents: call("decisionEvents"),
  };
}

async function exchange(
  socketPath: string,
  operation: keyof Admin,
  argument: object,
): Promise<unknown> {
  const text = JSON.stringify(argument);
  const { status, answer } = await send(socketPath, `/admin/v1/${operation}`, text).catch(
    (cause: NodeJS.ErrnoException) => {
      const problem = cause.name === "TimeoutError" ? "no answer in time" : cause.code;
      throw new IdentityError(
        "API_UNREACHABLE",
        `Cannot reach the authority at ${socketPath}: ${problem ?? cause.message}`,
        { hint: "Check that app-agent is running; its log may say more", cause },
      );
    },
  );
  return read(status, answer, socketPath);
}

function send(
  socketPath: string,
  path: string,
  text: string,
): Promise<{ status: number; answer: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      socketPath,
      path,
      method: "POST",
      agent: false,
      headers: {
        host: "authority",
        connection: "close",
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(text)),
      },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) request.destroy(new Error("the answer is too large"));
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, answer: Buffer.concat(chunks).toString() });
      });
    });
    request.on("error", reject);
    request.end(text);
  });
}

function read(status: number, answer: string, socketPath: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(answer);
  } catch {
    json = undefined;
  }
  if (status === 200 && json !== undefined) return json;
  const failure = (json as Partial<ApiFailure> | undefined)?.error;
  if (failure) {
    throw new IdentityError(
      failure.code as IdentityErrorCode,
      String(failure.message),
      failure.hint === undefined ? {} : { hint: String(failure.hint) },
    );
  }
  throw new IdentityError(
    "API_PROTOCOL",
    `${socketPath} answered with HTTP status ${status} and nothing that tctl understands`,
    { hint: "tctl and app-agent may be of different versions" },
  );
}
