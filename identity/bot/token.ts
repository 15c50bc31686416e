import { readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { IdentityError } from "../error.ts";

/** A join token: the configured text, or the content of the file when it is an absolute path. */
export async function readToken(configured: string): Promise<string> {
  if (!isAbsolute(configured)) return configured;
  let token: string;
  try {
    token = (await readFile(configured, "utf8")).trim();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw invalid(`Cannot read the join token from ${configured}: ${code}`, cause);
  }
  if (token === "") throw invalid(`Cannot join with the token in ${configured}: the file is empty`);
  return token;
}

function invalid(message: string, cause?: unknown): IdentityError {
  return new IdentityError("CONFIG_INVALID", message, {
    hint: "Write the token into the file, and let the user that runs tbot read it",
    cause,
  });
}
