import type { Role } from "../../policy/mod.ts";

/** A role that reaches every test app and allows these tools. */
export function testRole(name: string, tools: readonly string[]): Role {
  return { name, tools } as unknown as Role;
}
