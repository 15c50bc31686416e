/**
 * The rules of the house that a program can check: which folder may know which, where the runtime
 * may be named, and who may write to a console.
 */
import { fileURLToPath } from "node:url";

const LAYERS = ["policy", "identity", "relay", "cli"] as const;

/** Folders that stand outside the layers; they may look at anything. */
const OUTSIDE = new Set(["tests", "tools", "mod.ts"]);

interface Place {
  /** `policy`, `identity`, `relay`, `cli`, or the first part of another path. */
  readonly top: string;
  /** The path below the repository, with slashes. */
  readonly path: string;
}

/** What leads to this repository: folders above it may have names of ours. */
const ROOT = slashed(fileURLToPath(new URL("..", import.meta.url)));

/** Where a file of ours is; `undefined` for one that is not below a known folder. */
export function placeOf(file: string, root: string = ROOT): Place | undefined {
  const path = slashed(file);
  const parts = (path.startsWith(root) ? path.slice(root.length) : path).split("/");
  const known = new Set<string>([...LAYERS, ...OUTSIDE]);
  const at = parts.findLastIndex((part, index) =>
    known.has(part) && !parts.slice(0, index).some((before) => known.has(before))
  );
  const top = parts[at];
  return top === undefined ? undefined : { top, path: parts.slice(at).join("/") };
}

function slashed(path: string): string {
  return path.replaceAll("\\", "/");
}

/** What is wrong with a file importing `specifier`, or nothing. */
export function judgeImport(file: string, specifier: string): string | undefined {
  const from = placeOf(file);
  if (!from || OUTSIDE.has(from.top)) return undefined;
  if (!specifier.startsWith(".")) return judgePackage(from, specifier);
  const to = resolve(from.path, specifier);
  const top = to.split("/")[0] ?? "";
  if (top === from.top) return undefined;
  if (layer(top) < 0) return `${from.top}/ cannot depend on ${top}`;
  if (layer(top) > layer(from.top)) {
    return `${from.top}/ cannot depend on ${top}/: dependencies point ${LAYERS.join(" <- ")}`;
  }
  if (!to.endsWith("/mod.ts")) return `Enter ${top}/ through a mod.ts`;
  return undefined;
}

/** policy/ is pure: the YAML parser, in one place, and nothing of the host. */
function judgePackage({ top, path }: Place, specifier: string): string | undefined {
  if (top !== "policy") return undefined;
  if (specifier === "yaml" && path === "policy/source.ts") return undefined;
  return specifier === "yaml"
    ? "Only policy/source.ts parses YAML"
    : `policy/ is pure and cannot import ${specifier}`;
}

function layer(top: string): number {
  return LAYERS.indexOf(top as typeof LAYERS[number]);
}

function resolve(from: string, specifier: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** Whether a file may name `Deno` or `Bun`. */
export function mayNameRuntime(file: string): boolean {
  const place = placeOf(file);
  return !place || place.path === "cli/host.ts" || place.top === "tools" || place.top === "tests";
}

/** Names of a host that a pure folder does without. */
const HOST_GLOBALS = new Set([
  "process",
  "Buffer",
  "fetch",
  "performance",
  "setTimeout",
  "setInterval",
  "crypto",
]);

const plugin: Deno.lint.Plugin = {
  name: "postern",
  rules: {
    "dependency-direction": {
      create(context) {
        const check = (node: Deno.lint.Node, specifier: unknown) => {
          if (typeof specifier !== "string") return;
          const message = judgeImport(context.filename, specifier);
          if (message !== undefined) context.report({ node, message });
        };
        return {
          ImportDeclaration: (node) => check(node, node.source.value),
          ExportNamedDeclaration: (node) => node.source && check(node, node.source.value),
          ExportAllDeclaration: (node) => check(node, node.source.value),
          ImportExpression: (node) => {
            if (node.source.type === "Literal") check(node, node.source.value);
          },
        };
      },
    },
    "runtime-only-in-host": {
      create(context) {
        if (mayNameRuntime(context.filename)) return {};
        return {
          MemberExpression: ({ object: node }) => {
            if (node.type !== "Identifier") return;
            if (node.name !== "Deno" && node.name !== "Bun") return;
            context.report({ node, message: `${node.name} belongs in cli/host.ts` });
          },
        };
      },
    },
    "console-only-in-tools": {
      create(context) {
        const place = placeOf(context.filename);
        if (!place || OUTSIDE.has(place.top)) return {};
        return {
          MemberExpression: ({ object: node }) => {
            if (node.type !== "Identifier") return;
            if (node.name !== "console") return;
            context.report({ node, message: "Use the log, or the host's stdout" });
          },
        };
      },
    },
    "pure-policy": {
      create(context) {
        const place = placeOf(context.filename);
        if (place?.top !== "policy") return {};
        return {
          MemberExpression: ({ object: node }) => {
            if (node.type !== "Identifier") return;
            if (!HOST_GLOBALS.has(node.name)) return;
            context.report({ node, message: `policy/ is pure and cannot use ${node.name}` });
          },
          CallExpression: ({ callee: node }) => {
            if (node.type !== "Identifier") return;
            if (!HOST_GLOBALS.has(node.name)) return;
            context.report({ node, message: `policy/ is pure and cannot call ${node.name}` });
          },
          // INVARIANT (linear): Bun's RegExp gives up on long backtracking and answers "no match".
          NewExpression: (node) => {
            if (node.callee.type !== "Identifier" || node.callee.name !== "RegExp") return;
            if (place.path.startsWith("policy/pattern/")) return;
            context.report({ node, message: "Patterns of roles run on policy/pattern/ alone" });
          },
        };
      },
    },
  },
};

export default plugin;
