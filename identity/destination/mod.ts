/** Where credentials are written to. */
export type { AclMode, Destination, DestinationSpec, Reader, SymlinkMode } from "./destination.ts";
export { initDirectory } from "./init_directory.ts";
export type { InitOptions } from "./init_directory.ts";
export { openDestination } from "./open_destination.ts";
export { directorySpec, parseDestinationUri } from "./uri.ts";
