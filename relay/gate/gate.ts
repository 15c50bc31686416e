/**
 * The one gate: every message between a client and a server passes here, whatever the transport
 * or the version of the protocol. A line is scanned strictly, judged by the policy as it is now,
 * and what was judged is what goes on: a message written anew, never the bytes that came. One
 * gate serves one session. It is a state machine without I/O, and it never throws.
 */
import { asId, type Excerpt, excerptId } from "../wire/excerpt.ts";
import { peekMessage } from "../wire/peek.ts";
import { errorReply, type Refusal } from "../wire/refusal.ts";
import { type RequestMessage, scanMessage } from "../wire/scanner.ts";
import { type Again, judgeAgain } from "./_again.ts";
import { clientNotification, clientRequest, clientResponse } from "./_client_side.ts";
import { Definitions } from "./_definition.ts";
import { EarlyNotices } from "./_early_notices.ts";
import { invalidFromClient, invalidFromServer } from "./_invalid.ts";
import { Hints } from "./_hints.ts";
import type { Context } from "./_judge.ts";
import { judgeLate } from "./_late.ts";
import { listChanged, Listed } from "./_listed.ts";
import { Pending } from "./_pending.ts";
import {
  serverNotification,
  serverRequest,
  serverResponse,
  strangersNotices,
} from "./_server_side.ts";
import type { State } from "./_state.ts";
import * as step from "./_steps.ts";
import { GATE_LIMITS, type GateLimits } from "./limits.ts";
import type { GatePolicy } from "./policy.ts";
import type { GateRecord, GateStep, PolicyStep, Side } from "./step.ts";
import { TaskRegistry } from "./tasks.ts";

export interface GateOptions {
  /** The policy as it is now; asked anew for each message. */
  readonly policy: () => GatePolicy;
  readonly newDecisionId: () => string;
  readonly limits?: GateLimits;
  /** Takes one call of a tool from a rate; returns the milliseconds to wait when it is used up. */
  readonly takeCall?: ((tool: string) => number | undefined) | undefined;
  /** Shared by all sessions of one app; without it, tasks belong to this session alone. */
  readonly tasks?: TaskRegistry;
  /** Whose tasks are whose: the same for each session of one bot instance. */
  readonly owner?: string;
}

export class Gate {
  readonly #policy: () => GatePolicy;
  readonly #tasks: TaskRegistry;
  readonly #owner: string;
  readonly #definitions: Definitions;
  readonly #hints: Hints;
  readonly #state: State;
  readonly #maxDepth: number;

