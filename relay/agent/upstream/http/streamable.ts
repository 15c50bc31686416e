/**
 * An MCP server over streamable HTTP, of either era: each message says itself which rules it
 * travels by. A request of 2026-07-28 and later is one POST that stands alone, and is cancelled
 * by closing it. Before, there is a session: it belongs to this upstream and to nobody else, its
 * streams are read on after an interruption, and nothing is ever posted twice.
 */
import type { Buffer } from "node:buffer";
import { after } from "../../../after.ts";
import { RelayError } from "../../../error.ts";
import { peekMessage } from "../../../wire/peek.ts";
import type { Call } from "./calls.ts";
import type { HttpResponse } from "./connection.ts";
import { HttpServer, resultOf } from "./http_server.ts";
import {
  isSessionId,
  legacyHeaders,
  modernHeaders,
  SESSION_ID,
} from "../../../http/mcp_headers.ts";
import { idText, type Outgoing } from "../../../http/outgoing.ts";
import { readWhole, tooLarge } from "./read_body.ts";
import { discard, readRefusal } from "./responses.ts";
import { follow, type Following, type FollowOutcome } from "./resume.ts";
import { ToolParams } from "../../../http/tool_params.ts";
import { isHeaderMismatch, refreshTools } from "./tool_refresh.ts";

export class StreamableServer extends HttpServer {
  readonly #tools = new ToolParams();
  /** Requests whose POST is open, answered or not. */
  readonly #posts = new Set<Call>();
  /** Notifications and answers that the server has not taken yet. */
  readonly #told = new Set<Promise<boolean>>();
  #sessionId: string | undefined;

  /** Whether answers may come on the stream of the session. */
  #listening = false;
  #closing: Promise<void> | undefined;

