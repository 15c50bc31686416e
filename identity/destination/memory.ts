import type { Destination } from "./destination.ts";

/** Keeps files for as long as the process lives; for bots that join anew at every start. */
export function memoryDestination(): Destination {
  const files = new Map<string, string>();
  return {
    name: "memory",
    prepare: () => Promise.resolve(),
    read: (file) => Promise.resolve(files.get(file)),
    write: (file, content) => Promise.resolve(void files.set(file, content)),
    remove: (file) => Promise.resolve(void files.delete(file)),
  };
}
