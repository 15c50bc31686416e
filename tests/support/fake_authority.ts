import { randomBytes } from "node:crypto";
import type {
  HeartbeatRequest,
  IdentityRequest,
  IssuedCertificates,
  JoinRequest,
  RenewRequest,
  TrustBundle,
} from "../../identity/authority/api.ts";
import type { AuthorityClient, ConnectOptions } from "../../identity/authority/client.ts";
import { IdentityError, matchesPin } from "../../identity/mod.ts";
import type { BotClaims, Claims, Clock, IdentityErrorCode } from "../../identity/mod.ts";
import { createSshCa, issueSshCertificate } from "../../identity/ssh/mod.ts";
import {
  createCa,
  issueCertificate,
  readCertificate,
  verifyCertificate,
} from "../../identity/x509/mod.ts";
import type { Ca } from "../../identity/x509/mod.ts";

export const CLUSTER = "demo.test";

export interface Call {
  readonly method: "join" | "renew" | "issueIdentity";
  readonly publicKey: string;
}

interface Instance {
  generation: number;
  locked: boolean;
  lastKey: string;
  lastAnswer: IssuedCertificates;
}

/**
 * An authority in memory that keeps the rules a bot lives by: single-use tokens, generations that
 * forgive a lost reply and lock on anything else, and certificates that end.
 */
export class FakeAuthority {
  readonly calls: Call[] = [];
  readonly heartbeats: HeartbeatRequest[] = [];
  /** Called before and after each call's work; what it throws is what the caller gets. */
  intercept: (call: Call, stage: "request" | "reply") => void = () => {};
  readonly #clock: Clock;
  readonly #tokens = new Map<string, { bot: string; usedBy?: string; instance?: string }>();
  readonly #instances = new Map<string, Instance>();
  readonly #sshHostCa = createSshCa();
  readonly #sshUserCa = createSshCa();

  private constructor(clock: Clock, readonly userCa: Ca, readonly hostCa: Ca) {
    this.#clock = clock;
  }

  static async start(clock: Clock): Promise<FakeAuthority> {
    const dates = {
      notBefore: clock.now(),
      notAfter: new Date(clock.now().getTime() + 365 * 86_400_000),
    };
    return new FakeAuthority(
      clock,
      await createCa({ cluster: CLUSTER, kind: "user", ...dates }),
      await createCa({ cluster: CLUSTER, kind: "host", ...dates }),
    );
  }

  addToken(token: string, bot = "robot"): void {
    this.#tokens.set(token, { bot });
  }

  instances(): readonly Readonly<Instance>[] {
    return [...this.#instances.values()];
  }

  connect = (options: ConnectOptions): AuthorityClient => {
    const unused = () => Promise.reject(new Error("a bot never asks for this"));
    const guard = async (call: Call, work: () => Promise<IssuedCertificates>) => {
      this.calls.push(call);
      this.intercept(call, "request");
      this.#checkTrust(options);
      const answer = await work();
      this.intercept(call, "reply");
      return answer;
    };
    return {
      heartbeat: (request) => {
        this.heartbeats.push(request);
        return Promise.resolve({});
      },
      find: unused,
      trust: unused,
      challenge: unused,
      openSession: unused,
      apps: unused,
      join: (request) =>
        guard({ method: "join", publicKey: request.publicKey }, () => this.#join(request)),
      renew: (request) =>
        guard(
          { method: "renew", publicKey: request.publicKey },
          () => this.#renew(options, request),
        ),
      issueIdentity: (request) =>
        guard(
          { method: "issueIdentity", publicKey: request.publicKey },
          () => this.#issueIdentity(options, request),
        ),
    };
  };

  async #join({ token, publicKey, ttl }: JoinRequest): Promise<IssuedCertificates> {
    const entry = this.#tokens.get(token);
    if (!entry) throw refusal("JOIN_REFUSED", "Cannot join: no such token");
    const known = entry.instance ? this.#instances.get(entry.instance) : undefined;
    if (known && entry.usedBy === publicKey) return known.lastAnswer;
    if (known) throw refusal("JOIN_TOKEN_USED", "Cannot join: the token has been used");
    const instance = randomBytes(16).toString("hex");
    const claims: Claims = { kind: "bot", bot: entry.bot, instance, generation: 1 };
    const lastAnswer = await this.#issue(claims, publicKey, ttl);
    this.#instances.set(instance, { generation: 1, locked: false, lastKey: publicKey, lastAnswer });
    Object.assign(entry, { usedBy: publicKey, instance });
    return lastAnswer;
  }

  async #renew(options: ConnectOptions, request: RenewRequest): Promise<IssuedCertificates> {
    const { claims, instance } = await this.#caller(options);
    if (claims.generation !== instance.generation) {
      const isLostReply = claims.generation === instance.generation - 1 &&
        request.publicKey === instance.lastKey;
      if (isLostReply) return instance.lastAnswer;
      instance.locked = true;
      throw refusal("LOCKED", "Cannot renew: the generation does not match");
    }
    const renewed = { ...claims, generation: claims.generation + 1 };
    instance.lastAnswer = await this.#issue(renewed, request.publicKey, request.ttl);
    instance.generation++;
    instance.lastKey = request.publicKey;
    return instance.lastAnswer;
  }

