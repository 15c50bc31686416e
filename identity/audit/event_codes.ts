/**
 * Every event that can be in an audit log, with its codes. Names and codes are the original's where
 * it has such events; codes that begin with `P` are ours. `docs/audit.md` explains them, and a
 * scenario sees each of them recorded.
 */
export const EVENT_CODES = {
  "app.create": ["TAP03I"],
  "app.delete": ["TAP05I"],
  "app.update": ["TAP04I"],
  "audit.gap": ["PAU001W"],
  "auth": ["T3007W"],
  "bot.create": ["TB001I"],
  "bot.delete": ["TB003I"],
  "bot.generation_adopted": ["PBG001W"],
  "bot.generation_mismatch": ["TCB00W"],
  "bot.join": ["TJ001I", "TJ001E"],
  "bot.update": ["TB002I"],
  "bot_instance.delete": ["PBI01I"],
  "cert.create": ["TC000I"],
  "cert_authority.rotate": ["PCA01I"],
  "host.app_refused": ["PHO02W"],
  "host.delete": ["PHO01I"],
  "instance.join": ["TJ002I", "TJ002E"],
  "join_token.bound_keypair.join_state_verification_failed": ["PBK03W"],
  "join_token.bound_keypair.recovery": ["PBK01I"],
  "join_token.bound_keypair.rotation": ["PBK02I"],
  "join_token.create": ["TJT00I"],
  "join_token.delete": ["PJT01I"],
  "lock.created": ["TLK00I"],
  "lock.deleted": ["TLK01I"],
  "mcp.agent.request": ["PMCP004I"],
  "mcp.session.end": ["TMCP002I"],
  "mcp.session.listen_sse_stream": ["TMCP005I", "TMCP005E"],
  "mcp.session.notification": ["TMCP004I", "TMCP004E"],
  "mcp.session.request": ["TMCP003I", "TMCP003E"],
  "mcp.session.response": ["PMCP001I", "PMCP001E"],
  "mcp.session.resume": ["PMCP003I"],
  "mcp.session.server_message": ["PMCP002E"],
  "mcp.session.start": ["TMCP001I", "TMCP001E"],
  "mcp.tool.approved": ["PMT01I"],
  "mcp.tool.revoked": ["PMT02I"],
  "mcp.tool.withheld": ["PMT03W"],
  "role.created": ["T9000I"],
  "role.deleted": ["T9001I"],
  "role.updated": ["T9002I"],
  "store.backup": ["PST01I"],
  "store.restored": ["PST02W"],
} as const;

export type EventType = keyof typeof EVENT_CODES;

/** The codes of one type, or of all. */
export type EventCode<Type extends EventType = EventType> = (typeof EVENT_CODES)[Type][number];
