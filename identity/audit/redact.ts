/**
 * Redaction: values at configured paths of a recorded message become keyed digests, so that equal
 * values can still be told to be equal and nothing else can be told. Paths are a part of JSONPath
 * (RFC 9535): `$`, `.name`, `['name']`, `[0]`, `.*` and `[*]`, and `..name` at any depth.
 */
import { createHmac } from "node:crypto";

/** A step into a value; `deep` also looks into everything below. */
interface Step {
  /** A member's name, an item's number, or all of either. */
  readonly select: string | number | "*";
  readonly wildcard: boolean;
  readonly deep: boolean;
}

export type Path = readonly Step[];

export type ParsedPath =
  | { readonly ok: true; readonly path: Path }
  | { readonly ok: false; readonly message: string };

const STEP =
  /(\.\.|\.)(?:([A-Za-z_\u0080-\uffff][\w\u0080-\uffff-]*)|(\*))|(\.\.)?\[(?:'((?:[^'\\]|\\['\\])*)'|"((?:[^"\\]|\\["\\])*)"|(0|[1-9][0-9]{0,8})|(\*))\]/y;

/** Reads a path such as `$.params.arguments.password`. */
export function parsePath(text: string): ParsedPath {
  if (!text.startsWith("$")) return { ok: false, message: "a path begins with $" };
  const path: Step[] = [];
  STEP.lastIndex = 1;
  while (STEP.lastIndex < text.length) {
    const at = STEP.lastIndex;
    const match = STEP.exec(text);
    if (!match) {
      const rest = JSON.stringify(text.slice(at));
      return {
        ok: false,
        message: `${rest} is no step: write .name, ['name'], [0], [*] or ..name`,
      };
    }
    const [, dots, name, anyMember, deepBracket, single, double, index, anyItem] = match;
    const wildcard = anyMember !== undefined || anyItem !== undefined;
    const quoted = (single ?? double)?.replace(/\\(.)/g, "$1");
    const select = wildcard ? "*" : index !== undefined ? Number(index) : name ?? quoted ?? "";
    path.push({ select, wildcard, deep: dots === ".." || deepBracket !== undefined });
  }
  return path.length === 0
    ? { ok: false, message: "$ alone would redact everything" }
    : { ok: true, path };
}

/** What redacts messages; made once. */
export interface Redactor {
  /** A copy with digests in the place of what the paths select; the value itself if they select nothing. */
  redact(value: unknown): unknown;
}

/** `key` is a secret of the cluster: without it nobody can try out what a digest stands for. */
export function createRedactor(paths: readonly Path[], key: string): Redactor {
  const digest = (value: unknown) =>
    `hmac-sha256:${createHmac("sha256", key).update(canonical(value)).digest("hex")}`;
  return {
    redact: (value) =>
      paths.reduce((redacted, path) => replaceAt(redacted, path, 0, digest), value),
  };
}

type Digest = (value: unknown) => string;

function replaceAt(value: unknown, path: Path, at: number, digest: Digest): unknown {
  const step = path[at];
  if (step === undefined) return digest(value);
  if (typeof value !== "object" || value === null) return value;
  let changed = false;
  const visit = (key: string | number, child: unknown) => {
    let next = child;
    // Deeper first: what a digest has replaced is no longer looked into.
    if (step.deep) next = replaceAt(next, path, at, digest);
    if (step.wildcard || key === step.select) next = replaceAt(next, path, at + 1, digest);
    if (next !== child) changed = true;
    return next;
  };
  if (Array.isArray(value)) {
    const items = value.map((item, index) => visit(index, item));
    return changed ? items : value;
  }
  const members = Object.entries(value).map(([key, child]) => [key, visit(key, child)] as const);
  // `fromEntries` defines `__proto__` like any other name.
  return changed ? Object.fromEntries(members) : value;
}

/** Equal values have equal texts, whatever the order of their members. */
function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_, inner: unknown) =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0))
        : inner,
  );
}
