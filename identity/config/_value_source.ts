/** Where a value comes from: written out, or from a file, a variable or a command of the agent. */
import * as z from "zod";
import type { ValueSource } from "../app.ts";
import { mapInstead, period } from "./fields.ts";
import { hinted } from "./problems.ts";

/** A command that prints a secret is asked again after this time, unless the file says otherwise. */
const DEFAULT_PERIOD_MS = 5 * 60_000;
/** Shorter would do nothing but start processes. */
export const MIN_PERIOD_MS = 1_000;

const WAYS = ["value", "file", "env", "command"] as const;

/** A program and its arguments. */
export const argv = z.array(z.string()).min(1, "it names no program")
  .refine(([program]) => program !== "", "it names no program");

/** The name of an environment variable. */
export const variable = z.string().regex(
  /^[A-Za-z_][A-Za-z0-9_]*$/,
  "the name of a variable has letters, digits and _, and begins with no digit",
);

/** The keys that name a source other than the configuration itself. */
export const referenceFields = {
  file: z.string().regex(/^\/|^[A-Za-z]:[\\/]/, "write the full path of the file").optional(),
  env: variable.optional(),
  command: argv.optional(),
  period: period(MIN_PERIOD_MS).optional(),
};

type Fields = {
  readonly [key in keyof typeof referenceFields]?:
    | z.infer<(typeof referenceFields)[key]>
    | undefined;
};

/** A text, or a map with one of `value`, `file`, `env` and `command`. */
export const valueSource = z.preprocess(
  (written) => typeof written === "string" ? { value: written } : written,
  z.strictObject({ value: z.string().optional(), ...referenceFields }, mapInstead("a text"))
    .superRefine(
      (fields, context) => {
        const problem = sourceProblem(fields, WAYS);
        if (problem) context.addIssue(problem);
      },
    ),
);

/** What is wrong with the fields of one source, taken together. */
export function sourceProblem(
  fields: Fields & { readonly value?: string | undefined },
  ways: readonly (typeof WAYS)[number][],
): ReturnType<typeof hinted> | undefined {
  if (ways.filter((way) => fields[way] !== undefined).length !== 1) {
    return hinted(`write exactly one of ${ways.map((way) => `\`${way}\``).join(", ")}`);
  }
  return fields.period !== undefined && fields.command === undefined
    ? hinted("only a `command` has a `period`", "files are read again when they change")
    : undefined;
}

/** The source that checked fields name. */
export function toValueSource(
  { value, file, env, command, period }: Fields & { readonly value?: string | undefined },
): ValueSource {
  if (file !== undefined) return { kind: "file", path: file };
  if (env !== undefined) return { kind: "env", name: env };
  if (command !== undefined) {
    return { kind: "command", command, periodMs: period ?? DEFAULT_PERIOD_MS };
  }
  return { kind: "value", value: value ?? "" };
}

/** A map with one of `file`, `env` and `command`: for what may not stand in the file itself. */
export const secretSource = z.strictObject(referenceFields).superRefine((fields, context) => {
  const problem = sourceProblem(fields, ["file", "env", "command"]);
  if (problem) context.addIssue(problem);
}).transform(toValueSource);
