import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { IdentityError } from "../../identity/mod.ts";
import { formatResources } from "./_format_resources.ts";
import { labelOf, parseRef } from "./_resource_ref.ts";
import type { TctlHost } from "./_tctl_host.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

/** `tctl edit`: a resource in the user's editor, written back unless somebody else has changed it. */
export function addEdit(root: TctlRoot, tctl: Tctl): void {
  root.command("edit").description("Change a resource in an editor (VISUAL, EDITOR, or vi)")
    .argument("<kind/name>", "such as role/reader")
    .action(async (text) => {
      const ref = parseRef(text);
      const resources = await tctl.withAdmin((admin) => admin.getResources({ refs: [ref] }));
      const before = await formatResources(resources, "yaml");
      // The directory is its owner's alone.
      const directory = await mkdtemp(join(tmpdir(), "tctl-edit-"));
      const file = join(directory, `${ref.kind}.yaml`);
      await writeFile(file, before, { mode: 0o600 });
      await runEditor(tctl.host, file);
      const after = await readFile(file, "utf8");
      if (after === before) tctl.say("Nothing was changed");
      else await writeBack(tctl, file, after);
      await rm(directory, { recursive: true });
    });
}

/** Nothing of what the user has written is lost when it cannot be used. */
async function writeBack(tctl: Tctl, file: string, text: string): Promise<void> {
  try {
    const changes = await tctl.withAdmin((admin) =>
      admin.createResources({ text, file, force: true, revisions: true })
    );
    tctl.say(...changes.map(({ kind, name }) => `${labelOf(kind)} "${name}" has been updated`));
  } catch (cause) {
    if (!(cause instanceof IdentityError)) throw cause;
    throw new IdentityError(cause.code, cause.message, {
      hint: `Your text is kept in ${file}. ${cause.hint ?? ""}`.trim(),
      cause,
    });
  }
}

function runEditor({ env }: TctlHost, file: string): Promise<void> {
  const command = env["TELEPORT_EDITOR"] || env["VISUAL"] || env["EDITOR"] || "vi";
  // With arguments, as in `code --wait`.
  const [program = "vi", ...args] = command.trim().split(/\s+/);
  return new Promise((resolve, reject) => {
    const fail = (found: string) =>
      reject(
        new IdentityError("BAD_REQUEST", `Cannot edit ${file}: ${program} ${found}`, {
          hint: "Nothing was changed. Name another editor in EDITOR",
        }),
      );
    const child = spawn(program, [...args, file], { stdio: "inherit", env: process.env });
    child.on("error", (error: NodeJS.ErrnoException) => fail(`cannot be started: ${error.code}`));
    child.on("exit", (code, signal) => {
      if (code === 0) resolve();
      else fail(signal === null ? `ended with ${code}` : `was ended by ${signal}`);
    });
  });
}
