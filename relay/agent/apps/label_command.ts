/** A label whose value a command tells, asked again and again. */
import type { Clock, DynamicLabel } from "../../../identity/mod.ts";
import type { RunCommand } from "../values/run_command.ts";

/** What a label may hold; beyond it nobody could write a rule for it. */
const MAX_LABEL_CHARS = 1024;

export interface LabelEvents {
  /** The value is another one, or is known no more. */
  onChange(): void;
  onFailure(label: DynamicLabel, error: unknown): void;
}

export class LabelCommand {
  #value: string | undefined;
  #failures = 0;

  /** Runs until `signal` is aborted. */
  constructor(
    readonly label: DynamicLabel,
    tools: { readonly clock: Clock; readonly run: RunCommand; readonly signal: AbortSignal },
    events: LabelEvents,
  ) {
    void this.#follow(tools, events);
  }

  /** `undefined` before the command has succeeded, and when it has failed twice in a row. */
  get value(): string | undefined {
    return this.#value;
  }

  async #follow(
    { clock, run, signal }: { clock: Clock; run: RunCommand; signal: AbortSignal },
    events: LabelEvents,
  ): Promise<void> {
    while (!signal.aborted) {
      const before = this.#value;
      try {
        this.#value = labelValue(await run(this.label.command));
        this.#failures = 0;
      } catch (error) {
        // Once may be a hiccup, and the value is no older than two periods.
        if (++this.#failures > 1) this.#value = undefined;
        if (!signal.aborted) events.onFailure(this.label, error);
      }
      if (signal.aborted) return;
      if (this.#value !== before) events.onChange();
      await clock.sleep(this.label.periodMs, signal).catch(() => {});
    }
  }
}

/** The first line, without the blanks around it. */
function labelValue(printed: string): string {
  const [line = ""] = printed.trimStart().split("\n", 1);
  const value = line.trim();
  if (value === "") throw new Error("it has printed nothing");
  if (value.length > MAX_LABEL_CHARS) {
    throw new Error(`its first line has more than ${MAX_LABEL_CHARS} characters`);
  }
  return value;
}
