/** Kinds of field that several configuration files have. */
import * as z from "zod";
import { parseDuration } from "../duration.ts";

/** A switch. YAML 1.2 reads `yes` and `no` as text; files in the field are full of them. */
export const toggle = z.union([
  z.boolean(),
  z.enum(["yes", "no", "on", "off", "true", "false"]),
], { error: "write `yes` or `no`" })
  .transform((value) => value === true || value === "yes" || value === "on" || value === "true");

/** One text, or a list of them. */
export const oneOrMany = z.union([z.string(), z.array(z.string())])
  .transform((value) => typeof value === "string" ? [value] : value);

/** Milliseconds, from a duration such as `5m`; `least` is the shortest that makes sense. */
export function period(least: number): z.ZodType<number, string> {
  return z.string({ error: "expected a duration such as 5m or 1h" })
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms !== undefined && ms >= least) return ms;
      const message = ms === undefined
        ? `"${text}" is no duration: write one such as 30s, 5m or 1h`
        : `"${text}" is too short: at least ${least / 1000}s`;
      context.issues.push({ code: "custom", input: text, message });
      return z.NEVER;
    });
}

/** Where something listens. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `host:port`; every address of the machine when there is no host. */
export const hostPort = z.string().transform((text, context): HostPort => {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]*):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match && port <= 65_535) {
    return { host: match[1]?.replace(/^\[|\]$/g, "") || "0.0.0.0", port };
  }
  const message = `"${text}" is not an address: write host:port, for example 0.0.0.0:443`;
  context.issues.push({ code: "custom", input: text, message });
  return z.NEVER;
});

/** What a map says that has a shorthand, when it is neither. */
export function mapInstead(
  shorthand: string,
): { readonly error: (issue: { readonly code: string }) => string | undefined } {
  const message = `write ${shorthand} in quotes, or a map`;
  return { error: ({ code }) => code === "invalid_type" ? message : undefined };
}
