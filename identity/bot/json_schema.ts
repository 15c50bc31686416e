import * as z from "zod";
import { rootSchema } from "./_schema.ts";
import { SERVICE_SCHEMAS } from "./_service_schemas.ts";

/** The JSON Schema of `tbot.yaml`, for editors; what relates several fields is not in it. */
export function botConfigSchema(): Record<string, unknown> {
  const { application, identity, "application-tunnel": tunnel } = SERVICE_SCHEMAS;
  const services = z.array(z.union([identity, application, tunnel])).optional();
  const { auth_server: _, ...shape } = rootSchema.shape;
  const schema = z.strictObject({ ...shape, services, outputs: services });
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return { $schema, title: "tbot.yaml, version 2", ...rest };
}
