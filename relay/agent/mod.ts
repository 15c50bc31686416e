/** The service side of a session; heavy to load, so it has a door of its own. */
export {
  Agent,
  type AgentLimits,
  type AgentOptions,
  createAgent,
  DEFAULT_AGENT_LIMITS,
  type Origin,
} from "./agent.ts";
export { type ReaperProcess, runReaper, spawnReaper } from "./reaper.ts";
export { ServedApps, type ServedAppsOptions } from "./apps/served_apps.ts";
export { Values } from "./values/values.ts";
