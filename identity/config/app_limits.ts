/** `limits` of an app, and of `app_service` for all apps: the words of the files, and back. */
import * as z from "zod";
import { formatDuration } from "../duration.ts";
import {
  type AppLimits,
  MOST_MESSAGE_BYTES,
  MOST_MESSAGE_DEPTH,
  MOST_PENDING_REQUESTS,
} from "../limits.ts";
import { period } from "./fields.ts";

const MIB = 1024 * 1024;

const count = (most = 1_000_000) => z.number().int().min(1).max(most).optional();
const mebibytes = (most: number) => z.number().positive().max(most).optional();
const time = period(1000).optional();

/** The fields of the section. */
export const appLimitFields = {
  sessions_per_app: count(),
  idle_timeout: time,
  max_duration: time,
  unreached_timeout: time,
  calls_per_second: z.number().positive().max(1_000_000).optional(),
  calls_burst: count(),
  message_size_mib: mebibytes(MOST_MESSAGE_BYTES / MIB),
  message_depth: z.number().int().min(8).max(MOST_MESSAGE_DEPTH).optional(),
  pending_requests: count(MOST_PENDING_REQUESTS),
  start_timeout: time,
  connect_timeout: time,
  response_timeout: time,
  concurrent_requests: count(),
  server_memory_mib: mebibytes(2 ** 30),
  server_processes: count(),
  server_cpu_time: time,
  // Fewer would not let most programs start.
  server_open_files: z.number().int().min(16).max(2 ** 30).optional(),
};

const fields = z.strictObject(appLimitFields);

/** The section, checked. */
export type AppLimitFields = z.infer<typeof fields>;

/** For `limits` of an app. */
export const appLimitsSchema = fields.optional();

/** How a number of the file becomes one of the limits; and the way back, for durations. */
interface Kind {
  readonly times: number;
  readonly duration?: true;
}
const PLAIN: Kind = { times: 1 };
const BYTES: Kind = { times: MIB };
const DURATION: Kind = { times: 1, duration: true };

const MEANINGS: Readonly<Record<keyof AppLimitFields, readonly [keyof AppLimits, Kind]>> = {
  sessions_per_app: ["sessionsPerApp", PLAIN],
  idle_timeout: ["idleMs", DURATION],
  max_duration: ["durationMs", DURATION],
  unreached_timeout: ["unreachedMs", DURATION],
  calls_per_second: ["callsPerSecond", PLAIN],
  calls_burst: ["callsBurst", PLAIN],
  message_size_mib: ["messageBytes", BYTES],
  message_depth: ["messageDepth", PLAIN],
  pending_requests: ["pendingRequests", PLAIN],
  start_timeout: ["startMs", DURATION],
  connect_timeout: ["connectMs", DURATION],
  response_timeout: ["responseMs", DURATION],
  concurrent_requests: ["concurrentRequests", PLAIN],
  server_memory_mib: ["serverMemory", BYTES],
  server_processes: ["serverProcesses", PLAIN],
  server_cpu_time: ["serverCpuMs", DURATION],
  server_open_files: ["serverOpenFiles", PLAIN],
};

const meanings = Object.entries(MEANINGS) as [
  keyof AppLimitFields,
  readonly [keyof AppLimits, Kind],
][];

/** What a checked section sets; nothing else is in it. */
export function toAppLimits(section: AppLimitFields): Partial<AppLimits> {
  return Object.fromEntries(meanings.flatMap(([name, [limit, { times }]]) => {
    const value = section[name];
    return value === undefined ? [] : [[limit, value * times]];
  }));
}

/** The section that `toAppLimits()` would read back. */
export function toAppLimitFields(limits: Partial<AppLimits>): Record<string, unknown> {
  return Object.fromEntries(meanings.flatMap(([name, [limit, { times, duration }]]) => {
    const value = limits[limit];
    if (value === undefined) return [];
    return [[name, duration ? formatDuration(value) : value / times]];
  }));
}
