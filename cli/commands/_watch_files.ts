import { type FSWatcher, statSync, watch } from "node:fs";
import { dirname } from "node:path";

/** What one look at the files has found. */
export interface Look {
  /** Files and folders to keep an eye on. */
  readonly paths: readonly string[];
  /** Something that differs when there is something new to show. */
  readonly seen: string;
  show(): void;
}

/** Milliseconds that further changes are waited for: an editor's save is several of them. */
const SETTLE_MS = 50;

/**
 * Looks at files, shows what was found, and looks again whenever something beside them changes,
 * until the signal is aborted. Folders are watched, not files: editors put a new file in the place
 * of the old one.
 */
export async function watchFiles(look: () => Promise<Look>, signal: AbortSignal): Promise<void> {
  const watchers = new Map<string, FSWatcher>();
  let shown: string | undefined;
  let wake = () => {};
  signal.addEventListener("abort", () => wake(), { once: true });
  try {
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => wake = resolve);
      const { paths, seen, show } = await look();
      const fresh = folders(paths).filter((folder) => !watchers.has(folder));
      for (const folder of fresh) {
        const watcher = watch(folder, () => wake());
        // A folder that goes away is a change; what it means is found by the next look.
        watcher.on("error", () => {
          watchers.delete(folder);
          watcher.close();
          wake();
        });
        watchers.set(folder, watcher);
      }
      if (seen !== shown) show();
      shown = seen;
      // What changed before it was watched has been missed.
      if (fresh.length > 0) continue;
      if (!signal.aborted) await changed;
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    }
  } finally {
    for (const watcher of watchers.values()) watcher.close();
  }
}

/** The folders that files are in, and folders themselves, as far as they are there. */
function folders(paths: readonly string[]): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    const folder = isFolder(path) ? path : dirname(path);
    if (isFolder(folder)) found.add(folder);
  }
  return [...found];
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
