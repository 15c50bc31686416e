/** What a session begins with. */
import type { Redactor } from "../../identity/audit/mod.ts";
import type {
  App,
  AppLimits,
  AuditSink,
  Clock,
  ClusterView,
  Log,
  Principal,
} from "../../identity/mod.ts";
import type { TaskRegistry } from "../gate/tasks.ts";
import type { SessionObserver } from "../telemetry/observer.ts";
import type { Channel } from "../wire/channel.ts";
import type { Hello } from "../wire/handshake.ts";
import type { Admission, Verdict } from "./admission.ts";
import type { CallRates } from "./call_rate.ts";
import type { Egress } from "./egress.ts";
import type { ToldDefinitions } from "./told_definitions.ts";
import type { Unreached } from "./unreached.ts";
import type { Upstream, UpstreamHandlers } from "./upstream/upstream.ts";

/** A connection of a session, and what was proved and said on it. */
export interface Connection {
  readonly admission: Admission;
  readonly verdict: Extract<Verdict, { kind: "allowed" }>;
  readonly address: string;
  readonly hello: Hello;
  readonly channel: Channel;
}

export interface SessionOptions {
  readonly view: ClusterView;
  readonly audit: AuditSink;
  readonly redactor?: Redactor | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly tasks: TaskRegistry;
  readonly told: ToldDefinitions;
  readonly limits: AppLimits;
  readonly rates: CallRates;
  readonly observer?: SessionObserver | undefined;
  /** The sessions of this agent whose bridge is away. */
  readonly unreached: Unreached;
  /** How the server is reached, for the audit log. */
  readonly egress: (app: App, principal: Principal) => Egress;
  /** `admitted` is who the caller is at any time: a resume may bring another certificate. */
  readonly startUpstream: (
    app: App,
    handlers: UpstreamHandlers,
    admitted: () => Admission,
  ) => Promise<Upstream>;
}
