/** Names of limits: in errors, in the audit log and as labels of a metric. docs/limits.md lists them. */
export const LIMIT_NAMES = [
  "sessions",
  "sessions_per_bot",
  "sessions_per_app",
  "idle_timeout",
  "max_duration",
  "calls_per_second",
  "message_size",
  "message_depth",
  "pending_requests",
  "server_requests",
  "cancelled_requests",
  "start_timeout",
  "server_memory",
  "server_processes",
  "server_cpu_time",
  "connections",
  "unreached_timeout",
  "unreached_sessions",
  "unreached_memory",
  "resumes",
] as const;

export type LimitName = typeof LIMIT_NAMES[number];

export function isLimitName(value: unknown): value is LimitName {
  return (LIMIT_NAMES as readonly unknown[]).includes(value);
}
