import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { IdentityError, UNSUPPORTED_SERVICES, unsupportedService } from "../../identity/mod.ts";

/**
 * Has a command refuse the original's other services, `tbot start database …` and the like, with
 * what to use in their place; the help does not show them.
 */
export function refuseUnsupportedServices(command: CommandUnknownOpts): void {
  for (const type of UNSUPPORTED_SERVICES) {
    command.command(type, { hidden: true })
      // Whatever is said about it, `--help` included, it is not here.
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .action(() => {
        throw new IdentityError(
          "CONFIG_INVALID",
          `Cannot ${command.name()} a service: ${unsupportedService(type)}`,
        );
      });
  }
}
