/** What a bot may do with an app now. Needs `policy/`, and nothing else that is heavy. */
export { type Access, accessOf, effectivePrincipal } from "./access_of.ts";
export { approvedOf } from "./approved_of.ts";
export { botLocked, useLocked } from "./locked.ts";
