/**
 * The administration over HTTP: `POST /admin/v1/<operation>` with the operation's argument as JSON.
 * It asks nobody who they are: whoever reaches the socket may do everything.
 */
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ZodType } from "zod";
import { IdentityError } from "../../error.ts";
import type { Log } from "../../log.ts";
import { toFailure } from "../_failures.ts";
import { checkBody } from "../_read_body.ts";
import type { Admin } from "./admin.ts";
import { explain } from "./remote_admin.ts";
import { operationSchemas } from "./_schemas.ts";

/** The largest text of resources, with room for JSON's escapes. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** The routes to one cluster's administration. */
export function adminApi(admin: Admin, log: Log): Hono {
  const api = new Hono();
  api.use(bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: (context) =>
      context.json({ error: { code: "BAD_REQUEST", message: "The request is too large" } }, 413),
  }));
  api.post("/admin/v1/:operation", async (context) => {
    const operation = context.req.param("operation");
    const argument: unknown = await context.req.json().catch(() => undefined);
    return context.json(await perform(admin, operation, argument));
  });
  api.notFound((context) => {
    const message = `No such page: ${context.req.method} ${context.req.path}`;
    return context.json({ error: { code: "NOT_FOUND", message } }, 404);
  });
  api.onError((error, context) => {
    const { status, body } = toFailure(error, log);
    return context.json(body, status);
  });
  return api;
}

async function perform(admin: Admin, operation: string, argument: unknown): Promise<object> {
  if (!isOperation(operation)) {
    throw new IdentityError("NOT_FOUND", `There is no operation "${operation}"`, {
      hint: "tctl and app-agent may be of different versions",
    });
  }
  const request = checkBody(argument, operationSchemas[operation] as ZodType);
  const method = admin[operation] as (argument: unknown) => Promise<object>;
  return await method.call(admin, request).catch(explain);
}

function isOperation(name: string): name is keyof Admin {
  return Object.hasOwn(operationSchemas, name);
}
