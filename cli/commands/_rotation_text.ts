import type { RotationStatus } from "../../identity/authority/admin/mod.ts";

/** The original's words for the phases of a rotation that is under way. */
const WORDS = {
  init: "initialized",
  update_clients: "rotating clients",
  update_servers: "rotating servers",
  rollback: "rolling back",
} as const;

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** Where a rotation is, on one line, as the original writes it. */
export function rotationText(
  { ending, lastRotated, mode, phase, started }: Omit<RotationStatus, "type">,
): string {
  if (phase !== "standby") {
    const times = `started: ${humanDate(started)}, ending: ${humanDate(ending)}`;
    return `${WORDS[phase]} (mode: ${mode}, ${times})`;
  }
  return lastRotated === undefined ? "never rotated" : `rotated ${humanDate(lastRotated)}`;
}

/** `Jan  2 15:04:05 UTC` */
function humanDate(time = ""): string {
  const date = new Date(time);
  const day = String(date.getUTCDate()).padStart(2);
  return `${MONTHS[date.getUTCMonth()]} ${day} ${date.toISOString().slice(11, 19)} UTC`;
}