  async #issueIdentity(options: ConnectOptions, request: IdentityRequest) {
    const { claims: { bot, instance } } = await this.#caller(options);
    const roles = request.roles ?? ["access"];
    const { publicKey, ttl, reissue, app } = request;
    const claims = { kind: "identity", bot, instance, roles, traits: {}, reissue } as const;
    return await this.#issue({ ...claims, ...(app !== undefined && { app }) }, publicKey, ttl);
  }

  async #caller({ credentials }: ConnectOptions) {
    if (!credentials) throw refusal("ACCESS_DENIED", "no certificate");
    const info = readCertificate(credentials.certificate);
    await verifyCertificate(info, [this.userCa.certificate], this.#clock.now(), "client");
    const claims = info.claims as BotClaims;
    const instance = this.#instances.get(claims.instance);
    if (claims.kind !== "bot" || !instance) throw refusal("ACCESS_DENIED", "not a bot");
    if (instance.locked) throw refusal("LOCKED", "Cannot serve the bot: it is locked");
    return { claims, instance };
  }

  async #issue(claims: Claims, publicKey: string, ttl: number): Promise<IssuedCertificates> {
    const now = this.#clock.now();
    const notAfter = new Date(now.getTime() + ttl * 1_000);
    const { certificate } = await issueCertificate(this.userCa, {
      cluster: CLUSTER,
      publicKey,
      claims,
      notBefore: now,
      notAfter,
      usage: ["client"],
    });
    const ssh = issueSshCertificate({
      ca: this.#sshUserCa,
      publicKey,
      keyId: "bot",
      principals: ["bot"],
      validAfter: now,
      validBefore: notAfter,
      kind: "user",
    });
    return { tls: certificate, ssh, trust: this.bundle() };
  }

  bundle(): TrustBundle {
    return {
      cluster: CLUSTER,
      hostCas: [this.hostCa.certificate],
      userCas: [this.userCa.certificate],
      sshHostCas: [this.#sshHostCa.publicKey],
      sshUserCas: [this.#sshUserCa.publicKey],
    };
  }

  #checkTrust({ trust }: ConnectOptions): void {
    const trusted = trust.kind === "insecure" ||
      (trust.kind === "cas" && trust.hostCas.includes(this.hostCa.certificate)) ||
      (trust.kind === "pins" && matchesPin(this.hostCa.certificate, trust.pins));
    if (!trusted) throw refusal("TLS_UNTRUSTED", "Cannot trust the authority");
  }
}

export function refusal(code: IdentityErrorCode, message: string): IdentityError {
  return new IdentityError(code, message);
}
