/**
 * The apps that an agent serves. The agent alone knows how to reach their servers; what it presents
 * to the cluster is what roles and people need: name, description, URI and labels.
 */
import type { App, Clock, Log } from "../../../identity/mod.ts";
import { type RunCommand, runCommand } from "../values/run_command.ts";
import { LabelCommand } from "./label_command.ts";

export interface ServedAppsOptions {
  /** What the configuration and the resources say now, in full. */
  readonly apps: () => readonly App[];
  /** Tells the cluster. */
  readonly present: (apps: readonly App[]) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly run?: RunCommand;
}

interface Served {
  readonly app: App;
  readonly definition: string;
  readonly labels: readonly LabelCommand[];
  readonly stop: AbortController;
}

export class ServedApps {
  readonly #options: ServedAppsOptions;
  readonly #served = new Map<string, Served>();
  #presented = "";
  #presenting: Promise<void> = Promise.resolve();

  private constructor(options: ServedAppsOptions) {
    this.#options = options;
  }

  /** Presents what can be judged already; apps whose labels are still unknown follow. */
  static async start(options: ServedAppsOptions): Promise<ServedApps> {
    const served = new ServedApps(options);
    await served.refresh();
    return served;
  }

  /** An app as it was configured, with all that its server needs. */
  find(name: string): App | undefined {
    return this.#served.get(name)?.app;
  }

  /** Looks again at what there is to serve; resolves when the cluster knows. */
  refresh(): Promise<void> {
    const apps = new Map(this.#options.apps().map((app) => [app.name, app]));
    for (const [name, { definition, stop }] of this.#served) {
      const app = apps.get(name);
      if (app && JSON.stringify(app) === definition) continue;
      stop.abort();
      this.#served.delete(name);
    }
    for (const app of apps.values()) {
      if (!this.#served.has(app.name)) this.#served.set(app.name, this.#serve(app));
    }
    return this.#present();
  }

  /** Ends the commands; resolves when nothing is being presented any more. */
  async close(): Promise<void> {
    for (const { stop } of this.#served.values()) stop.abort();
    this.#served.clear();
    await this.#presenting.catch(() => {});
  }

  #serve(app: App): Served {
    const { clock, log, run = runCommand } = this.#options;
    const stop = new AbortController();
    const labels = (app.dynamicLabels ?? []).map((label) =>
      new LabelCommand(label, { clock, run, signal: stop.signal }, {
        onChange: () => {
          this.#present().catch((error: unknown) => {
            log.error("Cannot present the apps of this agent", { error: String(error) });
          });
        },
        onFailure: ({ name }, error) =>
          log.error("The command of a label has failed", {
            app: app.name,
            label: name,
            error: error instanceof Error ? error.message : String(error),
          }),
      })
    );
    return { app, definition: JSON.stringify(app), labels, stop };
  }

  #present(): Promise<void> {
    // One at a time, so that the last word is the newest.
    const next = this.#presenting.catch(() => {}).then(async () => {
      const apps = [...this.#served.values()].map(presentable).filter((app) => app !== undefined);
      const text = JSON.stringify(apps);
      if (text === this.#presented) return;
      await this.#options.present(apps);
      this.#presented = text;
    });
    this.#presenting = next;
    return next;
  }
}

/**
 * INVARIANT (closed): an app with a label that is not known is not served at all. To leave the
 * label out would be enough for allow rules, and would turn off the deny rules that select by it.
 */
function presentable({ app, labels }: Served): App | undefined {
  const { name, description, uri } = app;
  const told: Record<string, string> = {};
  for (const { label, value } of labels) {
    if (value === undefined) return undefined;
    told[label.name] = value;
  }
  return { name, description, uri, labels: { ...app.labels, ...told } };
}
