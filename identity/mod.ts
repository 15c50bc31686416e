/**
 * Keys and certificates, and how machines win and keep them. Only what is light to load is here;
 * certificates, the authority and tbot's engine have doors of their own in their folders.
 */
export { appTransport, DEMO_APP, serverUrl } from "./app.ts";
export type {
  App,
  AppTransport,
  DynamicLabel,
  HeaderFrom,
  JwtClaims,
  ListedTool,
  McpServer,
  Rewrite,
  ServerTool,
  ValueSource,
} from "./app.ts";
export { APP_TOKEN_SECONDS } from "./app_token.ts";
export type { AppToken, AppTokenRequest, SignAppToken } from "./app_token.ts";
export type { AuditEvent, AuditSink, EventDraft, EventJson } from "./audit/event.ts";
export type { AppList, ListedApp, SessionGrant } from "./authority/api.ts";
export { connectAuthority, parseProxy } from "./authority/client.ts";
export type { AuthorityClient, ConnectOptions, Trust } from "./authority/client.ts";
export type { ClusterView, Locked, News, Standing } from "./authority/view.ts";
export { UNSUPPORTED_SERVICES, unsupportedService } from "./bot/unsupported.ts";
export { systemClock } from "./clock.ts";
export { watchClock } from "./watch_clock.ts";
export type { OpenSession } from "./authority/admin/_local_agent.ts";
export { type AppLimits, DEFAULT_APP_LIMITS } from "./limits.ts";
export type { Clock } from "./clock.ts";
export { formatDuration, parseDuration } from "./duration.ts";
export { IdentityError } from "./error.ts";
export { FORWARDED_BYTES, FORWARDED_MAGIC, forwardedHeader } from "./forwarded.ts";
export { SourceLimit, sourceOf } from "./source_limit.ts";
export type { SourceLimits } from "./source_limit.ts";
export type { IdentityErrorCode } from "./error.ts";
export { HEADER_TRAITS, JWT_HEADER, reservedHeader, validHeaderValue } from "./header.ts";
export { checkIdentity, identityCluster, identityExpiry } from "./identity_check.ts";
export { formatIdentityFile, parseIdentityFile, readIdentityFile } from "./identity_file.ts";
export type { IdentityFile } from "./identity_file.ts";
export { generateKeyPair, normalizePublicKey, publicKeyFingerprint, publicKeyOf } from "./keys.ts";
export type { KeyPair } from "./keys.ts";
export { silentLog } from "./log.ts";
export type { Log, LogFields } from "./log.ts";
export { caPin, isPin, matchesPin } from "./pin.ts";
export { plainJson } from "./plain_json.ts";
export { DEFAULT_NEWS_AGES, type NewsAges } from "./stream/news_age.ts";
export { VERSION } from "./version.ts";
export { spiffeId } from "./x509/claims.ts";
export type {
  BotClaims,
  Claims,
  HostClaims,
  IdentityClaims,
  Principal,
  SessionClaims,
} from "./x509/claims.ts";
