import type { Command } from "@commander-js/extra-typings";
import { withApplicationOptions, withIdentityOptions, withTunnelOptions } from "./_tbot_options.ts";
import type {
  ApplicationOptions,
  IdentityOptions,
  ServiceOptions,
  TunnelOptions,
} from "./_tbot_options.ts";
import { refuseUnsupportedServices } from "./_tbot_unsupported.ts";

/** One service, as a command line describes it. */
export type DescribedService =
  | { readonly type: "identity"; readonly options: IdentityOptions }
  | { readonly type: "application"; readonly options: ApplicationOptions }
  | { readonly type: "application-tunnel"; readonly options: TunnelOptions };

interface Verb {
  /** What the help says of a service, given what it is. */
  readonly description: (what: string) => string;
  /** Adds options of the verb's own. */
  readonly more?: (command: Command) => Command;
  readonly act: (service: DescribedService) => Promise<void>;
}

/** Adds a command for each type of service: `tbot start TYPE`, `tbot configure TYPE`. */
export function addServices<Args extends unknown[], Options extends ServiceOptions>(
  parent: Command<Args, Options>,
  { act, description, more = (command) => command }: Verb,
): void {
  const add = (type: string, what: string) =>
    more(parent.command(type).description(description(what)) as unknown as Command);
  // Options may stand before the type as well.
  const given = parent as unknown as Command<[], ServiceOptions>;
  withIdentityOptions(add("identity", "one identity output").aliases(["ssh", "id"]))
    .action((_, command) =>
      act({ type: "identity", options: { ...given.opts(), ...command.opts() } })
    );
  withApplicationOptions(add("application", "certificate and key for one app").alias("app"))
    .action((_, command) =>
      act({ type: "application", options: { ...given.opts(), ...command.opts() } })
    );
  withTunnelOptions(add("application-tunnel", "a local port for one app").alias("app-tunnel"))
    .action((_, command) =>
      act({ type: "application-tunnel", options: { ...given.opts(), ...command.opts() } })
    );
  refuseUnsupportedServices(parent);
}
