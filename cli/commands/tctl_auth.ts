import { Option } from "@commander-js/extra-typings";
import { certAuthorityLine } from "../../identity/ssh/mod.ts";
import { addRotate } from "./tctl_auth_rotate.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

const TYPES = ["host", "user", "tls-host", "tls-user"] as const;

/** `tctl auth`: the cluster's certificate authorities. */
export function addAuth(root: TctlRoot, tctl: Tctl): void {
  const auth = root.command("auth").description("The certificate authorities of the cluster");
  addRotate(auth, tctl);
  auth.command("export").description("Print the public side of the authorities; nothing secret")
    .addOption(
      new Option("--type <type>", "host, user (SSH), tls-host or tls-user (PEM); host and user")
        .choices(TYPES),
    )
    .action(async ({ type }) => {
      const { cluster, hostCas, sshHostCas, sshUserCas, userCas } = await tctl.withAdmin((admin) =>
        admin.trust({})
      );
      const texts: Readonly<Record<typeof TYPES[number], readonly string[]>> = {
        host: sshHostCas.map((key) => `${certAuthorityLine(cluster, key)}\n`),
        // A line of authorized_keys (sshd(8)): whoever this CA has signed may come.
        user: sshUserCas.map((key) => `cert-authority ${key} clustername=${cluster}&type=user\n`),
        "tls-host": hostCas,
        "tls-user": userCas,
      };
      const wanted = type === undefined ? ["host", "user"] as const : [type];
      tctl.host.stdout.write(wanted.flatMap((each) => texts[each]).join(""));
    });
}
