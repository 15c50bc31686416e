import { rotationText } from "./_rotation_text.ts";
import { formatOption } from "./_tctl_root.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

/** `tctl status`: the cluster, and what a machine needs to trust it. */
export function addStatus(root: TctlRoot, tctl: Tctl): void {
  root.command("status").description("Show the cluster, its CAs and their pins")
    .addOption(formatOption())
    .action(async ({ format }) => {
      const status = await tctl.withAdmin((admin) => admin.status({}));
      if (format !== "text") return tctl.data(format, status);
      const rows = [
        ["Cluster", status.cluster],
        ["Version", status.version],
        ...(status.publicAddress === undefined ? [] : [["Public address", status.publicAddress]]),
        ...status.cas.map(({ kind, expires, rotation }) => [
          `${kind} CA`,
          `${rotationText(rotation)}, valid until ${expires.slice(0, 10)}`,
        ]),
        ...status.caPins.map((pin) => ["CA pin", pin]),
      ];
      const width = Math.max(...rows.map(([name = ""]) => name.length));
      tctl.say(...rows.map(([name = "", value = ""]) => `${name.padEnd(width)}  ${value}`));
    });
}