  get sessionId(): string | undefined {
    return this.#sessionId;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const { clock, limits, url } = this.options;
    this.silence();
    const done = new AbortController();
    const late = new AbortController();
    after(clock, limits.closeMs, done.signal, () => late.abort());
    const gaveUp = new Promise((resolve) => late.signal.addEventListener("abort", resolve));
    await Promise.race([Promise.allSettled(this.#told), gaveUp]);
    this.stop();
    if (this.#sessionId !== undefined && !this.gone) {
      const headers = this.#legacyHeaders();
      try {
        const request = { method: "DELETE", url, headers, signal: late.signal } as const;
        // A server may refuse to end sessions (405); it has heard of it anyhow.
        (await this.http.request(request)).body.destroy();
      } catch (error) {
        this.debug("Could not end the session of an MCP server", error);
      }
    }
    done.abort();
    this.http.close();
  }

  protected override stop(): void {
    super.stop();
    for (const { abort } of this.#posts) abort.abort();
  }

  protected async ask(call: Call): Promise<void> {
    if (call.isSettled) return;
    call.started = true;
    this.#posts.add(call);
    const over = new AbortController();
    const answered = this.#answer(call).catch((error) => this.lost(call, error)).finally(() => {
      call.sent.resolve();
      this.#posts.delete(call);
      over.abort();
    });
    const settled = call.settled.promise.then(() => {
      // The stream of an answered request should end; if it does not, it may stay for a while.
      const { clock, limits } = this.options;
      after(clock, limits.takenMs, over.signal, () => call.abort.abort());
    });
    await Promise.race([answered, settled]);
  }

  /** `again`: the headers have been mended once. */
  async #answer(call: Call, again = false): Promise<void> {
    const { message, abort: { signal } } = call;
    const headers = this.#headersOf(message);
    const response = await this.post(message, {
      url: this.options.url,
      headers,
      headersMs: this.options.limits.headersMs,
      signal,
      onSent: () => call.sent.resolve(),
    });
    if (this.#isGone(response, headers)) return void response.body.destroy();
    const kind = this.kindOf(response);
    if (kind === "refusal") {
      const body = await readRefusal(response, call.id, this.reading);
      const mended = !again && isHeaderMismatch(body) && await this.#mendHeaders(call, headers);
      return mended ? await this.#answer(call, true) : this.refuse(call, response, body);
    }
    if (message.method === "initialize" && !call.modern) this.#adopt(response);
    if (kind === "events") return await this.#readAnswer(call, response);
    if (kind === "nothing") {
      discard(response, this.discarding);
      return this.#awaitElsewhere(call);
    }
    this.calls.deliver(await readWhole(response.body, this.reading));
    if (!call.isSettled) this.calls.fail(call, "its answer was to something else");
  }

  /**
   * Whether a call that was refused for its headers has others now. It was not carried out, so that
   * it may be posted once more.
   */
  async #mendHeaders(call: Call, refused: Record<string, string>): Promise<boolean> {
    const { message } = call;
    if (message.method !== "tools/call") return false;
    this.debug("Asked an MCP server for its tools, whose headers it misses", undefined);
    if (!await refreshTools(this.#tools, message, (list) => this.#askFor(list, call))) return false;
    return JSON.stringify(this.#headersOf(message)) !== JSON.stringify(refused);
  }

  /** The answer to a request of our own, which ends with the call that it is for. */
  async #askFor(message: Outgoing, { abort: { signal } }: Call): Promise<Buffer | undefined> {
    const { limits: { headersMs }, url } = this.options;
    const headers = this.#headersOf(message);
    const because = "the server misses headers that the definition of a tool asks for";
    await this.handlers.onAsk?.({ message, because });
    const response = await this.post(message, { url, headers, headersMs, signal });
    const kind = this.kindOf(response);
    if (kind === "json") return await readWhole(response.body, this.reading);
    if (kind !== "events") return void response.body.destroy();
    let answer: Buffer | undefined;
    await this.#follow(response, {
      onMessage: (line) => void (answer ??= peekMessage(line).id === message.id ? line : undefined),
      onOversized: () => {},
      onInterrupted: () => {},
      isOver: () => answer !== undefined,
      resumable: false,
      signal,
    });
    return answer;
  }

  /** The stream of an answer; one of a session is read on if it breaks off or is closed. */
  async #readAnswer(call: Call, first: HttpResponse): Promise<void> {
    const outcome = await this.#follow(first, {
      onMessage: (line) => this.calls.deliver(line),
      onOversized: (excerpt) => {
        if (!this.calls.oversized(excerpt)) this.calls.fail(call, tooLarge(this.reading));
      },
      onInterrupted: (error) => this.debug("An answer of an MCP server broke off", error),
      isOver: () => call.isSettled,
      // Without a session there is nothing to go back to.
      resumable: !call.modern,
      signal: call.abort.signal,
    });
    if (call.isSettled || (outcome === "gone" && this.#lostSession())) return;
    if (outcome === "ended") return this.#awaitElsewhere(call);
    const limit = outcome instanceof RelayError && outcome.code === "LIMIT_EXCEEDED";
    throw limit ? outcome : new RelayError("UNREACHABLE", BROKEN_OFF);
  }

  /** The POST has brought no answer; a server of the older era may give it on its other stream. */
  #awaitElsewhere(call: Call): void {
    if (call.isSettled) return;
    if (call.modern || !this.#listening) this.calls.fail(call, NO_ANSWER);
    else call.waiting = true;
  }

  protected async notify(message: Outgoing): Promise<void> {
    const taken = await this.#tell(message);
    if (taken && message.method === "notifications/initialized") await this.#beginListening();
  }

  /**
   * Opens the stream of the session, and holds back what comes next until it is there: what a
   * server asks in the course of a call, it may ask on that stream, and forget when there is none.
   */
  async #beginListening(): Promise<void> {
    const tried = Promise.withResolvers<void>();
    const done = new AbortController();
    after(this.options.clock, LISTEN_MS, done.signal, tried.resolve);
    this.over.signal.addEventListener("abort", () => tried.resolve(), { signal: done.signal });
    void this.#listen(tried.resolve);
    await tried.promise;
    done.abort();
  }

  protected async reply(message: Outgoing): Promise<void> {
    await this.#tell(message);
  }

  protected async cancel(message: Outgoing): Promise<void> {
    const call = this.calls.find(idText(message.params?.member("requestId")));
    if (call === undefined) {
      // It is answered already, or something that only a server with a session knows.
      if (this.#sessionId !== undefined) await this.#tell(message);
      return;
    }
    if (!call.started || call.modern) {
      this.calls.answerCancelled(call);
      call.abort.abort();
      return;
    }
    await call.sent.promise;
    await this.#tell(message);
    if (call.message.method === "initialize") return;
    // Closing the stream alone would cancel nothing; now it gives the connection back.
    this.calls.settle(call);
    call.abort.abort();
  }

  /** Sends what has no answer of its own; true if the server has taken it. */
  #tell(message: Outgoing): Promise<boolean> {
    const told = this.#tellNow(message).finally(() => this.#told.delete(told));
    this.#told.add(told);
    return told;
  }

  async #tellNow(message: Outgoing): Promise<boolean> {
    const headers = this.#headersOf(message);
    const { url, limits: { takenMs } } = this.options;
    try {
      const signal = this.over.signal;
      const how = { url, headers, headersMs: takenMs, signal };
      const response = await this.tellServer(message, how);
      if (this.#isGone(response, headers)) return false;
      const taken = response.status >= 200 && response.status < 300;
      if (!taken) this.warn("An MCP server refused a message", `HTTP ${response.status}`);
      return taken;
    } catch (error) {
      if (!this.over.signal.aborted) this.warn("An MCP server did not take a message", error);
      return false;
    }
  }

  protected override learn(call: Call, line: Buffer): void {
    super.learn(call, line);
    if (!call.modern || call.message.method !== "tools/list") return;
    this.#tools.learn(resultOf(line)?.inner.get("tools"));
  }

  #adopt({ headers, body }: HttpResponse): void {
    const given = headers[SESSION_ID];
    const id = Array.isArray(given) ? given.join(",") : given;
    if (id !== undefined && !isSessionId(id)) {
      body.destroy();
      throw new RelayError("PROTOCOL", "the id of its session is none");
    }
    this.#sessionId = id;
    this.protocolVersion = undefined;
  }

  #legacyHeaders(): Record<string, string> {
    return legacyHeaders({ sessionId: this.#sessionId, protocolVersion: this.protocolVersion });
  }

  #headersOf(message: Outgoing): Record<string, string> {
    const accept = "application/json, text/event-stream";
    if (message.modern !== undefined) return { accept, ...modernHeaders(message, this.#tools) };
    // A new session begins without an old one.
    return message.method === "initialize" ? { accept } : { accept, ...this.#legacyHeaders() };
  }

  /** Reads the stream of the session, on which a server may say things that nobody asked for. */
  async #listen(onTried: () => void): Promise<void> {
    if (this.#listening || this.over.signal.aborted) return onTried();
    this.#listening = true;
    const outcome = await this.#follow(undefined, {
      onTried,
      onMessage: (line) => this.calls.deliver(line),
      onOversized: (excerpt) => {
        if (!this.calls.oversized(excerpt)) this.handlers.onOversized(excerpt);
      },
      onInterrupted: (error) => this.debug("The stream of an MCP server broke off", error),
      isOver: () => this.over.signal.aborted,
      resumable: true,
      signal: this.over.signal,
    });
    this.#listening = false;
    if (this.over.signal.aborted || (outcome === "gone" && this.#lostSession())) return;
    if (outcome instanceof RelayError && outcome.code === "LIMIT_EXCEEDED") {
      return this.exit(`was cut off: ${outcome.message}`);
    }
    for (const call of this.calls.all()) if (call.waiting) this.calls.fail(call, NO_ANSWER);
  }

  #follow(
    first: HttpResponse | undefined,
    { signal, resumable, onTried, ...following }: Following & {
      signal: AbortSignal;
      resumable: boolean;
      /** The stream was asked for, and is there or is not. */
      onTried?: () => void;
    },
  ): Promise<FollowOutcome> {
    const { clock, limits, url } = this.options;
    return follow(first, following, {
      clock,
      signal,
      resumable,
      resumes: limits.resumes,
      reading: this.reading,
      discarding: this.discarding,
      get: (more) => {
        const headers = { accept: "text/event-stream", ...this.#legacyHeaders(), ...more };
        return this.get({ url, headers, signal }).finally(onTried);
      },
    });
  }

  /** MCP: a server answers 404 to the id of a session that it knows no more. */
  #isGone({ status }: HttpResponse, sent: Record<string, string>): boolean {
    return status === 404 && sent[SESSION_ID] !== undefined && this.#lostSession();
  }

  /** True if there was a session, which is lost now. */
  #lostSession(): boolean {
    if (this.#sessionId === undefined) return false;
    this.exit("has ended the session");
    return true;
  }
}

/** How long a server may take to begin the stream of a session before calls go on without it. */
const LISTEN_MS = 2_000;

const BROKEN_OFF = "the connection broke off; whether the request was carried out is not known";
const NO_ANSWER = "it ended without an answer; whether the request was carried out is not known";
