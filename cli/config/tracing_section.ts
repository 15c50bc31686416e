/** `tracing_service` of `teleport.yaml`: where traces go. */
import { z } from "zod";
import { invalidConfig, placeOf, toggle } from "../../identity/config/mod.ts";
import type { Source } from "../../identity/config/mod.ts";

export interface TracingSection {
  /** A collector's address for traces, OTLP over HTTP. */
  readonly url: string;
  /** Share of the traces that begin here and are kept, 0 to 1. */
  readonly ratio: number;
}

const MILLION = 1_000_000;

export const tracingSchema = z.strictObject({
  enabled: toggle.default(true),
  exporter_url: z.string().optional(),
  sampling_rate_per_million: z.number().int().min(0).max(MILLION).default(0),
}).optional();

/** What a checked section says; nothing when it is switched off. */
export function readTracing(
  raw: z.infer<typeof tracingSchema>,
  source: Source,
): TracingSection | undefined {
  if (!raw?.enabled) return undefined;
  const { exporter_url, sampling_rate_per_million } = raw;
  const wrong = (message: string) =>
    invalidConfig(source.file, [{
      at: placeOf(source, ["tracing_service", "exporter_url"]),
      message,
      hint: "write the collector's address for OTLP over HTTP, for example http://127.0.0.1:4318",
    }]);
  if (exporter_url === undefined) throw wrong("`tracing_service` has no `exporter_url`");
  if (!URL.canParse(exporter_url)) throw wrong("`exporter_url` is not a URL");
  const url = new URL(exporter_url);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw wrong(`\`exporter_url\` is not http or https but ${url.protocol}//`);
  }
  if (url.pathname === "/") url.pathname = "/v1/traces";
  return { url: url.href, ratio: sampling_rate_per_million / MILLION };
}
