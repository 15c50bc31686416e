import type { IdentityRequest } from "../authority/api.ts";
import type { BotService } from "./config.ts";

/** What a service asks the authority for; `publicKey` is SPKI PEM. */
export function identityRequest(service: BotService, publicKey: string): IdentityRequest {
  return {
    publicKey,
    ttl: Math.floor(service.credentialTtl / 1_000),
    // For one app alone, an identity that opens no sessions would be good for nothing.
    ...(service.type === "identity"
      ? { reissue: service.allowReissue }
      : { reissue: true, app: service.app }),
    ...(service.roles && { roles: service.roles }),
  };
}
