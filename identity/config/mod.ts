/** Configuration files with positions, for every program that has one. */
export { toApp } from "./app_fields.ts";
export type { AppNaming } from "./app_fields.ts";
export { type AppLimitFields, appLimitFields, toAppLimits } from "./app_limits.ts";
export { appFields, appLabels, appName, checkAppFields } from "./app_schema.ts";
export { hostPort, oneOrMany, period, toggle } from "./fields.ts";
export type { HostPort } from "./fields.ts";
export { placeOf } from "./problems.ts";
export type { Path, Source } from "./problems.ts";
export { secretSource } from "./_value_source.ts";
export { checkYaml, invalidConfig, parseYaml } from "./yaml.ts";
