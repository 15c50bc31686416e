import { parseDuration } from "./_duration.ts";
import { asMap, asText, type Field, type Findings, kindOf, readFields } from "./_fields.ts";
import { OPTION_FIELDS, OTHER_OPTION_FIELDS } from "./_known_fields.ts";
import { nearest } from "./_nearest.ts";
import type { RuleRef } from "./decision.ts";
import type { RepeatMode, RoleOptions } from "./role.ts";
import type { SourceNode } from "./source.ts";

/** 30 hours, when a role does not say. */
const DEFAULT_SESSION_TTL = 30 * 3600;

/** Values of `require_session_mfa` that ask for nothing, and those that ask for a person. */
export const MFA_OFF = ["off", "no", "false"];
export const MFA_ON = [
  "yes",
  "true",
  "session",
  "session_and_hardware_key",
  "hardware_key",
  "hardware_key_touch",
  "hardware_key_pin",
  "hardware_key_touch_and_pin",
  "multi_factor",
];
export const DEVICE_MODES = ["", "off", "optional", "required", "required-for-humans"];
export const LOCK_MODES = ["strict", "best_effort"] as const;
/** The strictest first. */
export const REPEAT_MODES = ["never", "read_only", "idempotent"] as const;

/** Reads `spec.options`. */
export function parseOptions(
  field: Field | undefined,
  role: string,
  findings: Findings,
): RoleOptions {
  const path = "spec.options";
  const map = field && asMap(field.value, path, findings);
  const fields = map
    ? readFields(map, path, OPTION_FIELDS, findings, OTHER_OPTION_FIELDS)
    : new Map<string, Field>();
  const ref = (name: string, at: Field): RuleRef => ({
    ...at.keyAt,
    role,
    path: `${path}.${name}`,
    rule: at.value.kind === "scalar" ? `${name}: ${at.value.value}` : name,
  });
  const ttl = fields.get("max_session_ttl");
  const lock = fields.get("lock");
  const mfa = fields.get("require_session_mfa");
  const device = fields.get("device_trust_mode");
  const repeats = fields.get("mcp_repeat_calls");
  const mode = repeats && readRepeats(repeats.value, findings);
  return {
    maxSessionTtl: ttl ? readTtl(ttl.value, findings) : DEFAULT_SESSION_TTL,
    lock: lock ? readLock(lock.value, findings) : "best_effort",
    sessionMfa: mfa && requiresMfa(mfa.value, findings)
      ? ref("require_session_mfa", mfa)
      : undefined,
    trustedDevice: device && requiresDevice(device.value, findings)
      ? ref("device_trust_mode", device)
      : undefined,
    repeats: repeats && mode && { mode, by: ref("mcp_repeat_calls", repeats) },
  };
}

function readTtl(node: SourceNode, findings: Findings): number {
  const text = asText(node, "spec.options.max_session_ttl", findings)?.value;
  if (text === undefined) return DEFAULT_SESSION_TTL;
  const seconds = parseDuration(text);
  if (seconds === undefined) {
    findings.problem(
      node.at,
      `spec.options.max_session_ttl: ${JSON.stringify(text)} is not a duration`,
      "write it as 8h or 1h30m",
    );
  }
  return seconds === undefined || seconds === 0 ? DEFAULT_SESSION_TTL : seconds;
}

function readLock(node: SourceNode, findings: Findings): "strict" | "best_effort" {
  const text = asText(node, "spec.options.lock", findings)?.value;
  if (text === undefined || text === "") return "best_effort";
  const known = LOCK_MODES.find((mode) => mode === text);
  if (!known) unknownValue(node, "spec.options.lock", text, LOCK_MODES, findings);
  return known ?? "strict";
}

function readRepeats(node: SourceNode, findings: Findings): RepeatMode | undefined {
  const path = "spec.options.mcp_repeat_calls";
  const text = asText(node, path, findings)?.value;
  if (text === "") return undefined;
  const known = REPEAT_MODES.find((mode) => mode === text);
  if (!known && text !== undefined) unknownValue(node, path, text, REPEAT_MODES, findings);
  return known ?? "never";
}

function requiresMfa(node: SourceNode, findings: Findings): boolean {
  const path = "spec.options.require_session_mfa";
  const value = node.kind === "scalar" ? node.value : undefined;
  if (typeof value === "boolean") return value;
  // The original's numbers: 0 is off, 1 to 5 ask for ever more.
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 5) {
    return value > 0;
  }
  if (typeof value === "string") {
    const word = value.toLowerCase();
    if (word === "" || MFA_OFF.includes(word)) return false;
    if (!MFA_ON.includes(word)) {
      unknownValue(node, path, value, [...MFA_OFF, ...MFA_ON], findings);
    }
    return true;
  }
  findings.problem(node.at, `${path} must be true, false or a mode, not ${kindOf(node)}`);
  return true;
}

function requiresDevice(node: SourceNode, findings: Findings): boolean {
  const path = "spec.options.device_trust_mode";
  const text = asText(node, path, findings)?.value;
  if (text === undefined) return true;
  if (!DEVICE_MODES.includes(text)) unknownValue(node, path, text, DEVICE_MODES, findings);
  // `required-for-humans` does not speak of machines.
  return text === "required";
}

function unknownValue(
  node: SourceNode,
  path: string,
  value: string,
  known: readonly string[],
  findings: Findings,
): void {
  const meant = nearest(value, known);
  findings.problem(
    node.at,
    `${path}: ${JSON.stringify(value)} is not a value it knows`,
    meant === undefined
      ? `known are ${known.filter((k) => k !== "").join(", ")}`
      : `did you mean ${meant}?`,
  );
}
