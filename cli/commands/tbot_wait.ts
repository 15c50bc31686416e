import { setTimeout as sleep } from "node:timers/promises";
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { IdentityError, parseDuration } from "../../identity/mod.ts";
import type { TbotHost } from "./_tbot_host.ts";
import type { TbotRoot } from "./_tbot_options.ts";

/** How often a tbot that is not ready is asked again. */
const PAUSE_MS = 250;

/** How long one answer may take. */
const ANSWER_MS = 5_000;

interface Question {
  readonly url: string;
  readonly signal: AbortSignal;
}

/** `tbot wait`: ends once the tbot at an address is ready, for scripts and units that come after it. */
export function addWait(root: TbotRoot, host: TbotHost): void {
  root.command("wait")
    .description("Wait until a running tbot is ready")
    .requiredOption("--diag-addr <host:port>", "where the running tbot serves its health")
    .option("--service <name>", "wait for this service alone")
    .option("--timeout <duration>", "give up after this time; without it, wait for ever", duration)
    .action(async ({ diagAddr, service, timeout }) => {
      const path = service === undefined ? "/readyz" : `/readyz/${encodeURIComponent(service)}`;
      const ends = timeout === undefined ? [] : [AbortSignal.timeout(timeout)];
      const signal = AbortSignal.any([host.signal, ...ends]);
      let last = await ask({ url: `http://${diagAddr}${path}`, signal });
      while (last !== undefined) {
        if (signal.aborted) {
          throw new IdentityError("UNAVAILABLE", `tbot at ${diagAddr} is not ready: ${last}`, {
            hint: "Look into the log of the running tbot; it needs diag_addr or --diag-addr",
          });
        }
        await sleep(PAUSE_MS, undefined, { signal }).catch(() => {});
        last = signal.aborted ? last : await ask({ url: `http://${diagAddr}${path}`, signal });
      }
    });
}

/** What is still missing; nothing when the tbot is ready. */
async function ask({ url, signal }: Question): Promise<string | undefined> {
  let response: Response;
  try {
    const enough = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    response = await fetch(url, { signal: enough });
  } catch (error) {
    return signal.aborted ? "no answer in time" : String(error);
  }
  const text = (await response.text()).trim();
  if (response.ok) return undefined;
  if (response.status === 404) {
    throw new IdentityError("CONFIG_INVALID", "Cannot wait: tbot has no service of this name", {
      hint: "Names are those of `services` in its configuration, such as identity-1",
    });
  }
  return text;
}

function duration(value: string): number {
  const ms = parseDuration(value);
  if (ms !== undefined && ms > 0) return ms;
  throw new InvalidArgumentError("Expected a duration such as 30s or 5m.");
}
