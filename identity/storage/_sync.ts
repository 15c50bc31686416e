import { closeSync, fsyncSync, openSync } from "node:fs";
import process from "node:process";

/** Makes what was written to a file durable. */
export function sync(path: string): void {
  const handle = openSync(path, "r+");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Makes the names in a directory durable; Windows has no such thing. */
export function syncDirectory(path: string): void {
  if (process.platform === "win32") return;
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
