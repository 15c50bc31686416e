/** Configuration files: YAML read with positions, and checked against a schema. */
import { LineCounter, parseDocument } from "yaml";
import type { Document } from "yaml";
import type { ZodType } from "zod";
import { formatProblems } from "../../policy/mod.ts";
import type { Problem } from "../../policy/mod.ts";
import { IdentityError } from "../error.ts";
import { schemaProblems } from "./problems.ts";
import type { Source } from "./problems.ts";

/** Far beyond any configuration. */
const MAX_CONFIG_CHARS = 1_000_000;

/** Aliases may unfold to more than memory holds; a configuration has use for few. */
const MAX_ALIASES = 100;

/** Reads one YAML document; `file` is its name in messages. Throws `CONFIG_INVALID`. */
export function parseYaml(text: string, file: string): Source {
  if (text.length > MAX_CONFIG_CHARS) {
    throw invalidConfig(file, [{ at: { file, line: 1, column: 1 }, message: "it is too large" }]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw invalidConfig(
      file,
      document.errors.map(({ pos, message }) => {
        const { line, col } = lines.linePos(pos[0]);
        return { at: { file, line, column: col }, message };
      }),
    );
  }
  return { file, document, lines };
}

/** The document as the schema has it; throws `CONFIG_INVALID` with every problem and its place. */
export function checkYaml<T>(source: Source, schema: ZodType<T>): T {
  const parsed = schema.safeParse(plain(source.document, source.file) ?? {});
  if (parsed.success) return parsed.data;
  throw invalidConfig(source.file, schemaProblems(source, schema, parsed.error));
}

/** The error for a configuration with problems. */
export function invalidConfig(file: string, problems: readonly Problem[]): IdentityError {
  const list = formatProblems(problems).replaceAll(/^/gm, "  ");
  const count = problems.length === 1 ? "one problem" : `${problems.length} problems`;
  return new IdentityError(
    "CONFIG_INVALID",
    `Cannot use the configuration ${file}: ${count}\n${list}`,
    { hint: "Correct the file and start again" },
  );
}

function plain(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw invalidConfig(file, [{ at: { file, line: 1, column: 1 }, message }]);
  }
}
