/** The rows of the attack kit, read from YAML (`docs/attacks.md` says what each field means). */
import { Buffer } from "node:buffer";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

/** Bytes, written as text or, where text cannot say it, as a list of parts. */
const part = z.union([
  z.string(),
  z.strictObject({ hex: z.string() }),
  z.strictObject({ repeat: z.string(), times: z.number().int().positive().max(50_000_000) }),
]);
const bytes = z.union([part, z.array(part)]);

const id = z.union([z.string(), z.number()]);

const step = z.union([
  /** A line of the client; the line feed is added. */
  z.strictObject({ client: bytes }),
  /** The same line many times, `%d` counting from 1. */
  z.strictObject({ client: z.string(), times: z.number().int().positive().max(20_000) }),
  /** Bytes that the server writes, as they are. */
  z.strictObject({ server: bytes }),
  /** The whole answer of the server to one request over HTTP. */
  z.strictObject({
    http: z.strictObject({
      status: z.number().int().min(200).max(599),
      headers: z.record(z.string(), z.string()).default({}),
      body: bytes.default(""),
    }),
  }),
  /** What comes next waits for the answer to this id. */
  z.strictObject({ answer: id }),
  /** The server changes the definition of `kit_pinned`. */
  z.strictObject({ change: z.literal("kit_pinned") }),
]);

const row = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]+$/),
  category: z.enum([
    "smuggling",
    "impersonation",
    "list-only",
    "id-confusion",
    "cache-leak",
    "poisoned-text",
    "exhaustion",
    "header-mismatch",
    "poisoned-http",
    "rug-pull",
    "side-door",
    "other-spelling",
  ]),
  why: z.string(),
  /** How the gateway has to reach the server. */
  upstream: z.enum(["any", "stdio", "http"]).default("any"),
  /** The gateway has to pin the definition of `kit_pinned`. */
  pinned: z.boolean().default(false),
  /** The gateway has to deny the resource `file:///kit/secret` and allow its neighbours. */
  resources: z.boolean().default(false),
  steps: z.array(step).min(1),
  /** Ids whose request must be answered with an error, or not at all. */
  refused: z.array(id).default([]),
  /** Ids that must be answered with a result. */
  served: z.array(id).default([]),
  /** Texts that no line to the client may contain. */
  clientNever: z.array(z.string()).default([]),
  /** Texts that no line to the server may contain. */
  serverNever: z.array(z.string()).default([]),
  /** The gateway may end the session; the next one must be served. */
  mayEnd: z.boolean().default(false),
});

export type Row = z.infer<typeof row>;
export type Step = z.infer<typeof step>;

/** All rows of a folder. Throws with the file's name when one is wrong. */
export function readRows(folder: string): Row[] {
  return readdirSync(folder).filter((name) => name.endsWith(".yaml")).sort().flatMap((name) => {
    const parsed = z.array(row).safeParse(parse(readFileSync(join(folder, name), "utf8")));
    if (!parsed.success) throw new Error(`${name}: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  });
}

export function bytesOf(value: z.infer<typeof bytes>): Buffer {
  const parts = Array.isArray(value) ? value : [value];
  return Buffer.concat(parts.map((each) => {
    if (typeof each === "string") return Buffer.from(each);
    if ("hex" in each) return Buffer.from(each.hex.replaceAll(" ", ""), "hex");
    return Buffer.from(each.repeat.repeat(each.times));
  }));
}
