// `tctl edit` with real editors, which are scripts here.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { Guide } from "../support/guide.ts";
import { runProgram } from "../support/cluster_process.ts";
import { scenario as test } from "../support/scenario.ts";

test(
  "a resource is changed in an editor; a lost update is refused, and no text is lost",
  async (context) => {
    const guide = await Guide.start(context);
    const edit = async (script: string, ref = "role/example-role") => {
      const editor = guide.write("editor.sh", `#!/bin/sh\n${script}\n`);
      chmodSync(editor, 0o700);
      return await runProgram("tctl", ["-c", "teleport.yaml", "edit", ref], {
        cwd: guide.directory,
        env: {
          PATH: process.env["PATH"] ?? "",
          EDITOR: `${editor} --flag`,
          TMPDIR: guide.directory,
        },
      });
    };
    // The file comes after the editor's own arguments.
    const changed = await edit(`sed -i "s/env: dev/env: prod/" "$2"`);
    assert.equal(changed.code, 0, changed.stderr);
    assert.equal(changed.stdout, 'role "example-role" has been updated\n');
    assert.match(await guide.tctl("get", "role/example-role"), /env: prod/);

    assert.equal((await edit("exit 0")).stdout, "Nothing was changed\n");
    const aborted = await edit("exit 3");
    assert.notEqual(aborted.code, 0);
    assert.match(aborted.stderr, /ended with 3/);

    const broken = await edit(`sed -i "s/env: prod/env: [/" "$2"`);
    assert.notEqual(broken.code, 0);
    const kept = /Your text is kept in (\S+\.yaml)\./.exec(broken.stderr)?.[1] ?? "";
    assert.match(readFileSync(kept, "utf8"), /env: \[/);
    assert.match(await guide.tctl("get", "role/example-role"), /env: prod/);

    // Somebody else changes it while the editor is open.
    const tctl = `"${guide.cluster.directory}/other.sh"`;
    const other = guide.write(
      "other.sh",
      `#!/bin/sh\nexec "${process.cwd()}/dist/tctl" -c teleport.yaml create -f role.yaml\n`,
    );
    chmodSync(other, 0o700);
    const late = await edit(`${tctl} >&2 && sed -i "s/env: prod/env: late/" "$2"`);
    assert.equal(late.code, 1, late.stdout);
    assert.match(late.stderr, /role "example-role" has been changed by somebody else meanwhile/);
    assert.match(await guide.tctl("get", "role/example-role"), /env: dev/);
    const none = await edit("exit 0", "role/none");
    assert.match(none.stderr, /role "none" is not found/);
    assert.ok(existsSync(kept));
  },
  { proves: ["tctl.edit"] },
);
