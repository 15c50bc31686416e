import type { Log } from "../log.ts";
import type { Destination, DestinationSpec } from "./destination.ts";
import { directoryDestination } from "./directory.ts";
import { memoryDestination } from "./memory.ts";

/** The destination that a configuration describes. Nothing is touched before `prepare()`. */
export function openDestination(spec: DestinationSpec, log: Log): Destination {
  return spec.type === "memory" ? memoryDestination() : directoryDestination(spec, log);
}
