/** Names as others may read them; loads nothing else. */
export { foldName } from "./fold_name.ts";
