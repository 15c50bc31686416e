/** The apps of this agent: those of its file, and app resources that its selectors match. */
import type { App, Clock, Log } from "../../identity/mod.ts";
import { ServedApps } from "../../relay/agent/mod.ts";
import type { AppSection, LabelSelector } from "../config/app_section.ts";

/** What the cluster says of app resources, and how it is told of apps. */
export interface AppsHome {
  readonly clock: Clock;
  readonly log: Log;
  readonly view: { appResources(): App[]; subscribe(listener: () => void): () => void };
  readonly present: (apps: readonly App[]) => Promise<void>;
}

/** Tells the cluster which apps this agent serves, now and after each change of app resources. */
export async function serveApps(
  { clock, log, present, view }: AppsHome,
  { apps, appSelectors }: Pick<AppSection, "apps" | "appSelectors">,
  resources: AsyncDisposableStack,
): Promise<ServedApps> {
  const names = new Set(apps.map(({ name }) => name));
  const all = (): App[] => [
    ...apps,
    ...view.appResources().filter(({ name, labels }) =>
      !names.has(name) && appSelectors.some((selector) => selects(selector, labels))
    ),
  ];
  const served = await ServedApps.start({
    apps: all,
    present,
    clock,
    log,
  });
  resources.defer(() => served.close());
  resources.defer(view.subscribe(() => {
    served.refresh().catch((error: unknown) =>
      log.error("Cannot present the apps of this agent", { error: String(error) })
    );
  }));
  return served;
}

function selects(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(selector);
  return entries.length > 0 && entries.every(([key, values]) => {
    if (key === "*") return values.includes("*");
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    return value !== undefined && (values.includes("*") || values.includes(value));
  });
}
