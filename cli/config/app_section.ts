/** `app_service` of `teleport.yaml`: the apps that the agent serves. */
import { z } from "zod";
import {
  appFields,
  appLabels,
  appLimitFields,
  appName,
  checkAppFields,
  oneOrMany,
  period,
  toApp,
  toAppLimits,
  toggle,
} from "../../identity/config/mod.ts";
import { DEFAULT_NEWS_AGES, DEMO_APP } from "../../identity/mod.ts";
import type { App, AppLimits, NewsAges } from "../../identity/mod.ts";
import type { AgentLimits } from "../../relay/agent/mod.ts";

export type LabelSelector = Readonly<Record<string, readonly string[]>>;

export interface AppSection {
  /** Apps of the file. */
  readonly apps: readonly App[];
  /** Label selectors of app resources that the agent takes up. */
  readonly appSelectors: readonly LabelSelector[];
  /** What differs from the defaults: of the agent, and of every app without a number of its own. */
  readonly agentLimits: Partial<AgentLimits>;
  readonly appLimits: Partial<AppLimits>;
  /** Milliseconds without news of the authority after which nothing begins, and everything ends. */
  readonly newsAges: NewsAges;
}

const AUTHORITY_AWAY = {
  refuse_after: DEFAULT_NEWS_AGES.stale,
  end_after: DEFAULT_NEWS_AGES.lost,
};

/** Pulses come each second, and some may be late. */
const MIN_AGE_MS = 5_000;

const count = z.number().int().min(1).max(1_000_000).optional();

const app = z.strictObject({
  name: appName,
  description: z.string().default(""),
  labels: appLabels,
  ...appFields,
}).superRefine(checkAppFields);

export const appSectionSchema = z.strictObject({
  enabled: toggle.default(true),
  mcp_demo_server: toggle.default(false),
  resources: z.array(z.strictObject({ labels: z.record(z.string(), oneOrMany) })).default([]),
  apps: z.array(app).default([]),
  authority_away: z.strictObject({
    refuse_after: period(MIN_AGE_MS).default(DEFAULT_NEWS_AGES.stale),
    end_after: period(MIN_AGE_MS).default(DEFAULT_NEWS_AGES.lost),
  }).refine(({ refuse_after, end_after }) => refuse_after <= end_after, {
    path: ["end_after"],
    message: "sessions cannot end before new ones are refused: make it longer than `refuse_after`",
  }).default(AUTHORITY_AWAY),
  limits: z.strictObject({
    sessions: count,
    sessions_per_bot: count,
    unreached_sessions: count,
    unreached_memory_mib: count,
    ...appLimitFields,
  }).default({}),
}).superRefine(({ apps, mcp_demo_server }, context) => {
  const taken = new Set(mcp_demo_server ? [DEMO_APP.name] : []);
  apps.forEach(({ name }, index) => {
    if (taken.has(name)) {
      const message = `there is a second app with the name "${name}"`;
      context.addIssue({ code: "custom", message, path: ["apps", index, "name"] });
    }
    taken.add(name);
  });
}).default({
  enabled: true,
  mcp_demo_server: false,
  resources: [],
  apps: [],
  authority_away: AUTHORITY_AWAY,
  limits: {},
});

/** What a checked section says; nothing is served when it is switched off. */
export function readAppSection(raw: z.infer<typeof appSectionSchema>): AppSection {
  const newsAges = { stale: raw.authority_away.refuse_after, lost: raw.authority_away.end_after };
  if (!raw.enabled) return { apps: [], appSelectors: [], agentLimits: {}, appLimits: {}, newsAges };
  const {
    sessions,
    sessions_per_bot: sessionsPerBot,
    unreached_sessions: unreachedSessions,
    unreached_memory_mib: unreachedMebibytes,
    ...ofApps
  } = raw.limits;
  return {
    newsAges,
    agentLimits: {
      ...(sessions !== undefined && { sessions }),
      ...(sessionsPerBot !== undefined && { sessionsPerBot }),
      ...(unreachedSessions !== undefined && { unreachedSessions }),
      ...(unreachedMebibytes !== undefined && {
        unreachedBytes: unreachedMebibytes * 1024 * 1024,
      }),
    },
    appLimits: toAppLimits(ofApps),
    apps: [
      ...raw.apps.map((app) => toApp(app, app)),
      ...(raw.mcp_demo_server ? [DEMO_APP] : []),
    ],
    appSelectors: raw.resources.map(({ labels }) => labels),
  };
}
