import { type Log, type LogFields, plainJson } from "../identity/mod.ts";
import { visible } from "./visible.ts";

/** `text` is for people, `json` for programs: one object on each line. */
export type LogFormat = "text" | "json";

export interface LogOptions {
  readonly write: (line: string) => unknown;
  readonly format: LogFormat;
  /** Whether the lines of `debug` are written. */
  readonly debug: boolean;
  readonly now: () => Date;
}

type Level = keyof Log;

/**
 * The one writer of the log. Fields are scalars, and whoever logs passes no secret; what peers have
 * put into a value cannot break out of its line.
 */
export function createLog({ write, format, debug, now }: LogOptions): Log {
  const line = format === "json" ? jsonLine : textLine;
  const at = (level: Level) => (message: string, fields?: LogFields) => {
    write(line(now(), level, message, fields ?? {}));
  };
  return {
    debug: debug ? at("debug") : () => {},
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  };
}

function jsonLine(now: Date, level: Level, message: string, fields: LogFields): string {
  const own = { time: now.toISOString(), level, message };
  // Ours stand first for the reader, and last so that no field takes their place.
  return `${plainJson(JSON.stringify({ ...own, ...fields, ...own }))}\n`;
}

function textLine(now: Date, level: Level, message: string, fields: LogFields): string {
  const rest = Object.entries(fields).filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${quoted(value)}`);
  return visible(
    `${now.toISOString()} ${level.toUpperCase().padEnd(5)} ${message}${rest.join("")}`,
  ) +
    "\n";
}

/** A value stands bare where that cannot be misread. */
function quoted(value: LogFields[string]): string {
  const text = String(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
