/**
 * The one gate: every message between a client and a server passes here, whatever the transport
 * or the version of the protocol. A line is scanned strictly, judged by the policy as it is now,
 * and what was judged is what goes on: a message written anew, never the bytes that came. One
 * gate serves one session. It is a state machine without I/O, and it never throws.
 */
import { errorReply, type Refusal } from "../wire/refusal.ts";
import {
  type ErrorMessage,
  messageId,
  type NotificationMessage,
  plainName,
  type RequestMessage,
  type ResultMessage,
  scanMessage,
} from "../wire/scanner.ts";
import { type Context, decide, deniedContent, judgeRequest } from "./_judge.ts";
import { listChanged, Listed } from "./_listed.ts";
import { type Excerpt, excerptId } from "./_oversized.ts";
import { type ClientRequest, Pending, type ServerRequest } from "./_pending.ts";
import { type Reviewed, reviewResult, reviewSampling } from "./_results.ts";
import * as step from "./_steps.ts";
import { GATE_LIMITS, type GateLimits } from "./limits.ts";
import {
  CLIENT_NOTIFICATIONS,
  CLIENT_REQUESTS,
  META_PROTOCOL_VERSION,
  SERVER_NOTIFICATIONS,
  SERVER_REQUESTS,
} from "./methods.ts";
import type { GatePolicy } from "./policy.ts";
import type { GateRecord, GateStep, PolicyStep, Side, Target } from "./step.ts";
import { TaskRegistry } from "./tasks.ts";

export interface GateOptions {
  /** The policy as it is now; asked anew for each message. */
  readonly policy: () => GatePolicy;
  readonly newDecisionId: () => string;
  readonly limits?: GateLimits;
  /** Shared by all sessions of one app; without it, tasks belong to this session alone. */
  readonly tasks?: TaskRegistry;
  /** Whose tasks are whose: the same for each session of one bot instance. */
  readonly owner?: string;
}

export class Gate {
  readonly #policy: () => GatePolicy;
  readonly #newDecisionId: () => string;
  readonly #tasks: TaskRegistry;
  readonly #owner: string;
  readonly #fromClient: Pending<ClientRequest>;
  readonly #fromServer: Pending<ServerRequest>;
  readonly #listed: Listed;
  /** Whether the client has spoken the modern protocol, where notices go to subscriptions. */
  #modern = false;

  constructor({ policy, newDecisionId, limits = GATE_LIMITS, tasks, owner = "" }: GateOptions) {
    this.#policy = policy;
    this.#newDecisionId = newDecisionId;
    this.#tasks = tasks ?? new TaskRegistry(limits.tasks);
    this.#owner = owner;
    this.#fromClient = new Pending(limits.clientRequests, limits.cancelled);
    this.#fromServer = new Pending(limits.serverRequests, limits.cancelled);
    this.#listed = new Listed(limits.listedNames);
  }

  /** A line from the client, without its line end. */
  fromClient(line: Uint8Array): GateStep {
    const context = this.#context();
    const scan = scanMessage(line);
    if (!scan.ok) return this.#invalidFromClient(scan.refusal, line.length);
    const { message } = scan;
    if (context.policy.access.effect === "deny") {
      return this.#accessLost(message.kind === "request" ? message : undefined, line.length);
    }
    switch (message.kind) {
      case "request":
        return this.#clientRequest(message, context, line.length);
      case "notification":
        return this.#clientNotification(message, context, line.length);
      default:
        return this.#clientResponse(message, context, line.length);
    }
  }

  /** A line from the server, without its line end. */
  fromServer(line: Uint8Array): GateStep {
    const context = this.#context();
    const scan = scanMessage(line);
    if (!scan.ok) return this.#invalidFromServer(scan.refusal, line.length);
    if (context.policy.access.effect === "deny") return this.#accessLost(undefined, line.length);
    const { message } = scan;
    switch (message.kind) {
      case "request":
        return this.#serverRequest(message, context, line.length);
      case "notification":
        return this.#serverNotification(message, context, line.length);
      default:
        return this.#serverResponse(message, context, line.length);
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
      reply: from === "client",
    };
    return from === "client"
      ? this.#invalidFromClient(refusal, excerpt.bytes)
      : this.#invalidFromServer(refusal, excerpt.bytes);
  }

