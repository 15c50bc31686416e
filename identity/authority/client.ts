/** The authority over the network. Light to load: a bridge starts with it. */
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import https from "node:https";
import { isIP } from "node:net";
import { IdentityError } from "../error.ts";
import type { IdentityErrorCode } from "../error.ts";
import { matchesPin } from "../pin.ts";
import type {
  ApiFailure,
  AppList,
  Calls,
  ChallengeRequest,
  ClusterInfo,
  HeartbeatRequest,
  IdentityRequest,
  IssuedCertificates,
  JoinChallenge,
  JoinRequest,
  RenewRequest,
  SessionGrant,
  SessionRequest,
  TrustBundle,
} from "./api.ts";
import { type Route, routeOf } from "./routes.ts";

/** The authority as a caller sees it. Every method throws `IdentityError`. */
export interface AuthorityClient {
  find(): Promise<ClusterInfo>;
  trust(): Promise<TrustBundle>;
  challenge(request: ChallengeRequest): Promise<JoinChallenge>;
  join(request: JoinRequest): Promise<IssuedCertificates>;
  renew(request: RenewRequest): Promise<IssuedCertificates>;
  issueIdentity(request: IdentityRequest): Promise<IssuedCertificates>;
  heartbeat(request: HeartbeatRequest): Promise<Record<never, never>>;
  openSession(request: SessionRequest): Promise<SessionGrant>;
  apps(): Promise<AppList>;
}

/** How a caller knows that it speaks to the right authority. */
export type Trust =
  /** CA certificates, PEM, from an identity file or a stored identity. */
  | { readonly kind: "cas"; readonly hostCas: readonly string[] }
  /** `sha256:<hex>` of a CA's public key info; one match is enough. */
  | { readonly kind: "pins"; readonly pins: readonly string[] }
  /** The operating system's CAs, for a cluster with a public certificate. */
  | { readonly kind: "system" }
  /** Nothing is checked; for experiments only. */
  | { readonly kind: "insecure" };

