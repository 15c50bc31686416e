import type { JsonView } from "../wire/json.ts";
import { type NameLimits, NameRoom } from "./_name_room.ts";
import type { GatePolicy } from "./policy.ts";

type Claim = "read_only" | "idempotent" | "none";

/** What a server claims of its tools, as it last listed them to this session. */
export class Hints {
  readonly #claims = new Map<string, Claim>();
  readonly #room: NameRoom;

  constructor(limits: NameLimits) {
    this.#room = new NameRoom(limits);
  }

  /** Past the limit a tool stays unknown, and its calls are not made again. */
  note(name: string, entry: JsonView): void {
    if (!this.#claims.has(name) && !this.#room.take(name)) return;
    this.#claims.set(name, claimOf(entry.member("annotations")));
  }

  /** Whether a call of this tool may be made again, if nobody knows what became of it. */
  repeats(name: string, { repeats }: GatePolicy): boolean {
    if (repeats === undefined || repeats.mode === "never") return false;
    const claim = this.#claims.get(name);
    return claim === "read_only" || claim === "idempotent" && repeats.mode === "idempotent";
  }
}

function claimOf(annotations: JsonView | undefined): Claim {
  if (annotations?.member("readOnlyHint")?.text() === "true") return "read_only";
  return annotations?.member("idempotentHint")?.text() === "true" ? "idempotent" : "none";
}
