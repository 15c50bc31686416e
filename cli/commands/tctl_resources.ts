import { readFile } from "node:fs/promises";
import { Option } from "@commander-js/extra-typings";
import type { Resource } from "../../identity/authority/admin/mod.ts";
import { IdentityError } from "../../identity/mod.ts";
import { formatResources } from "./_format_resources.ts";
import { labelOf, parseRef, parseRefs } from "./_resource_ref.ts";
import type { TctlHost } from "./_tctl_host.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

/** More than the authority takes; it says so itself. */
const MAX_INPUT_BYTES = 8 * 1024 * 1024;

/** `tctl create`, `tctl get` and `tctl rm`. */
export function addResources(root: TctlRoot, tctl: Tctl): void {
  root.command("create").description("Create resources from a file or from stdin")
    .argument("[file]", "YAML or JSON, any number of resources")
    .option("-f, --force", "overwrite resources that exist")
    .action(async (file, { force = false }) => {
      const text = await (file === undefined ? readStdin(tctl.host) : readInput(file));
      const changes = await tctl.withAdmin((admin) =>
        admin.createResources({ text, file: file ?? "(stdin)", force })
      );
      tctl.say(
        ...changes.map(({ kind, name, change }) =>
          change === "created"
            ? `${labelOf(kind)} "${name}" has been created`
            : `${labelOf(kind)} "${name}" has been updated`
        ),
      );
    });

  root.command("get").description("Print resources")
    .argument("<kind[/name],…>", "such as roles, role/reader or bots,tokens")
    .addOption(
      new Option("--format <format>", "how to print them").choices(
        ["yaml", "json", "text"] as const,
      )
        .default("yaml" as const),
    )
    .option("--with-secrets", "print secrets as well, where the cluster keeps them")
    .action(async (text, { format, withSecrets }) => {
      const refs = parseRefs(text);
      const resources = await tctl.withAdmin((admin) =>
        admin.getResources({ refs, ...(withSecrets && { secrets: true }) })
      );
      if (withSecrets && resources.some(isHashed)) {
        tctl.host.stderr.write("One-time tokens are stored as hashes: they cannot be printed.\n");
      }
      if (format === "json") await tctl.data(format, resources);
      else tctl.host.stdout.write(await formatResources(resources, format));
    });

  root.command("rm").description("Remove a resource")
    .argument("<kind/name>", "such as role/reader")
    .action(async (text) => {
      const ref = parseRef(text);
      const removed = await tctl.withAdmin((admin) => admin.removeResource(ref));
      const label = ref.kind === "bot" ? "Bot" : labelOf(ref.kind);
      tctl.say(`${label} "${removed.name}" has been deleted`);
    });
}

function isHashed({ kind, spec }: Resource): boolean {
  return kind === "token" && spec["join_method"] === "token";
}

async function readInput(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new IdentityError("BAD_REQUEST", `Cannot read ${path}: ${code}`, {
      hint: "Check the path; without one, resources are read from stdin",
      cause,
    });
  }
}

async function readStdin({ stdin }: TctlHost): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stdin) {
    text += typeof chunk === "string" ? chunk : decoder.decode(chunk as Uint8Array, {
      stream: true,
    });
    if (text.length > MAX_INPUT_BYTES) {
      throw new IdentityError("BAD_REQUEST", "Cannot read stdin: it is larger than 8 MiB", {
        hint: "Use several smaller files",
      });
    }
  }
  return text + decoder.decode();
}
