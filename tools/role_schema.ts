// Writes docs/schema/role.schema.json, the schema of a role for editors.
import { mkdirSync, writeFileSync } from "node:fs";
import { roleSchema } from "../policy/schema.ts";

mkdirSync("docs/schema", { recursive: true });
writeFileSync("docs/schema/role.schema.json", `${JSON.stringify(roleSchema(), undefined, 2)}\n`);
