/**
 * What each event of the audit log has to say, as data. A field that ends in `?` is not in every
 * record of its code, but in one at least; `a/b` is the member `b` of the field `a`.
 */
import type { EventType } from "../../identity/audit/mod.ts";

export interface EventFields {
  readonly code: string;
  readonly fields: string;
}

/** In every record. */
export const EVERYWHERE = "type code time uid cluster_name chain/seq chain/prev";

/** In every event of a session; the authority knows no `sid` of a session that it refuses. */
export const SESSION = "sid? user user_kind with_mfa private_key_policy user_roles bot_name " +
  "bot_instance_id app_name app_uri?";

const BOT = "user user_kind bot_name bot_instance_id";
const SENT = "headers? from message/jsonrpc bytes status/success";
const ADMIN = "name user";

export const EVENTS: Readonly<Record<EventType, readonly EventFields[]>> = {
  "mcp.session.start": [
    {
      code: "TMCP001I",
      fields: "addr.remote client bot_traits app_labels ingress_auth_type egress_auth_type " +
        "client_info/name server_info/name protocol_version mcp_session_id? headers? " +
        "status/success",
    },
    { code: "TMCP001E", fields: "addr.remote status/error status/reason" },
  ],
  "mcp.session.request": [
    { code: "TMCP003I", fields: `${SENT} decision_id decision? tool? message/params` },
    { code: "TMCP003E", fields: `${SENT} decision_id decision? tool? status/reason status/error` },
  ],
  "mcp.session.notification": [
    { code: "TMCP004I", fields: `${SENT} message/method` },
    { code: "TMCP004E", fields: `${SENT} message/method status/reason` },
  ],
  "mcp.session.response": [
    {
      code: "PMCP001I",
      fields: "from decision_id tool? message/method bytes latency_ms status/success",
    },
    {
      code: "PMCP001E",
      fields: "from decision_id tool? message/method bytes latency_ms status/error " +
        "status/error_code",
    },
  ],
  "mcp.session.server_message": [
    { code: "PMCP002E", fields: "from message/method bytes status/reason" },
  ],
  "mcp.session.listen_sse_stream": [
    { code: "TMCP005I", fields: "headers resumed status/success" },
    { code: "TMCP005E", fields: "headers resumed status/error" },
  ],
  "mcp.session.end": [
    { code: "TMCP002I", fields: "addr.remote duration_ms counts/requests status/reason" },
  ],
  "mcp.session.resume": [{ code: "PMCP003I", fields: "addr.remote resumed_by status/success" }],
  "mcp.agent.request": [
    {
      code: "PMCP004I",
      fields: "app_name app_uri from because message/method bytes status/success",
    },
  ],
  "mcp.tool.withheld": [{ code: "PMT03W", fields: "tool sha256 decision/by" }],
  "mcp.tool.approved": [{ code: "PMT01I", fields: `${ADMIN} app_name tool sha256` }],
  "mcp.tool.revoked": [{ code: "PMT02I", fields: `${ADMIN} app_name tool sha256` }],
  "bot.join": [
    { code: "TJ001I", fields: `${BOT} method token_name success addr.remote attributes?` },
    { code: "TJ001E", fields: "method success error addr.remote bot_name? token_name?" },
  ],
  "bot.generation_mismatch": [
    { code: "TCB00W", fields: `${BOT} certificate_generation stored_generation` },
  ],
  "bot.generation_adopted": [
    { code: "PBG001W", fields: `${BOT} certificate_generation stored_generation` },
  ],
  auth: [
    {
      code: "T3007W",
      fields: "user? user_kind? bot_name? bot_instance_id? host_id? spiffe_id cert_kind success " +
        "error reason addr.remote",
    },
  ],
  "cert.create": [
    {
      code: "TC000I",
      fields: "cert_type serial_number identity/user identity/expires user? user_kind? " +
        "bot_name? bot_instance_id?",
    },
  ],
  "bot.create": [{ code: "TB001I", fields: `${ADMIN} roles` }],
  "bot.update": [{ code: "TB002I", fields: `${ADMIN} roles` }],
  "bot.delete": [{ code: "TB003I", fields: ADMIN }],
  "cert_authority.rotate": [{ code: "PCA01I", fields: "user ca_type phase mode" }],
  "bot_instance.delete": [{ code: "PBI01I", fields: ADMIN }],
  "store.backup": [{ code: "PST01I", fields: `${ADMIN} bytes` }],
  "store.restored": [{ code: "PST02W", fields: "restored_at epoch locks_kept tokens_void" }],
  "role.created": [{ code: "T9000I", fields: ADMIN }],
  "role.updated": [{ code: "T9002I", fields: ADMIN }],
  "role.deleted": [{ code: "T9001I", fields: ADMIN }],
  "join_token.bound_keypair.recovery": [
    { code: "PBK01I", fields: `${BOT} token_name recovery_count recovery_mode` },
  ],
  "join_token.bound_keypair.rotation": [
    { code: "PBK02I", fields: `${BOT} token_name public_key` },
  ],
  "join_token.bound_keypair.join_state_verification_failed": [
    { code: "PBK03W", fields: `${BOT} token_name success error` },
  ],
  "join_token.create": [
    { code: "TJT00I", fields: `${ADMIN} bot_name? expires? roles join_method apps?` },
  ],
  "join_token.delete": [{ code: "PJT01I", fields: `${ADMIN} bot_name?` }],
  "instance.join": [
    {
      code: "TJ002I",
      fields: "host_id host_name role method token_name success addr.remote",
    },
    { code: "TJ002E", fields: "host_name role method success error addr.remote" },
  ],
  "host.delete": [{ code: "PHO01I", fields: ADMIN }],
  "host.app_refused": [{ code: "PHO02W", fields: "host_id host_name app_name reason" }],
  "app.create": [{ code: "TAP03I", fields: `${ADMIN} app_uri app_labels` }],
  "app.update": [{ code: "TAP04I", fields: `${ADMIN} app_uri app_labels` }],
  "app.delete": [{ code: "TAP05I", fields: ADMIN }],
  "lock.created": [{ code: "TLK00I", fields: `${ADMIN} target message expires?` }],
  "lock.deleted": [{ code: "TLK01I", fields: ADMIN }],
  "audit.gap": [{ code: "PAU001W", fields: "missing/from missing/to" }],
};