export interface ConnectOptions {
  /** `host:port` of the cluster's public port. */
  readonly proxy: string;
  readonly trust: Trust;
  /** The client certificate and its key, PEM; absent for join and find. */
  readonly credentials?: { readonly certificate: string; readonly key: string };
  /** Milliseconds for one call, connecting included (default 30,000). */
  readonly timeout?: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/** What a client presents and believes, settled before the first call that matters. */
export interface Settled {
  readonly ca: readonly string[] | undefined;
  readonly servername: string | undefined;
}

/** A client of the authority behind `proxy`. Nothing is sent before the authority is known. */
export function connectAuthority(options: ConnectOptions): AuthorityClient {
  const ask = authorityCaller(options);
  const call = <K extends Route>(name: K, body?: Calls[K]["request"]) =>
    ask<Calls[K]["answer"]>({ ...routeOf(name), body });
  return {
    find: () => call("find"),
    trust: () => call("trust"),
    challenge: (request) => call("challenge", request),
    join: (request) => call("join", request),
    renew: (request) => call("renew", request),
    issueIdentity: (request) => call("issueIdentity", request),
    heartbeat: (request) => call("heartbeat", request),
    openSession: (request) => call("openSession", request),
    apps: () => call("apps"),
  };
}

/** One request: where it goes, and what it says. */
export interface AuthorityCall {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  /** The longest answer that is read (default 1 MiB). */
  readonly maxAnswerBytes?: number;
}

/** Sends calls to the authority behind `proxy`, once it is known to be the right one. */
export function authorityCaller(
  options: ConnectOptions,
): <T>(call: AuthorityCall) => Promise<T> {
  let settled: Promise<Settled> | undefined;
  return async <T>(call: AuthorityCall): Promise<T> => {
    settled ??= settle(options);
    // A failure to settle is not kept: the next call tries again.
    const trust = await settled.catch((error: unknown) => {
      settled = undefined;
      throw error;
    });
    return await exchange<T>(options, trust, call);
  };
}

export async function settle(options: ConnectOptions): Promise<Settled> {
  const { trust } = options;
  switch (trust.kind) {
    case "cas":
      return { ca: trust.hostCas, servername: clusterOf(trust.hostCas) };
    case "system":
      return { ca: undefined, servername: undefined };
    case "insecure":
      return { ca: undefined, servername: undefined };
    case "pins": {
      // Unproven until the pin agrees: this call carries no secret and no certificate.
      const probe = { ...options, trust: { kind: "insecure" } } as const;
      const bundle = await exchange<TrustBundle>(
        { proxy: probe.proxy, trust: probe.trust },
        { ca: undefined, servername: undefined },
        routeOf("trust"),
      );
      const pinned = bundle.hostCas.filter((ca) => matchesPin(ca, trust.pins));
      if (pinned.length > 0) return { ca: pinned, servername: clusterOf(pinned) };
      throw new IdentityError(
        "CA_PIN_MISMATCH",
        `Cannot trust ${options.proxy}: none of its CAs has the given pin`,
        {
          hint:
            "Compare the pin with `tctl status` on the authority's host; if they differ for no " +
            "reason that you know, somebody may be in between",
        },
      );
    }
  }
}

/** The cluster whose host CA this is, from its SPIFFE ID; clients ask for it by this name. */
function clusterOf(cas: readonly string[]): string | undefined {
  for (const ca of cas) {
    const match = /URI:spiffe:\/\/([^/,\s]+)/.exec(new X509Certificate(ca).subjectAltName ?? "");
    if (match) return match[1];
  }
  return undefined;
}

async function exchange<T>(
  options: ConnectOptions,
  settled: Settled,
  { body, maxAnswerBytes = MAX_ANSWER_BYTES, method, path }: AuthorityCall,
): Promise<T> {
  const text = body === undefined ? "" : JSON.stringify(body);
  const { status, answer } = await new Promise<{ status: number; answer: string }>(
    (resolve, reject) => {
      const request = https.request({
        ...requestOptions(options, settled),
        method,
        path,
        headers: {
          accept: "application/json",
          connection: "close",
          host: settled.servername ?? options.proxy,
          ...(text ? { "content-type": "application/json" } : {}),
          "content-length": String(Buffer.byteLength(text)),
        },
        signal: AbortSignal.timeout(options.timeout ?? DEFAULT_TIMEOUT_MS),
      }, (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on("data", (chunk: Buffer) => {
          size += chunk.length;
          if (size > maxAnswerBytes) request.destroy(new Error("the answer is too large"));
          else chunks.push(chunk);
        });
        response.on("error", reject);
        response.on("end", () => {
          resolve({ status: response.statusCode ?? 0, answer: Buffer.concat(chunks).toString() });
        });
      });
      request.on("error", reject);
      request.end(text);
    },
  ).catch((cause: unknown) => {
    throw explain(cause, options);
  });
  return read<T>(status, answer, options.proxy);
}

/** Where to, and what is shown and believed there. */
export function requestOptions(
  { credentials, proxy, trust }: ConnectOptions,
  { ca, servername }: Settled,
): https.RequestOptions {
  const { host, port } = parseProxy(proxy);
  return {
    host,
    port,
    agent: false,
    ...(ca ? { ca: [...ca] } : {}),
    // RFC 6066 §3: no IP address in a server name; an empty name sends none.
    servername: servername ?? (isIP(host) ? "" : host),
    ...(credentials ? { cert: credentials.certificate, key: credentials.key } : {}),
    rejectUnauthorized: trust.kind !== "insecure",
    minVersion: "TLSv1.3",
  };
}

export function read<T>(status: number, answer: string, proxy: string): T {
  let json: unknown;
  try {
    json = JSON.parse(answer);
  } catch {
    json = undefined;
  }
  if (status === 200 && json !== undefined) return json as T;
  const failure = (json as Partial<ApiFailure> | undefined)?.error;
  if (failure === undefined) {
    throw new IdentityError(
      "API_PROTOCOL",
      `${proxy} answered with HTTP status ${status} and nothing that Postern understands`,
      { hint: "Check that the address is the public address of a Postern cluster" },
    );
  }
  throw new IdentityError(
    failure.code as IdentityErrorCode,
    String(failure.message),
    failure.hint === undefined ? {} : { hint: String(failure.hint) },
  );
}

/** `host:port`, with 443 as the port when there is none; IPv6 addresses in brackets. */
export function parseProxy(proxy: string): { host: string; port: number } {
  const match = /^(?:https:\/\/)?(\[[0-9a-fA-F:.]+\]|[^:/\s[\]]+)(?::([0-9]{1,5}))?\/?$/.exec(
    proxy,
  );
  const port = Number(match?.[2] ?? 443);
  if (!match?.[1] || port < 1 || port > 65_535) {
    throw new IdentityError("BAD_REQUEST", `Cannot use "${proxy}" as a proxy address`, {
      hint: "Write it as host:port, for example example.com:443",
    });
  }
  return { host: match[1].replace(/^\[|\]$/g, ""), port };
}

// Codes of Node.js's TLS stack; Bun and Deno use the same, and differ in the wording alone.
const UNTRUSTED =
  /CERT|SELF_SIGNED|ISSUER|LEAF_SIGNATURE|ALTNAME|UnknownIssuer|NotValidForName|certificate/;

/** What a failed connection is to whoever asked for it. */
export function explain(cause: unknown, { proxy }: ConnectOptions): unknown {
  if (cause instanceof IdentityError) return cause;
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const code = String((error as { code?: unknown }).code ?? "");
  if (UNTRUSTED.test(code) || UNTRUSTED.test(error.message)) {
    return new IdentityError(
      "TLS_UNTRUSTED",
      `Cannot trust ${proxy}: ${error.message}`,
      {
        hint: "Check the address; give tbot the CA pins from `tctl status`; an identity file of " +
          "another cluster, or a copy from before the cluster's CA was rotated, does not work",
        cause,
      },
    );
  }
  const timedOut = error.name === "TimeoutError" || error.name === "AbortError";
  return new IdentityError(
    "API_UNREACHABLE",
    `Cannot reach ${proxy}: ${timedOut ? "no answer in time" : code || error.message}`,
    { hint: "Check the address and that app-agent is running there", cause },
  );
}
