/** The rotations of a cluster's CAs: one step at a time, each taken once, whoever takes it. */
import { IdentityError } from "../error.ts";
import {
  CA_TYPES,
  type CaType,
  duePhase,
  endsAt,
  phaseOf,
  rotated,
  type RotationMode,
  type RotationPhase,
  type RotationStep,
} from "./ca_rotation.ts";
import type { Cluster } from "./cluster.ts";
import { caOf, type ClusterKeys, createCaKeys, withCa } from "./cluster_keys.ts";

export interface RotateRequest {
  readonly type: CaType;
  /** `init` when absent. */
  readonly phase?: RotationPhase;
  readonly mode: RotationMode;
  readonly graceSeconds: number;
}

export interface RotationStatus {
  readonly type: CaType;
  readonly phase: RotationPhase;
  /** These three while a rotation is under way; RFC 3339. */
  readonly mode?: RotationMode;
  readonly started?: string;
  readonly ending?: string;
  readonly lastRotated?: string;
}

/** Whether the time is due is looked at this often; a clock that is set does no harm then. */
const LOOK_MS = 60_000;

/** Takes one CA to a phase, or begins its rotation; `user` is who asks. */
export async function rotateCa(
  cluster: Cluster,
  { type, phase = "init", mode, graceSeconds }: RotateRequest,
  user: string,
): Promise<RotationStatus> {
  if (mode === "auto" && phase !== "init" && phase !== "rollback") {
    throw new IdentityError(
      "BAD_REQUEST",
      `Cannot take the ${type} CA to phase ${phase}: only manual rotation goes by phases`,
      { hint: `Add --manual to go on by hand, also with a rotation that goes by its schedule` },
    );
  }
  const step = { type, phase, mode, graceSeconds };
  const keys = await take(cluster, type, () => step, user);
  return rotationStatus(keys ?? cluster.keys, type);
}

/** Where the rotation of a CA is. */
export function rotationStatus(keys: ClusterKeys, type: CaType): RotationStatus {
  const ca = caOf(keys, type);
  const { lastRotated, run } = ca;
  return {
    type,
    phase: phaseOf(ca),
    ...(run && { mode: run.mode, started: run.started, ending: endsAt(run).toISOString() }),
    ...(lastRotated !== undefined && { lastRotated }),
  };
}

/** Takes the steps that are due until the signal is aborted. */
export async function keepRotating(cluster: Cluster, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const type of CA_TYPES) {
      await takeDueStep(cluster, type).catch((error: unknown) => {
        cluster.log.error("Cannot rotate a CA", { ca: type, error: String(error) });
      });
    }
    await cluster.clock.sleep(LOOK_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

/** Takes the step of a rotation by schedule that is due, if it is; whether it was. */
export async function takeDueStep(cluster: Cluster, type: CaType): Promise<boolean> {
  const now = cluster.clock.now();
  if (duePhase(caOf(cluster.keys, type), now) === undefined) return false;
  const taken = await take(cluster, type, (keys) => {
    // Another authority may have taken it meanwhile.
    const phase = duePhase(caOf(keys, type), now);
    return phase && { type, phase, mode: "auto", graceSeconds: 0 };
  }, "system");
  return taken !== undefined;
}

type Wanted = Omit<RotationStep, "now" | "fresh">;

/** The keys as they are after the step; `undefined` when there was none to take. */
async function take(
  cluster: Cluster,
  type: CaType,
  wanted: (keys: ClusterKeys) => Wanted | undefined,
  user: string,
): Promise<ClusterKeys | undefined> {
  const { audit, clock, log, name, store } = cluster;
  const now = clock.now();
  const fresh = await createCaKeys(name, type, now);
  const taken = await store.update(async (tx) => {
    const item = await tx.get<ClusterKeys>("ca", "keys");
    const step = item && wanted(item.value);
    if (!step) return undefined;
    const ca = rotated(caOf(item.value, type), { ...step, now, fresh });
    const keys = withCa(item.value, type, ca);
    await tx.put("ca", "keys", keys);
    return { step, keys };
  });
  if (!taken) return undefined;
  const { mode, phase } = taken.step;
  log.info("The rotation of a CA goes on", { ca: type, phase, mode });
  await audit.append({
    type: "cert_authority.rotate",
    code: "PCA01I",
    user,
    ca_type: type,
    phase,
    mode,
  });
  return taken.keys;
}
