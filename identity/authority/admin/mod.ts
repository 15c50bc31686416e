/** What an administrator can do, in the authority's process or at its socket. */
export { RESOURCE_KINDS } from "./admin.ts";
export type * from "./admin.ts";
export { adminClient, remoteAdminClient } from "./admin_client.ts";
export type { LocalAgent, OpenSession } from "./_local_agent.ts";
export { createAdmin } from "./create_admin.ts";
export { openAdmin } from "./open_admin.ts";
export type { AdminConnection, OpenAdminOptions } from "./open_admin.ts";
export { serveAdmin } from "./serve_admin.ts";
export type { AdminServer } from "./serve_admin.ts";
export { administer } from "./remote_admin.ts";
export { isRemote } from "./_permissions.ts";
export type { RemoteOperation } from "./_permissions.ts";
export { operationAnswers, operationSummaries } from "./_answers.ts";
export { operationSchemas } from "./_schemas.ts";
export { awaitEnds, summarizeOpen } from "./sessions.ts";