  constructor(options: GateOptions) {
    const { policy, newDecisionId, limits = GATE_LIMITS, tasks, owner = "", takeCall } = options;
    this.#policy = policy;
    this.#tasks = tasks ?? new TaskRegistry(limits.tasks);
    this.#owner = owner;
    this.#maxDepth = limits.messageDepth;
    this.#definitions = new Definitions(limits);
    this.#hints = new Hints(limits);
    this.#state = {
      fromClient: new Pending(limits.clientRequests, limits.cancelled),
      fromServer: new Pending(limits.serverRequests, limits.cancelled),
      listed: new Listed(limits),
      early: new EarlyNotices(),
      newDecisionId,
      takeCall,
      modern: false,
    };
  }

  /** A line from the client, without its line end. */
  fromClient(line: Uint8Array): GateStep {
    const context = this.#context();
    const scan = scanMessage(line, this.#maxDepth);
    if (!scan.ok) return invalidFromClient(this.#state, scan.refusal, line.length);
    const { message } = scan;
    if (context.policy.access.effect === "deny") {
      return this.#accessLost(message.kind === "request" ? message : undefined, line.length);
    }
    switch (message.kind) {
      case "request":
        return clientRequest(this.#state, message, context, line.length);
      case "notification":
        return clientNotification(this.#state, message, context, line.length);
      default:
        return clientResponse(this.#state, message, context, line.length);
    }
  }

  /** A line from the server, without its line end. */
  fromServer(line: Uint8Array): GateStep {
    const context = this.#context();
    if (context.policy.access.effect === "deny") return this.#accessLost(undefined, line.length);
    const scan = scanMessage(line, this.#maxDepth);
    if (!scan.ok) {
      return invalidFromServer(this.#state, withPeekedId(scan.refusal, line), line.length);
    }
    const { message } = scan;
    switch (message.kind) {
      case "request":
        return serverRequest(this.#state, message, context, line.length);
      case "notification":
        return serverNotification(this.#state, message, context, line.length);
      default:
        return serverResponse(this.#state, message, context, line.length);
    }
  }

  /** A line that was too long to keep; its two ends may still tell whose it was. */
  oversized(from: Side, excerpt: Excerpt): GateStep {
    const refusal: Refusal = {
      code: -32600,
      reason: "too_large",
      message: "The message is too large",
      id: excerptId(excerpt),
      method: undefined,
      reply: from === "client" || peekMessage(excerpt.head).method !== undefined,
    };
    return from === "client"
      ? invalidFromClient(this.#state, refusal, excerpt.bytes)
      : invalidFromServer(this.#state, refusal, excerpt.bytes);
  }

  /** Roles, traits, locks or labels have changed: what does the client have to hear? */
  policyChanged(): PolicyStep {
    const context = this.#context();
    if (context.policy.access.effect === "deny") {
      const waiting = this.#state.fromClient.drain();
      return {
        messages: waiting.map(({ id }) =>
          errorReply(id, step.NO_ACCESS.code, step.NO_ACCESS.message)
        ),
        records: waiting.map((request) => step.ended(request, "refused", "access_denied")),
        close: step.ACCESS_LOST,
      };
    }
    const messages: Uint8Array[] = [];
    for (const kind of this.#state.listed.changed(context)) {
      messages.push(...listChanged(kind, this.#state.modern, this.#state.fromClient.entries()));
    }
    return { messages, records: [] };
  }

  /**
   * A message that this gate has let pass, by the record made then, and that could not be handed
   * over before something changed: as it may be shown now.
   */
  again(bytes: Uint8Array, record: GateRecord): Again {
    return judgeAgain({ bytes, record, modern: this.#state.modern }, this.#context());
  }

  /**
   * A message of the client that this gate has let pass, and that has had to wait while something
   * changed: what is done in place of passing it on, if it may not go any more.
   */
  late(bytes: Uint8Array, record: GateRecord): GateStep | undefined {
    return judgeLate(this.#state, { bytes, record }, this.#context());
  }

  /** The session is over: what was still waiting will have no answer. */
  end(): readonly GateRecord[] {
    const waiting = this.#state.fromClient.drain();
    return [
      ...strangersNotices(this.#state),
      ...waiting.map((request) => step.ended(request, "dropped", "session_ended")),
    ];
  }

  /** Bytes of messages that wait here until they can be judged. */
  get held(): number {
    return this.#state.early.bytes;
  }

  #context(): Context {
    return {
      policy: this.#policy(),
      tasks: this.#tasks,
      owner: this.#owner,
      definitions: this.#definitions,
      hints: this.#hints,
    };
  }

  /** Access ended between two messages: the sender hears it if it asked something. */
  #accessLost(request: RequestMessage | undefined, bytes: number): GateStep {
    if (request === undefined || this.#state.fromClient.has(request.id)) {
      return { records: [], close: step.ACCESS_LOST };
    }
    const record: GateRecord = {
      ...step.requestRecord("client", request, bytes),
      decision: this.#policy().access,
      decisionId: this.#state.newDecisionId(),
      reason: "access_denied",
    };
    return { ...step.refuse(request.id, step.NO_ACCESS, record), close: step.ACCESS_LOST };
  }
}

/**
 * A broken answer of the server may still show whose it was; the client then hears of a failure
 * instead of waiting for ever. At worst it hears of one that was none, never of a false success.
 */
function withPeekedId(refusal: Refusal, line: Uint8Array): Refusal {
  if (refusal.reason !== "not_json") return refusal;
  const { id, method } = peekMessage(line);
  return method === undefined ? { ...refusal, id: asId(id), reply: false } : refusal;
}
