import type { JsonView } from "../wire/json.ts";

/** Params beyond this are left out of an event; how long they were stays. */
const MAX_PARAMS_BYTES = 16 * 1024;

/** A message as it was scanned or is about to be sent. */
export interface Told {
  readonly method?: string | undefined;
  /** As JSON text. */
  readonly id?: string | undefined;
  readonly params?: JsonView | undefined;
}

/** What came, in the compact form in which it goes on; ids and parameters keep every digit. */
export function messageJson({ method, id, params }: Told): string {
  let json = '{"jsonrpc":"2.0"';
  if (method !== undefined) json += `,"method":${JSON.stringify(method)}`;
  if (id !== undefined) json += `,"id":${id}`;
  if (params) {
    const bytes = params.end - params.start;
    json += bytes > MAX_PARAMS_BYTES
      ? `,"params_omitted_bytes":${bytes}`
      : `,"params":${params.text()}`;
  }
  return `${json}}`;
}
