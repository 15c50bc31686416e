/**
 * Postern as a library: compile and ask a policy, read an identity file, open a bridge.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { compilePolicy, describeDecision, parseRole } from "@postern/postern";
 *
 * const role = parseRole(
 *   `
 * kind: role
 * version: v8
 * metadata: { name: reader }
 * spec:
 *   allow:
 *     app_labels: { env: dev }
 *     mcp: { tools: ["read_*"] }
 * `,
 *   "reader.yaml",
 * );
 * const bot = { name: "example", traits: {} };
 * const app = { name: "files", labels: { env: "dev" } };
 * const policy = compilePolicy([role], bot, app);
 *
 * assert.equal(policy.decideTool("read_file").effect, "allow");
 * assert.equal(
 *   describeDecision(policy.decideTool("write_file")),
 *   "Denied: no role allows it",
 * );
 * ```
 *
 * @module
 */
export {
  compilePolicy,
  describeDecision,
  formatProblem,
  parseRole,
  parseRoles,
  PolicyError,
} from "./policy/mod.ts";
export type {
  AppFacts,
  AppPolicy,
  Decision,
  ParsedRoles,
  PolicyErrorCode,
  Position,
  Problem,
  Role,
  RoleOptions,
  RuleRef,
  Subject,
  ToolCall,
  Traits,
} from "./policy/mod.ts";
export {
  checkIdentity,
  connectAuthority,
  identityCluster,
  IdentityError,
  identityExpiry,
  parseIdentityFile,
  readIdentityFile,
  silentLog,
  VERSION,
} from "./identity/mod.ts";
export type {
  AppList,
  AuthorityClient,
  ConnectOptions,
  IdentityErrorCode,
  IdentityFile,
  ListedApp,
  Log,
  LogFields,
  Trust,
} from "./identity/mod.ts";
export { RelayError, runBridge } from "./relay/mod.ts";
export type { BridgeOptions, BridgeSettings, RelayErrorCode } from "./relay/mod.ts";
