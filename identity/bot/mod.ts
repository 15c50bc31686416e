/** tbot's engine: its configuration, and the loops that join, renew and write. */
export { keptBoundKey } from "./bound_keypair.ts";
export type { Connect } from "./bot_identity.ts";
export type {
  BotConfig,
  BotService,
  BotTrust,
  IdentityService,
  Onboarding,
  TunnelService,
} from "./config.ts";
export {
  DEFAULT_CREDENTIAL_TTL,
  DEFAULT_RENEWAL_INTERVAL,
  DEFAULT_STORAGE,
  MAX_CREDENTIAL_TTL,
} from "./config.ts";
export { drill } from "./drill.ts";
export type { DrillFinding, DrillOptions } from "./drill.ts";
export { botConfigSchema } from "./json_schema.ts";
export { type JoinUri, parseJoinUri } from "./join_uri.ts";
export { lockStorage } from "./lock.ts";
export { migrateBotConfig } from "./migrate.ts";
export type { Migrated } from "./migrate.ts";
export { OUTPUT_FILES } from "./output.ts";
export { parseBotConfig } from "./parse_config.ts";
export type { ConfigOverrides, ParsedConfig } from "./parse_config.ts";
export type { ConfigSource } from "./follow_config.ts";
export { createReload } from "./reload.ts";
export type { Reload } from "./reload.ts";
export { runBot } from "./run_bot.ts";
export type { RunBotOptions } from "./run_bot.ts";
export type { OpenTunnel, Tunnel } from "./tunnel.ts";
export { isLoopback } from "./_service_schemas.ts";
export { BotStatus } from "./status.ts";
export type { Iteration, ServiceStatus } from "./status.ts";
