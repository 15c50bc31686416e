import { freshLife } from "../identity_check.ts";
import type { IdentityFile } from "../identity_file.ts";
import { generateKeyPair, normalizePublicKey } from "../keys.ts";
import type { BotIdentity } from "./bot_identity.ts";
import type { TunnelService } from "./config.ts";
import { identityRequest } from "./identity_request.ts";
import { assembleIdentity } from "./stored_identity.ts";

/** A listener that carries messages to one app. It is made elsewhere: this room knows no wire. */
export interface Tunnel {
  /** Begins to listen; rejects when that is not possible. */
  listen(): Promise<void>;
  /** Sessions from now on are opened with this identity; those that are open stay. */
  use(identity: IdentityFile): void;
  /** Ends sessions and listener. */
  close(): Promise<void>;
}

/** Makes a tunnel; nothing listens yet. */
export type OpenTunnel = (service: TunnelService) => Tunnel | Promise<Tunnel>;

/** Gives a tunnel a fresh identity, whose key never leaves the memory; returns the milliseconds it is good for. */
export async function renewTunnel(
  service: TunnelService,
  tunnel: Tunnel,
  { bot, now }: { readonly bot: BotIdentity; readonly now: () => Date },
): Promise<number> {
  const key = generateKeyPair();
  const publicKey = normalizePublicKey(key.publicKey);
  const issued = await bot.call((client) =>
    client.issueIdentity(identityRequest(service, publicKey))
  );
  const identity = assembleIdentity(key.privateKey, issued);
  tunnel.use(identity);
  return freshLife(identity, now());
}
