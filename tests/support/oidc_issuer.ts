// An OIDC issuer on loopback: discovery, keys that rotate, and whatever tokens a test asks for.
import http from "node:http";
import type { AddressInfo } from "node:net";
import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
} from "jose";
import type { TestContext } from "./harness.ts";

export interface TokenOptions {
  readonly claims?: JWTPayload;
  readonly issuer?: string;
  readonly audience?: string;
  /** Seconds from now. */
  readonly issuedAt?: number;
  readonly expires?: number;
  readonly kid?: string;
  readonly now?: Date;
}

export class OidcIssuer {
  readonly #server: http.Server;
  #key: SigningKey;
  #keys: JWK[];
  #made = 1;
  /** What has been asked for, path by path. */
  readonly asked: string[] = [];
  /** Said of itself instead of its URL. */
  claimsToBe: string | undefined;
  /** Answers with this instead. */
  instead: ((path: string, response: http.ServerResponse) => boolean) | undefined;

  private constructor(key: SigningKey) {
    this.#key = key;
    this.#keys = [key.jwk];
    this.#server = http.createServer(({ url = "" }, response) => {
      this.asked.push(url);
      if (this.instead?.(url, response)) return;
      if (url === "/.well-known/openid-configuration") {
        return json(response, {
          issuer: this.claimsToBe ?? this.url,
          jwks_uri: `${this.url}/keys`,
        });
      }
      if (url === "/keys") return json(response, { keys: this.#keys });
      response.writeHead(404).end();
    });
  }

  static async start({ cleanup }: Pick<TestContext, "cleanup">): Promise<OidcIssuer> {
    const issuer = new OidcIssuer(await makeKey("key-1"));
    await new Promise<void>((resolve) => issuer.#server.listen(0, "127.0.0.1", resolve));
    cleanup(() =>
      new Promise<void>((resolve) => {
        issuer.#server.close(() => resolve());
        issuer.#server.closeAllConnections();
      })
    );
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get jwks(): string {
    return JSON.stringify({ keys: this.#keys });
  }

  /** A new key signs; the old one is known no more. */
  async rotate(): Promise<void> {
    this.#key = await makeKey(`key-${++this.#made}`);
    this.#keys = [this.#key.jwk];
  }

  token(
    {
      audience = "example.test",
      claims = {},
      expires = 600,
      issuedAt = 0,
      issuer = this.url,
      kid = this.#key.kid,
      now = new Date(),
    }: TokenOptions = {},
  ): Promise<string> {
    const seconds = Math.floor(now.getTime() / 1000);
    return new SignJWT({ sub: "machine", jti: crypto.randomUUID(), ...claims })
      .setProtectedHeader({ alg: "ES256", kid })
      .setIssuer(issuer).setAudience(audience)
      .setIssuedAt(seconds + issuedAt).setExpirationTime(seconds + expires)
      .sign(this.#key.privateKey);
  }
}

interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

async function makeKey(kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  return { kid, privateKey, jwk: { ...await exportJWK(publicKey), kid, alg: "ES256", use: "sig" } };
}

function json(response: http.ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}