  /** Roles, traits, locks or labels have changed: what does the client have to hear? */
  policyChanged(): PolicyStep {
    const context = this.#context();
    if (context.policy.access.effect === "deny") {
      const waiting = this.#fromClient.drain();
      return {
        messages: waiting.map(({ id }) =>
          errorReply(id, step.NO_ACCESS.code, step.NO_ACCESS.message)
        ),
        records: waiting.map((request) => step.ended(request, "refused", "access_denied")),
        close: step.ACCESS_LOST,
      };
    }
    const messages: Uint8Array[] = [];
    for (const kind of this.#listed.changed(context)) {
      messages.push(...listChanged(kind, this.#modern, this.#fromClient.entries()));
    }
    return { messages, records: [] };
  }

  /** The session is over: what was still waiting will have no answer. */
  end(): readonly GateRecord[] {
    return this.#fromClient.drain().map((request) =>
      step.ended(request, "dropped", "session_ended")
    );
  }

  #context(): Context {
    return { policy: this.#policy(), tasks: this.#tasks, owner: this.#owner };
  }

  #clientRequest(message: RequestMessage, context: Context, bytes: number): GateStep {
    const { id, method } = message;
    const record = step.requestRecord("client", message, bytes);
    // Two answers under one id could not be told apart, so the second request gets none, not even
    // a refusal: that would answer the first.
    if (this.#fromClient.has(id)) {
      return { records: [{ ...record, outcome: "dropped", reason: "duplicate_id" }] };
    }
    const decisionId = this.#newDecisionId();
    if (this.#fromClient.full) {
      return step.refuse(id, step.BUSY, { ...record, decisionId, reason: "in_flight_limit" });
    }
    const judged = judgeRequest(message, context, decisionId);
    const { decision, target } = judged;
    const judgedRecord = {
      ...record,
      decisionId,
      ...(decision && { decision }),
      ...(target && { target }),
    };
    if (!judged.pass) {
      return step.refuse(id, judged.error, { ...judgedRecord, reason: judged.reason });
    }
    const notifications = message.inner.get("notifications");
    const modern = message.inner.get("_meta")?.member(META_PROTOCOL_VERSION) !== undefined;
    this.#modern ||= modern;
    this.#fromClient.add(id, {
      id,
      method,
      decisionId,
      modern,
      ...(target && { target }),
      ...(method === "subscriptions/listen" && notifications && { notifications }),
    });
    return { forward: message.bytes, records: [{ ...judgedRecord, outcome: "forwarded" }] };
  }

  #clientNotification(message: NotificationMessage, context: Context, bytes: number): GateStep {
    const { method } = message;
    const record = step.notificationRecord("client", message, bytes);
    // Some servers run a request without id all the same; nobody would see the answer.
    if (CLIENT_REQUESTS.has(method)) return step.drop(record, "missing_id");
    if (!CLIENT_NOTIFICATIONS.has(method) && !context.policy.toolsUnrestricted) {
      return step.drop(record, "unknown_method");
    }
    if (method !== "notifications/cancelled") return step.pass(message.bytes, record);
    const id = messageId(message.inner.get("requestId"));
    if (id === undefined && message.inner.has("requestId")) return step.drop(record, "bad_params");
    const cancelled = id && this.#fromClient.cancel(id);
    if (cancelled === "full") {
      return { ...step.drop(record, "in_flight_limit"), close: step.TOO_MANY };
    }
    return {
      forward: message.bytes,
      records: [
        record,
        ...(cancelled === undefined ? [] : [step.ended(cancelled, "dropped", "cancelled")]),
      ],
    };
  }

  #clientResponse(
    message: ResultMessage | ErrorMessage,
    context: Context,
    bytes: number,
  ): GateStep {
    const request = message.id && this.#fromServer.settle(message.id);
    const record = step.responseRecord("client", message, bytes);
    if (request === undefined) return step.drop(record, "unsolicited");
    if (request === "cancelled") return step.drop(record, "cancelled");
    const known = { ...record, method: request.method };
    if (message.kind === "error") return step.pass(message.bytes, known);
    const denied = deniedContent(message.inner.get("content"), context);
    if (denied === undefined) return step.pass(message.bytes, known);
    const { error, reason, decision, target } = denied;
    return {
      // The server learns that there is no answer, instead of one that it must not act on.
      forward: errorReply(message.id, error.code, error.message, error.data),
      records: [{
        ...known,
        outcome: "refused",
        reason,
        error,
        ...(decision && { decision }),
        ...(target && { target }),
      }],
    };
  }

  #serverRequest(message: RequestMessage, context: Context, bytes: number): GateStep {
    const { id, method } = message;
    const record = step.requestRecord("server", message, bytes);
    if (this.#fromServer.has(id)) return step.drop(record, "duplicate_id");
    if (this.#fromServer.full) {
      return step.refuse(id, step.BUSY, { ...record, reason: "in_flight_limit" });
    }
    if (!SERVER_REQUESTS.has(method) && !context.policy.toolsUnrestricted) {
      return step.refuse(id, step.UNKNOWN_METHOD, { ...record, reason: "unknown_method" });
    }
    const reviewed: Reviewed = method === "sampling/createMessage"
      ? reviewSampling(message, context)
      : { pass: true, bytes: message.bytes, hidden: 0, listed: [] };
    if (!reviewed.pass) {
      return step.refuse(id, reviewed.error, { ...record, reason: reviewed.reason });
    }
    this.#fromServer.add(id, { id, method });
    return step.pass(reviewed.bytes, step.withHidden(record, reviewed.hidden));
  }

  #serverNotification(message: NotificationMessage, context: Context, bytes: number): GateStep {
    const { method, inner } = message;
    const record = step.notificationRecord("server", message, bytes);
    const rule = SERVER_NOTIFICATIONS.get(method);
    if (rule === undefined) {
      return context.policy.toolsUnrestricted
        ? step.pass(message.bytes, record)
        : step.drop(record, "unknown_method");
    }
    if (rule !== "open") {
      const name = plainName(inner.get(rule === "resource" ? "uri" : "taskId"));
      if (name === undefined) return step.drop(record, "bad_params");
      const target: Target = { kind: rule, name };
      const decision = decide(target, context);
      const judged = { ...record, target, decision };
      return decision.effect === "allow"
        ? step.pass(message.bytes, judged)
        : step.drop(judged, "denied");
    }
    if (method === "notifications/cancelled") return this.#serverCancelled(message, record);
    return step.pass(message.bytes, record);
  }

  /** The server withdraws a request of its own or, in the modern era, ends a subscription. */
  #serverCancelled(message: NotificationMessage, record: GateRecord): GateStep {
    const id = messageId(message.inner.get("requestId"));
    if (id === undefined) return step.drop(record, "bad_params");
    const listens = this.#fromClient.get(id)?.method === "subscriptions/listen";
    const cancelled = listens ? this.#fromClient.cancel(id) : this.#fromServer.cancel(id);
    if (cancelled === "full") {
      return { ...step.drop(record, "in_flight_limit"), close: step.TOO_MANY };
    }
    return step.pass(message.bytes, record);
  }

  #serverResponse(
    message: ResultMessage | ErrorMessage,
    context: Context,
    bytes: number,
  ): GateStep {
    const request = message.id && this.#fromClient.settle(message.id);
    const record = step.responseRecord("server", message, bytes);
    if (request === undefined) return step.drop(record, "unsolicited");
    if (request === "cancelled") return step.drop(record, "cancelled");
    const known = { ...record, ...step.about(request) };
    if (message.kind === "error") return step.pass(message.bytes, known);
    const reviewed = reviewResult(message, request, context);
    if (!reviewed.pass) return step.answerInstead(request, reviewed.error, known, reviewed.reason);
    this.#listed.note(reviewed.listed, context);
    return step.pass(reviewed.bytes, step.withHidden(known, reviewed.hidden));
  }

  #invalidFromClient(refusal: Refusal, bytes: number): GateStep {
    const record = step.invalidRecord("client", refusal, bytes);
    const { id, code, message } = refusal;
    // Never an error under an id that a request in flight has: it would pass for its answer.
    if (!refusal.reply || (id !== undefined && this.#fromClient.has(id))) {
      return step.drop(record, refusal.reason);
    }
    return step.refuse(id, { code, message }, { ...record, reason: refusal.reason });
  }

  #invalidFromServer(refusal: Refusal, bytes: number): GateStep {
    const record = step.invalidRecord("server", refusal, bytes);
    const { id, code, message } = refusal;
    if (id === undefined) return step.drop(record, refusal.reason);
    if (refusal.method !== undefined) {
      if (this.#fromServer.has(id)) return step.drop(record, refusal.reason);
      return step.refuse(id, { code, message }, { ...record, reason: refusal.reason });
    }
    const request = this.#fromClient.settle(id);
    if (request === undefined || request === "cancelled") return step.drop(record, refusal.reason);
    const error = { code: -32603, message: `The server's answer cannot be passed on: ${message}` };
    return step.answerInstead(
      request,
      error,
      { ...record, ...step.about(request) },
      refusal.reason,
    );
  }

  /** Access ended between two messages: the sender hears it if it asked something. */
  #accessLost(request: RequestMessage | undefined, bytes: number): GateStep {
    if (request === undefined || this.#fromClient.has(request.id)) {
      return { records: [], close: step.ACCESS_LOST };
    }
    const record: GateRecord = {
      ...step.requestRecord("client", request, bytes),
      decision: this.#policy().access,
      decisionId: this.#newDecisionId(),
      reason: "access_denied",
    };
    return { ...step.refuse(request.id, step.NO_ACCESS, record), close: step.ACCESS_LOST };
  }
}
