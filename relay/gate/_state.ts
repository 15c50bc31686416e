import type { MessageId } from "../wire/refusal.ts";
import type { EarlyNotices } from "./_early_notices.ts";
import type { Listed } from "./_listed.ts";
import type { Pending } from "./_pending.ts";
import type { Target, TargetKind } from "./step.ts";

/** What a gate remembers of its session. */
export interface State {
  readonly fromClient: Pending<ClientRequest>;
  readonly fromServer: Pending<ServerRequest>;
  readonly listed: Listed;
  readonly early: EarlyNotices;
  readonly newDecisionId: () => string;
  readonly takeCall: ((tool: string) => number | undefined) | undefined;
  /** Whether the client has spoken the modern protocol, where notices go to subscriptions. */
  modern: boolean;
}

/** A request of the client that waits for the server. */
export interface ClientRequest {
  readonly id: MessageId;
  readonly method: string;
  readonly decisionId: string;
  /** Whether it speaks the modern protocol. */
  readonly modern: boolean;
  readonly target?: Target;
  /** For subscriptions/listen: the kinds of lists of whose changes it asked to hear. */
  readonly listens?: ReadonlySet<TargetKind>;
}

/** A request of the server that waits for the client. */
export interface ServerRequest {
  readonly id: MessageId;
  readonly method: string;
}
