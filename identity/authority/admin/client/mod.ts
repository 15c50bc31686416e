/** The administration as tctl finds it; light to load while an authority runs. */
export { openAdmin } from "../open_admin.ts";
export type { AdminConnection, OpenAdminOptions } from "../open_admin.ts";
export { remoteAdminClient } from "../admin_client.ts";
