/** Where credentials are written to. */
export type { AclMode, Destination, DestinationSpec, Reader, SymlinkMode } from "./destination.ts";
export { openDestination } from "./open_destination.ts";
export { directorySpec, parseDestinationUri } from "./uri.ts";
