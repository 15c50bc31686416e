/** How a cluster is watched: `teleport.diag_addr` and `tracing_service` of `teleport.yaml`. */
import { z } from "zod";
import { invalidConfig, placeOf, toggle } from "../../identity/config/mod.ts";
import type { Source } from "../../identity/config/mod.ts";
import type { HostPort } from "./host_port.ts";
import { parseHostPort } from "./host_port.ts";

export interface DiagnosticsSection {
  /** Where health and metrics are served; nowhere without it. */
  readonly diagnostics: HostPort | undefined;
  readonly tracing: TracingSection | undefined;
}

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

interface Raw {
  readonly diag_addr?: string | undefined;
  readonly tracing: z.infer<typeof tracingSchema>;
}

/** What the checked values say; throws `CONFIG_INVALID` for what is no address. */
export function readDiagnosticsSection(
  { diag_addr, tracing }: Raw,
  source: Source,
): DiagnosticsSection {
  return {
    diagnostics: diag_addr === undefined
      ? undefined
      : parseHostPort(diag_addr, source, ["teleport", "diag_addr"]),
    tracing: tracing?.enabled ? readTracing(tracing, source) : undefined,
  };
}

function readTracing(
  { exporter_url, sampling_rate_per_million }: NonNullable<Raw["tracing"]>,
  source: Source,
): TracingSection {
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
