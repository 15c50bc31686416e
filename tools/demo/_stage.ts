/** The stage of the demonstration: what is said, what is run, and that no step lasts for ever. */
import process from "node:process";

/** Far more than any step needs, even on a busy machine. */
const STEP_SECONDS = 60;

/** A step did not do what it should. */
export class StepFailed extends Error {
  override readonly name = "StepFailed";
}

export interface Stage {
  /** One sentence about what comes next. */
  say(text: string): void;
  /** A command as somebody would type it. */
  command(line: string): void;
  /** What came back, indented. */
  output(text: string): void;
  /** Runs a step; rejects with `StepFailed`, naming it, when it fails, hangs or is interrupted. */
  step<T>(name: string, body: () => Promise<T>): Promise<T>;
}

/** A stage that prints; `interrupted` ends the step at hand. */
export function createStage(interrupted: AbortSignal): Stage {
  const bold = process.stdout.isTTY ? (text: string) => `\x1b[1m${text}\x1b[0m` : String;
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  return {
    say: (text) => print(`\n${text}`),
    command: (line) => print(bold(`$ ${line}`)),
    output: (text) => {
      for (const line of text.trimEnd().split("\n")) print(`  ${line}`.trimEnd());
    },
    step: async (name, body) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      let stop: () => void = () => {};
      const ending = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new StepFailed(`no result within ${STEP_SECONDS} s`)),
          STEP_SECONDS * 1000,
        );
        stop = () => reject(new StepFailed("interrupted"));
        interrupted.addEventListener("abort", stop, { once: true });
        if (interrupted.aborted) stop();
      });
      try {
        return await Promise.race([body(), ending]);
      } catch (cause) {
        const found = cause instanceof Error ? cause.message : String(cause);
        throw new StepFailed(`${name}: ${found}`, { cause });
      } finally {
        clearTimeout(timer);
        interrupted.removeEventListener("abort", stop);
      }
    },
  };
}

/** Throws unless what came back is as it should be. */
export function expect(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new StepFailed(otherwise);
}
