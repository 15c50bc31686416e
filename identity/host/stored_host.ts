/** What a joined host keeps in its data directory: one file, private, replaced as a whole. */
import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { IdentityError } from "../error.ts";

const schema = z.object({
  cluster: z.string(),
  host: z.string().regex(/^[0-9a-f]{32}$/),
  certificate: z.string(),
  key: z.string(),
  hostCas: z.array(z.string()).min(1),
});

export type StoredHost = z.infer<typeof schema>;

export class HostFile {
  readonly path: string;

  constructor(directory: string, role: "agent" | "relay") {
    this.path = join(directory, `host_${role}.json`);
  }

  /** Undefined before the host has joined; throws `STORE_INVALID` for a file that is none of ours. */
  async read(): Promise<StoredHost | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw invalid(this.path, String((cause as NodeJS.ErrnoException).code), cause);
    }
    try {
      return schema.parse(JSON.parse(text));
    } catch (cause) {
      throw invalid(this.path, "it is damaged", cause);
    }
  }

  async write(stored: StoredHost): Promise<void> {
    const directory = dirname(this.path);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const fresh = `${this.path}.${randomBytes(8).toString("hex")}.tmp`;
    try {
      const handle = await open(fresh, "wx", 0o600);
      try {
        await handle.writeFile(`${JSON.stringify(stored, undefined, 2)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(fresh, this.path);
    } catch (cause) {
      await rm(fresh, { force: true }).catch(() => {});
      throw invalid(this.path, String((cause as NodeJS.ErrnoException).code ?? cause), cause);
    }
  }
}

function invalid(path: string, found: string, cause: unknown): IdentityError {
  return new IdentityError("STORE_INVALID", `Cannot use ${path}: ${found}`, {
    hint: "See to the owner of the data directory; without the file, the host joins as a new one",
    cause,
  });
}
