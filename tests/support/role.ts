import { parseRole, type Role } from "../../policy/mod.ts";

/** A role that reaches every test app and allows these tools. */
export function testRole(name: string, tools: readonly string[], options: object = {}): Role {
  const document = {
    kind: "role",
    version: "v6",
    metadata: { name },
    spec: { allow: { app_labels: { env: "test" }, mcp: { tools } }, options },
  };
  return parseRole(JSON.stringify(document), `${name}.yaml`);
}
