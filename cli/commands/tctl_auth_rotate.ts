import { type Command, Option } from "@commander-js/extra-typings";
import { IdentityError } from "../../identity/mod.ts";
import { seconds } from "./_tctl_root.ts";
import type { Tctl, TctlOptions } from "./_tctl_root.ts";

const TYPES = ["host", "user"] as const;
const PHASES = ["init", "standby", "update_clients", "update_servers", "rollback"] as const;

/** CAs of the original for things that Postern does not serve. */
const FOREIGN = ["db", "db_client", "openssh", "jwt", "saml_idp", "oidc_idp", "spiffe", "okta"];

/** The original's default. */
const GRACE_SECONDS = 48 * 3600;

/** `tctl auth rotate`: replaces a CA without an outage. */
export function addRotate(auth: Command<[], TctlOptions>, tctl: Tctl): void {
  auth.command("rotate").description("Replace a certificate authority, phase by phase")
    .option("--type <type>", "the authority: host or user")
    .option("--manual", "go to one phase and stay there")
    .addOption(new Option("--phase <phase>", "the phase to go to").choices(PHASES))
    .option(
      "--grace-period <duration>",
      "how long a rotation by schedule lasts; old certificates are good until its end",
      seconds,
      GRACE_SECONDS,
    )
    .action(async ({ gracePeriod: graceSeconds, manual, phase, type: name }) => {
      const type = caType(name);
      if (manual && phase === undefined) {
        throw new IdentityError("BAD_REQUEST", "Cannot rotate by hand: no phase is given", {
          hint: `Add --phase=init, update_clients, update_servers, standby or rollback`,
        });
      }
      const mode = manual ? "manual" : "auto";
      const request = { type, mode, graceSeconds, ...(phase && { phase }) } as const;
      await tctl.withAdmin((admin) => admin.rotateCa(request));
      tctl.say(
        phase === undefined
          ? "Initiated certificate authority rotation. To check status use 'tctl status'"
          : `Updated rotation phase to "${phase}". To check status use 'tctl status'`,
      );
    });
}

function caType(name: string | undefined): typeof TYPES[number] {
  const type = TYPES.find((type) => type === name);
  if (type !== undefined) return type;
  const found = name === undefined
    ? "no --type is given"
    : FOREIGN.includes(name)
    ? `Postern has no "${name}" authority`
    : `there is no authority "${name}"`;
  throw new IdentityError("BAD_REQUEST", `Cannot rotate a certificate authority: ${found}`, {
    hint: name === "jwt"
      ? "Keys of tokens are replaced by themselves, every month; other types are host and user"
      : "Use --type=host or --type=user",
  });
}
