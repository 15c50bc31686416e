/**
 * The way to an agent: a certificate and a route from the authority, then one TLS connection to
 * the public port. The agent is known by the SPIFFE ID that the authority named.
 */
import { generateKeyPairSync } from "node:crypto";
import tls from "node:tls";
import type { AuthorityClient, Clock, SessionGrant } from "../../identity/mod.ts";
import { after } from "../after.ts";
import { RelayError } from "../error.ts";
import { ALPN } from "../wire/frame.ts";

/** Milliseconds to reach the public port and finish the handshake. */
const CONNECT_MS = 15_000;

export interface Dialled {
  readonly grant: SessionGrant;
  readonly stream: tls.TLSSocket;
}

/** How to get to the public port, and until when. */
export interface Way {
  /** `host:port` of the public port. */
  readonly proxy: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Opens a connection for one session with `app`, at `agent` if it is known who has the session;
 * throws `IdentityError` or `RelayError`.
 */
export async function dialSession(
  authority: AuthorityClient,
  { app, agent, ...way }: Way & { readonly app: string; readonly agent?: string | undefined },
): Promise<Dialled> {
  // A key for this session alone; it is never written down.
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  // Nobody is there any more to use what would be granted.
  way.signal.throwIfAborted();
  const grant = await authority.openSession({
    app,
    publicKey,
    ...(agent !== undefined && { agent }),
  });
  const stream = await connect(grant, privateKey, way);
  return { grant, stream };
}

function connect(
  grant: SessionGrant,
  key: string,
  { proxy, clock, signal }: Way,
): Promise<tls.TLSSocket> {
  const { host, port } = parseAddress(proxy);
  return new Promise((resolve, reject) => {
    const stream = tls.connect({
      host,
      port,
      servername: grant.servername,
      cert: grant.certificate,
      key,
      ca: [...grant.hostCas],
      minVersion: "TLSv1.3",
      ALPNProtocols: [ALPN],
      // The name that was dialled is a ticket, not a host: what counts is who the agent is.
      checkServerIdentity: (_name, certificate) =>
        isAgent(certificate.subjectaltname, grant.agent) ? undefined : Object.assign(
          new Error("the certificate is not the named agent's"),
          { code: WRONG_AGENT },
        ),
    });
    const settled = new AbortController();
    const settle = (outcome: () => void) => {
      settled.abort();
      signal.removeEventListener("abort", onAbort);
      stream.off("close", onClose);
      outcome();
    };
    const fail = (error: RelayError) =>
      settle(() => {
        stream.destroy();
        reject(error);
      });
    const onAbort = () => fail(new RelayError("UNREACHABLE", "The bridge is stopping"));
    const onClose = () =>
      fail(
        new RelayError("UNREACHABLE", `Cannot reach an agent through ${proxy}: it hung up`, {
          hint: "Check that the app's agent is running and connected",
        }),
      );
    after(
      clock,
      CONNECT_MS,
      settled.signal,
      () => fail(new RelayError("TIMEOUT", `Cannot reach ${proxy} within ${CONNECT_MS / 1000} s`)),
    );
    signal.addEventListener("abort", onAbort);
    stream.on("error", (cause: NodeJS.ErrnoException) => fail(connectError(proxy, cause)));
    stream.once("close", onClose);
    stream.once("secureConnect", () => {
      if (!stream.authorized) {
        return fail(connectError(proxy, stream.authorizationError as NodeJS.ErrnoException));
      }
      if (stream.alpnProtocol !== ALPN) {
        return fail(otherVersion(proxy));
      }
      stream.setNoDelay(true);
      settle(() => resolve(stream));
    });
    if (signal.aborted) onAbort();
  });
}

const WRONG_AGENT = "POSTERN_WRONG_AGENT";

/** Codes of the system's own, for which no certificate was looked at. */
const NETWORK_CODES = new Set([
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EAI_AGAIN",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "ENETDOWN",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

function connectError(proxy: string, cause: NodeJS.ErrnoException | undefined): RelayError {
  const code = cause?.code ?? "";
  if (NETWORK_CODES.has(code)) {
    return new RelayError("UNREACHABLE", `Cannot reach ${proxy}: ${code}`, {
      hint: `Check that the cluster is up: curl -sk https://${proxy}/v1/webapi/find`,
      cause,
    });
  }
  // An agent that knows other versions only says so before it shows who it is.
  if (code.endsWith("_NO_APPLICATION_PROTOCOL")) return otherVersion(proxy, cause);
  const found = code === WRONG_AGENT ? "another one answered" : code || cause?.message;
  return new RelayError("PEER_UNTRUSTED", `Cannot trust the agent behind ${proxy}: ${found}`, {
    hint: "Check that the identity is of this cluster, and that the proxy address is right",
    cause,
  });
}

function otherVersion(proxy: string, cause?: Error): RelayError {
  return new RelayError("PROTOCOL", `${proxy} does not speak ${ALPN}`, {
    hint: "Run the same version of Postern on both ends",
    cause,
  });
}

/** Whether the certificate's one URI name is the agent's SPIFFE ID. */
function isAgent(subjectAltName: string | undefined, agent: string): boolean {
  const uris = (subjectAltName ?? "").split(", ").filter((name) => name.startsWith("URI:"));
  return uris.length === 1 && uris[0] === `URI:${agent}`;
}

/** `host:port`, `[v6]:port`; the port is 443 unless it is given. */
export function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? 443);
  if (host === undefined || port > 65_535) {
    throw new RelayError("CONFIG_INVALID", `Cannot read the proxy address "${address}"`, {
      hint: "Give it as host:port",
    });
  }
  return { host, port };
}
