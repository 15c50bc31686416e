/**
 * How a certificate authority is replaced, in the original's phases: pure, from what is stored to
 * what is stored next. Of two key sets one signs at any time, and both are trusted until the end.
 */
import { IdentityError } from "../error.ts";
import type { SshCa } from "../ssh/mod.ts";
import type { Ca } from "../x509/mod.ts";

export const CA_TYPES = ["host", "user"] as const;
export type CaType = typeof CA_TYPES[number];

export const ROTATION_PHASES = [
  "standby",
  "init",
  "update_clients",
  "update_servers",
  "rollback",
] as const;
export type RotationPhase = typeof ROTATION_PHASES[number];

export type RotationMode = "manual" | "auto";

/** What one CA signs with. */
export interface CaKeys {
  readonly tls: Ca;
  readonly ssh: SshCa;
}

/** A rotation that is under way; times are RFC 3339. */
export interface RotationRun {
  readonly phase: Exclude<RotationPhase, "standby">;
  readonly mode: RotationMode;
  readonly started: string;
  readonly graceSeconds: number;
  /** When the phases that are left begin; empty when somebody says so by hand. */
  readonly schedule: readonly { readonly phase: RotationPhase; readonly at: string }[];
}

/** One CA as it is stored. */
export interface RotatingCa {
  /** The one that signs. */
  readonly active: CaKeys;
  /** Trusted besides: the next one until it signs, the one before after that. */
  readonly additional?: CaKeys;
  readonly run?: RotationRun;
  readonly lastRotated?: string;
}

export interface RotationStep {
  readonly type: CaType;
  readonly phase: RotationPhase;
  readonly mode: RotationMode;
  /** How long a rotation that begins lasts from its first phase to its end. */
  readonly graceSeconds: number;
  readonly now: Date;
  /** The keys that a rotation begins with. */
  readonly fresh: CaKeys;
}

const BEFORE: Readonly<Record<RotationPhase, readonly RotationPhase[]>> = {
  init: ["standby"],
  update_clients: ["init"],
  update_servers: ["update_clients"],
  standby: ["update_servers", "rollback"],
  rollback: ["init", "update_clients", "update_servers"],
};

/**
 * When the new keys begin to sign. Clients have certificates of the user CA, and take new ones
 * first; what is served has them of the host CA, once every client knows the new one.
 */
const SIGNS_FROM: Readonly<Record<CaType, RotationPhase>> = {
  user: "update_clients",
  host: "update_servers",
};

export function phaseOf({ run }: RotatingCa): RotationPhase {
  return run?.phase ?? "standby";
}

/** What a CA becomes by one step; throws `BAD_REQUEST` for one that cannot follow. */
export function rotated(ca: RotatingCa, step: RotationStep): RotatingCa {
  const { fresh, mode, now, phase, type } = step;
  const before = phaseOf(ca);
  if (!BEFORE[phase].includes(before)) throw cannotFollow(type, before, phase);
  if (phase === "standby") {
    const { active } = ca;
    const lastRotated = before === "rollback" ? ca.lastRotated : now.toISOString();
    return { active, ...(lastRotated !== undefined && { lastRotated }) };
  }
  const started = ca.run?.started ?? now.toISOString();
  const graceSeconds = ca.run?.graceSeconds ?? step.graceSeconds;
  const run = { phase, mode, started, graceSeconds, schedule: scheduleAfter(ca, step) };
  if (phase === "init") return { ...ca, additional: fresh, run };
  const swaps = phase === "rollback" ? signsNew(type, before) : phase === SIGNS_FROM[type];
  return swaps && ca.additional
    ? { ...ca, active: ca.additional, additional: ca.active, run }
    : { ...ca, run };
}

/** The phase that the schedule says is due, if any. */
export function duePhase({ run }: RotatingCa, now: Date): RotationPhase | undefined {
  const next = run?.schedule[0];
  return next !== undefined && Date.parse(next.at) <= now.getTime() ? next.phase : undefined;
}

/** When a rotation ends: as the schedule says, or by the time that was given for it. */
export function endsAt({ graceSeconds, schedule, started }: RotationRun): Date {
  const last = schedule.at(-1);
  return new Date(last?.at ?? Date.parse(started) + graceSeconds * 1000);
}

function signsNew(type: CaType, phase: RotationPhase): boolean {
  const order = ROTATION_PHASES;
  return order.indexOf(phase) >= order.indexOf(SIGNS_FROM[type]);
}

function scheduleAfter(
  { run }: RotatingCa,
  { graceSeconds, mode, now, phase }: RotationStep,
): RotationRun["schedule"] {
  if (mode === "manual") return [];
  const third = (run?.graceSeconds ?? graceSeconds) * 1000 / 3;
  const at = (thirds: number) => new Date(now.getTime() + thirds * third).toISOString();
  // From now, not from the start: when nobody was there to take a step in time, each phase that
  // follows lasts as long as it would have, since machines need that time.
  switch (phase) {
    case "init":
      return [
        { phase: "update_clients", at: at(1) },
        { phase: "update_servers", at: at(2) },
        { phase: "standby", at: at(3) },
      ];
    case "update_clients":
      return [{ phase: "update_servers", at: at(1) }, { phase: "standby", at: at(2) }];
    case "update_servers":
    case "rollback":
      return [{ phase: "standby", at: at(1) }];
    case "standby":
      return [];
  }
}

function cannotFollow(type: CaType, before: RotationPhase, phase: RotationPhase): IdentityError {
  if (phase === "init") {
    return new IdentityError(
      "BAD_REQUEST",
      `Cannot begin a rotation of the ${type} CA: one is in progress, in phase ${before}`,
      { hint: "See it through to standby, or go back with --phase=rollback" },
    );
  }
  const from = BEFORE[phase].join(" or ");
  return new IdentityError(
    "BAD_REQUEST",
    `Cannot take the ${type} CA to phase ${phase}: it is in ${before}, and ${phase} follows ${from}`,
    {
      hint:
        "The phases are init, update_clients, update_servers, standby; `tctl status` shows them",
    },
  );
}
