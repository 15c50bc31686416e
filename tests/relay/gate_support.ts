// A policy for the gate's tests, and the reader of its vectors.
import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { decideReadings } from "../../policy/resource_readings.ts";
import type { Decision, GatePolicy } from "../../relay/gate/mod.ts";

export const allow: Decision = {
  effect: "allow",
  by: { role: "r", path: "spec.allow", rule: "*", file: "r.yaml", line: 1, column: 1 },
};
export const deny: Decision = { effect: "deny", because: "no_match" };

/** Names and prefixes (`read_*`) that are allowed; `*` allows all. */
export interface Grants {
  readonly access?: boolean;
  readonly tools?: readonly string[];
  readonly resources?: readonly string[];
  readonly prompts?: readonly string[];
}

export function policyOf(grants: Grants): GatePolicy {
  const decideBy = (patterns: readonly string[]) => (name: string) =>
    patterns.some((p) => p.endsWith("*") ? name.startsWith(p.slice(0, -1)) : p === name)
      ? allow
      : deny;
  const { access = true, tools = ["read_*"], resources = ["*"], prompts = ["*"] } = grants;
  return {
    access: access ? allow : deny,
    toolsUnrestricted: tools.includes("*"),
    resourcesUnrestricted: resources.includes("*"),
    promptsUnrestricted: prompts.includes("*"),
    usesDefinitions: false,
    repeats: undefined,
    decideTool: decideBy(tools),
    listTool: decideBy(tools),
    decideResource: (uri) => decideReadings(uri, decideBy(resources)),
    decidePrompt: decideBy(prompts),
  };
}

/** A session as data: who sends what, and what each side must receive. */
export interface Vector {
  readonly name: string;
  readonly policy: Grants;
  readonly steps: readonly VectorStep[];
}

export interface VectorStep {
  readonly from: "client" | "server" | "policy";
  readonly line: Uint8Array;
  readonly policy?: Grants;
  readonly toServer: readonly string[];
  readonly toClient: readonly string[];
  readonly reason?: string;
  readonly hidden?: number;
  readonly close?: string;
}

const STEP_KEYS = new Set([
  "client",
  "server",
  "clientHex",
  "serverHex",
  "policy",
  "toServer",
  "toClient",
  "reason",
  "hidden",
  "close",
]);
const GRANT_KEYS = new Set(["access", "tools", "resources", "prompts"]);

/** The vectors of one folder under tests/vectors; an unknown key fails loudly. */
export function vectors(folder: string): Vector[] {
  const directory = new URL(`../vectors/${folder}/`, import.meta.url);
  return readdirSync(directory).filter((file) => file.endsWith(".yaml")).sort().flatMap((file) => {
    const cases: Record<string, unknown>[] = parse(readFileSync(new URL(file, directory), "utf8"));
    return cases.map((one) => vector(one, file));
  });
}

function vector(one: Record<string, unknown>, file: string): Vector {
  const { name, policy = {}, steps, ...unknown } = one;
  const place = `${file}: ${name}`;
  noneLeft(unknown, place);
  if (typeof name !== "string" || !Array.isArray(steps)) throw new Error(`${place}: not a vector`);
  return { name, policy: grants(policy, place), steps: steps.map((each) => step(each, place)) };
}

function step(each: Record<string, unknown>, place: string): VectorStep {
  noneLeft(Object.fromEntries(Object.entries(each).filter(([key]) => !STEP_KEYS.has(key))), place);
  const from = each["policy"] !== undefined
    ? "policy"
    : each["client"] !== undefined || each["clientHex"] !== undefined
    ? "client"
    : "server";
  const hex = each[`${from}Hex`];
  const text = each[from];
  if (from !== "policy" && typeof hex !== "string" && typeof text !== "string") {
    throw new Error(`${place}: a step needs client, server or policy`);
  }
  return {
    from,
    line: from === "policy"
      ? new Uint8Array()
      : typeof hex === "string"
      ? fromHex(hex)
      : new TextEncoder().encode(String(text)),
    ...(from === "policy" ? { policy: grants(each["policy"], place) } : {}),
    toServer: list(each["toServer"]),
    toClient: list(each["toClient"]),
    ...(each["reason"] === undefined ? {} : { reason: String(each["reason"]) }),
    ...(each["hidden"] === undefined ? {} : { hidden: Number(each["hidden"]) }),
    ...(each["close"] === undefined ? {} : { close: String(each["close"]) }),
  };
}

function grants(value: unknown, place: string): Grants {
  const entries = Object.entries(value as Record<string, unknown>);
  noneLeft(Object.fromEntries(entries.filter(([key]) => !GRANT_KEYS.has(key))), place);
  return value as Grants;
}

function noneLeft(unknown: object, place: string): void {
  const keys = Object.keys(unknown);
  if (keys.length > 0) throw new Error(`${place}: unknown key ${keys.join(", ")}`);
}

function list(value: unknown): string[] {
  return value === undefined ? [] : Array.isArray(value) ? value.map(String) : [String(value)];
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
