/**
 * Runs a program: turns what it throws into an exit code and `error:` and `hint:` lines. Nothing
 * else in the toolkit does either.
 */
import type { PolicyError } from "../policy/mod.ts";
import { visible } from "./visible.ts";

/** A program returns its exit code, or nothing for success; what it throws is explained to the user. */
export type Program<H extends RunHost> = (host: H) => Promise<number | void>;

/** What running a program needs of the world. */
export interface RunHost {
  readonly args: readonly string[];
  readonly stderr: { write(text: string): unknown };
  /** Lets go of what would keep the process alive. */
  close?(): void;
}

/** Success, failure, and a command line or a file that the user has to correct. */
export const EXIT = { ok: 0, failure: 1, usage: 2 } as const;

/** Codes of errors that say: what you wrote cannot be used as it is. */
const BAD_INPUT = new Set(["BAD_REQUEST", "CONFIG_INVALID", "ROLE_INVALID"]);

/** Runs `program`; resolves with the exit code and never rejects. */
export async function run<H extends RunHost>(program: Program<H>, host: H): Promise<number> {
  try {
    return await program(host) ?? EXIT.ok;
  } catch (error) {
    if (isCommanderError(error)) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    // Whoever read our output has had enough: `tctl get roles | head -1`.
    if (codeOf(error) === "EPIPE") return EXIT.ok;
    const { lines, exitCode } = explain(error, isDebug(host.args));
    host.stderr.write(lines.map((line) => `${line}\n`).join(""));
    return exitCode;
  } finally {
    host.close?.();
  }
}

interface Explained {
  readonly lines: readonly string[];
  readonly exitCode: number;
}

function explain(error: unknown, debug: boolean): Explained {
  if (!isExplained(error)) return unexpected(error, debug);
  const { code, hint, message } = error;
  const problems = isPolicyError(error) ? problemLines(error) : [];
  const [first = "", ...rest] = message.split("\n");
  const lines = problems.length > 0
    ? problems
    : [`error: ${first} [${code}]`, ...rest.map((line) => `  ${line}`)];
  return {
    lines: [
      ...lines,
      ...(hint === undefined ? [] : [`hint: ${hint}`]),
      ...(debug ? stackOf(error) : []),
    ].map(visible),
    exitCode: BAD_INPUT.has(code) ? EXIT.usage : EXIT.failure,
  };
}

/** How many problems a person is told at once. */
const TOLD = 50;

function problemLines({ problems }: PolicyError): string[] {
  const lines = problems.slice(0, TOLD).map(({ at, message, hint }) =>
    `error: ${at.file}:${at.line}:${at.column}: ${message}${hint ? ` (${hint})` : ""}`
  );
  if (problems.length > TOLD) lines.push(`error: … and ${problems.length - TOLD} more`);
  return lines;
}

/** Nobody foresaw it, so there is no better word than its own. */
function unexpected(error: unknown, debug: boolean): Explained {
  const message = error instanceof Error ? error.message : String(error);
  const lines = [
    `error: Unexpected failure: ${message} [INTERNAL]`,
    debug ? undefined : "hint: Run it again with --debug to see where it comes from",
    ...(debug ? stackOf(error) : []),
  ];
  return {
    lines: lines.filter((line) => line !== undefined).map(visible),
    exitCode: EXIT.failure,
  };
}

function stackOf(error: unknown): string[] {
  const lines: string[] = [];
  for (let cause = error; cause instanceof Error && lines.length < 100; cause = cause.cause) {
    lines.push(...(cause.stack ?? String(cause)).split("\n"));
  }
  return lines;
}

/** Asked of the arguments, since a program that fails to read them must be explained as well. */
function isDebug(args: readonly string[]): boolean {
  return args.includes("--debug") || args.includes("-d");
}

/** One of our own errors, known by its shape: loading all their classes would cost start-up time. */
interface Explainable extends Error {
  readonly code: string;
  readonly hint: string | undefined;
}

function isExplained(error: unknown): error is Explainable {
  return error instanceof Error && "hint" in error && typeof codeOf(error) === "string";
}

function isPolicyError(error: Explainable): error is PolicyError & Explainable {
  return error.name === "PolicyError";
}

/** Commander has told the user on stderr already, or has shown the help that was asked for. */
function isCommanderError(error: unknown): error is { readonly exitCode: number } {
  return String(codeOf(error)).startsWith("commander.");
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
