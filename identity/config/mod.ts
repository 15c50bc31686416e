/** Configuration files with positions, for every program that has one. */
export { placeOf } from "./problems.ts";
export type { Path, Source } from "./problems.ts";
export { checkYaml, invalidConfig, parseYaml } from "./yaml.ts";
