/** The authority as agents and relays in other processes call it. Every method throws `IdentityError`. */
import type { App } from "../app.ts";
import type { AppToken, AppTokenRequest } from "../app_token.ts";
import { type Head, headOf, type SignedHead } from "../audit/chain.ts";
import type { Shipper } from "../audit/shipper.ts";
import { type Route, routeOf } from "../authority/routes.ts";
import type {
  Calls,
  HostJoinRequest,
  HostRenewRequest,
  IssuedHost,
  PresentedApps,
  ShipRequest,
} from "../authority/api.ts";
import { authorityCaller, type ConnectOptions } from "../authority/client.ts";
import { IdentityError } from "../error.ts";
import type { NumberedRecord } from "../storage/pack_records.ts";

export interface HostClient {
  join(request: HostJoinRequest): Promise<IssuedHost>;
  renew(request: HostRenewRequest): Promise<IssuedHost>;
  /** Says which apps the agent serves; to be said again before the lease ends. */
  presentApps(apps: readonly App[]): Promise<PresentedApps>;
  /** Says where agents reach the relay; to be said again before the lease ends. */
  presentRelay(addresses: readonly string[]): Promise<{ readonly lease: number }>;
  signAppToken(request: AppTokenRequest): Promise<AppToken>;
  answer(id: string, answer: unknown): Promise<void>;
  readonly shipper: Shipper;
}

/** A shipment is smaller than what the authority takes. */
const MAX_SHIPMENT_CHARS = 2 * 1024 * 1024;
const MAX_SHIPMENT_RECORDS = 5000;

/** `options` is asked for each call, since certificates are renewed; `onUnreachable` hears of a way that fails. */
export function connectHost(
  options: () => ConnectOptions,
  onUnreachable: (proxy: string) => void = () => {},
): HostClient {
  const call = async <K extends Route>(name: K, body?: Calls[K]["request"]) => {
    const now = options();
    try {
      return await authorityCaller(now)<Calls[K]["answer"]>({ ...routeOf(name), body });
    } catch (error) {
      if (isUnreachable(error)) onUnreachable(now.proxy);
      throw error;
    }
  };
  return {
    join: (request) => call("hostJoin", request),
    renew: (request) => call("hostRenew", request),
    presentApps: (apps) => call("presentApps", { apps }),
    presentRelay: (addresses) => call("presentRelay", { addresses }),
    async signAppToken(request) {
      const { token, expires } = await call("appToken", {
        ...request,
        notAfter: request.notAfter.toISOString(),
      });
      return { token, expires: new Date(expires) };
    },
    async answer(id, answer) {
      await call("answerQuestion", { id, answer });
    },
    shipper: {
      head: () => call("auditHead"),
      async ship(records, head, { durable }) {
        let signed: SignedHead | undefined;
        for (const shipment of shipments(records, head)) {
          signed = await call("shipAudit", { ...shipment, durable });
        }
        return signed!;
      },
    },
  };
}

export function isUnreachable(error: unknown): boolean {
  return error instanceof IdentityError && error.code === "API_UNREACHABLE";
}

/** Pieces of a chain that follow each other, each with the head after it. */
function* shipments(
  records: readonly NumberedRecord[],
  head: Head,
): Iterable<Omit<ShipRequest, "durable">> {
  let piece: NumberedRecord[] = [];
  let length = 0;
  for (const record of records) {
    const full = piece.length >= MAX_SHIPMENT_RECORDS ||
      length + record.text.length > MAX_SHIPMENT_CHARS;
    if (full && piece.length > 0) {
      yield { records: piece, head: headOf(piece.at(-1)!) };
      piece = [];
      length = 0;
    }
    piece.push(record);
    length += record.text.length;
  }
  yield { records: piece, head };
}
