/** What the gate asks of a policy; `AppPolicy` of `policy/` answers it. Nothing here can fail. */
export interface GatePolicy {
  /** Whether the principal reaches the app at all. */
  readonly access: Decision;
  /** Whether every tool is allowed, so that a method nobody knows cannot reach a denied one. */
  readonly toolsUnrestricted: boolean;
  decideTool(name: string): Decision;
  decideResource(uri: string): Decision;
  decidePrompt(name: string): Decision;
}

/** A verdict; whatever else it carries (the rule, the reason) goes to the audit log unread. */
export interface Decision {
  readonly effect: "allow" | "deny";
}
