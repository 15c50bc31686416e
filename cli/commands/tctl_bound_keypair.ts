import { IdentityError } from "../../identity/mod.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

/** `tctl bound-keypair …`: what else there is to do about tokens of this method. */
export function addBoundKeypair(root: TctlRoot, tctl: Tctl): void {
  root.command("bound-keypair").description("Join tokens of the method bound_keypair")
    .command("rotate").description("Have a machine replace its key at its next join")
    .argument("<token>", "the name of the join token")
    .action(async (name) => {
      const rotateAfter = tctl.host.clock.now().toISOString();
      await tctl.withAdmin(async (admin) => {
        const [token] = await admin.getResources({ refs: [{ kind: "token", name }] });
        const section = token?.spec["bound_keypair"];
        if (token === undefined || typeof section !== "object") {
          throw new IdentityError("BAD_REQUEST", `token "${name}" is none of bound_keypair`, {
            hint: "`tctl tokens ls` shows the method of each",
          });
        }
        const spec = { ...token.spec, bound_keypair: { ...section, rotate_after: rotateAfter } };
        // JSON is YAML. With its revision, so that nobody's edit of this moment is lost.
        const text = JSON.stringify({ ...token, spec });
        await admin.createResources({ text, file: "(rotate)", force: true, revisions: true });
      });
      tctl.say(
        `The key of token "${name}" is replaced at the next join after ${rotateAfter}.`,
        `\`tctl get token/${name}\` then has it in last_rotated_at.`,
      );
    });
}
