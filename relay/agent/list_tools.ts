/**
 * Asks an MCP server for its tools on nobody's behalf, as an administrator wants to know them: all
 * of them, as they are now. The server is started for it and ended afterwards.
 */
import { Buffer } from "node:buffer";
import { type Clock, type ListedTool, type ServerTool, VERSION } from "../../identity/mod.ts";
import { after } from "../after.ts";
import { RelayError, type RelayErrorCode } from "../error.ts";
import { definitionHash } from "../gate/_definition.ts";
import { META_PROTOCOL_VERSION } from "../gate/methods.ts";
import type { JsonView } from "../wire/json.ts";
import { errorReply } from "../wire/refusal.ts";
import { readOutgoing } from "../http/outgoing.ts";
import { scanMessage } from "../wire/scanner.ts";
import type { RecordOwn } from "./own_request.ts";
import type { Upstream, UpstreamHandlers } from "./upstream/upstream.ts";

/** What one server may take for all of its answers, and how much they may be. */
export const LIST_MS = 15_000;
export const MAX_TOOLS = 10_000;
export const MAX_LIST_BYTES = 16 * 1024 * 1024;

export interface ListToolsOptions {
  /** The app's name, for messages. */
  readonly app: string;
  readonly clock: Clock;
  /** Waited for before each request is sent. */
  readonly record: RecordOwn;
  readonly start: (handlers: UpstreamHandlers) => Promise<Upstream>;
}

/** The tools of a server, every page of them. Rejects with `RelayError` if it does not say. */
export async function listTools(options: ListToolsOptions): Promise<ListedTool[]> {
  const { app, clock, record, start } = options;
  const asker = new Asker(app, record);
  const enough = new AbortController();
  const starting = start(asker);
  after(clock, LIST_MS, enough.signal, () => {
    asker.fail("TIMEOUT", `did not list its tools within ${LIST_MS / 1000} s`);
  });
  try {
    asker.upstream = await Promise.race([starting, asker.failed]);
    return await allPages(app, asker, await greet(asker));
  } finally {
    enough.abort();
    // A server that comes up late is ended as well.
    const gone = starting.then((upstream) => upstream.close(), () => {});
    if (asker.upstream) await gone;
  }
}

/** Shakes hands; returns what each request carries. A server of the modern era has no handshake. */
async function greet(asker: Asker): Promise<Json> {
  const clientInfo = { name: "postern", version: VERSION };
  const legacy = { protocolVersion: "2025-11-25", capabilities: CAPABILITIES, clientInfo };
  const answer = await asker.ask("initialize", legacy);
  if (answer.error === undefined) {
    asker.tell("notifications/initialized");
    return {};
  }
  return {
    _meta: {
      [META_PROTOCOL_VERSION]: "2026-07-28",
      "io.modelcontextprotocol/clientInfo": clientInfo,
      "io.modelcontextprotocol/clientCapabilities": CAPABILITIES,
    },
  };
}

/** Some servers offer a tool only to clients that can do what it needs. */
const CAPABILITIES = { roots: { listChanged: true }, sampling: {}, elicitation: {} };

async function allPages(app: string, asker: Asker, common: Json): Promise<ListedTool[]> {
  const tools: ListedTool[] = [];
  const seen = new Set<string>();
  for (let page = common;;) {
    const { error, result } = await asker.ask("tools/list", page);
    if (error) throw wrong(app, "SERVER_EXITED", `refuses to list its tools: ${error.message}`);
    const listed = listedIn(result);
    if (!listed) throw wrong(app, "PROTOCOL", "answers with something that is no list of tools");
    tools.push(...listed);
    if (tools.length > MAX_TOOLS) {
      throw wrong(app, "LIMIT_EXCEEDED", `lists more than ${MAX_TOOLS} tools`);
    }
    const cursor = result?.member("nextCursor")?.string();
    if (cursor === undefined) return tools;
    if (seen.has(cursor)) throw wrong(app, "PROTOCOL", "sends the same page again and again");
    seen.add(cursor);
    page = { ...common, cursor };
  }
}

function wrong(app: string, code: RelayErrorCode, what: string): RelayError {
  return new RelayError(code, `MCP server "${app}" ${what}`);
}

/** Every entry must be a tool with a name; digests are of the text that the server sent. */
function listedIn(result: JsonView | undefined): ListedTool[] | undefined {
  const array = result?.member("tools");
  if (array?.type !== "array") return undefined;
  const listed: ListedTool[] = [];
  for (const entry of array.elements()) {
    if (entry.member("name")?.string() === undefined) return undefined;
    const tool = JSON.parse(entry.text()) as ServerTool;
    listed.push({ tool, sha256: definitionHash(entry) });
  }
  return listed;
}

type Json = Readonly<Record<string, unknown>>;

interface Answer {
  readonly result?: JsonView;
  readonly error?: { readonly message: string };
}

/** One question at a time to a server that may say anything. */
class Asker implements UpstreamHandlers {
  readonly #app: string;
  readonly #failed = Promise.withResolvers<never>();
  readonly #record: RecordOwn;
  #id = 0;
  #bytes = 0;
  #waiting: ((answer: Answer) => void) | undefined;
  upstream: Upstream | undefined;

  constructor(app: string, record: RecordOwn) {
    this.#app = app;
    this.#record = record;
    this.#failed.promise.catch(() => {});
  }

  /** Rejects with what went wrong first. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  fail(code: RelayErrorCode, what: string): void {
    this.#failed.reject(wrong(this.#app, code, what));
  }

  async ask(method: string, params: Json): Promise<Answer> {
    const answer = new Promise<Answer>((resolve) => this.#waiting = resolve);
    const request = bytesOf({ jsonrpc: "2.0", id: ++this.#id, method, params });
    await Promise.race([
      this.#record({ message: readOutgoing(request), because: BECAUSE }),
      this.failed,
    ]);
    this.upstream?.send(request);
    return await Promise.race([answer, this.failed]);
  }

  tell(method: string): void {
    this.upstream?.send(bytesOf({ jsonrpc: "2.0", method }));
  }

  onMessage(line: Buffer): void {
    this.#bytes += line.length;
    if (this.#bytes > MAX_LIST_BYTES) {
      return this.fail("LIMIT_EXCEEDED", `says more than ${MAX_LIST_BYTES} bytes about its tools`);
    }
    const scan = scanMessage(line);
    if (!scan.ok) return this.fail("PROTOCOL", `sends what is no message: ${scan.refusal.message}`);
    const { message } = scan;
    switch (message.kind) {
      case "request":
        // Whatever it wants of a client: there is none.
        return this.upstream?.send(errorReply(message.id, -32601, "Method not found"));
      case "notification":
        return;
      default:
        if (message.id?.json !== String(this.#id)) return;
        this.#waiting?.(
          message.kind === "result"
            ? { result: message.result }
            : { error: { message: message.inner.get("message")?.string()?.slice(0, 200) ?? "" } },
        );
    }
  }

  onOversized(): void {
    this.fail("LIMIT_EXCEEDED", "sends a message that is too large");
  }

  onExit(reason: RelayError): void {
    this.#failed.reject(reason);
  }
}

/** Only whoever may administer the cluster can ask for it. */
const BECAUSE = "an administrator has asked for the tools of the server";

function bytesOf(message: Json): Buffer {
  return Buffer.from(JSON.stringify(message));
}
