import type { Context } from "hono";
import type { ZodType } from "zod";
import { IdentityError } from "../error.ts";

/** The body of a request as its schema has it; throws `BAD_REQUEST`, and quotes none of it. */
export async function readBody<T>(
  { req }: Pick<Context, "req">,
  schema: ZodType<T>,
): Promise<T> {
  return checkBody(await req.json().catch(() => undefined), schema);
}

export function checkBody<T>(body: unknown, schema: ZodType<T>): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.length ? ` at ${issue.path.join(".")}` : "";
  throw new IdentityError("BAD_REQUEST", `The request is not valid${where}: ${issue?.message}`);
}
