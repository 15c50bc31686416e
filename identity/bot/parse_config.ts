import { isScalar } from "yaml";
import type { Document } from "yaml";
import type { Problem } from "../../policy/mod.ts";
import { directorySpec } from "../destination/uri.ts";
import { hostPort } from "../config/fields.ts";
import type { HostPort } from "../config/fields.ts";
import { IdentityError } from "../error.ts";
import { placeOf } from "../config/problems.ts";
import type { Path, Source } from "../config/problems.ts";
import { checkYaml, invalidConfig, parseYaml } from "../config/yaml.ts";
import { joinUriOf, onboardingOf, storageProblems } from "./_onboarding.ts";
import { rootSchema } from "./_schema.ts";
import type { RawConfig } from "./_schema.ts";
import { DEFAULT_CREDENTIAL_TTL, DEFAULT_RENEWAL_INTERVAL, DEFAULT_STORAGE } from "./config.ts";
import type { BotConfig, BotTrust, Given } from "./config.ts";
import { destinationSpec, lifetimeProblems, parseServices } from "./_services.ts";
import type { Defaults } from "./_services.ts";

export interface ParsedConfig {
  readonly config: BotConfig;
  /** What is allowed and seldom meant. */
  readonly warnings: readonly string[];
}

/** What the command line and the environment set in place of the file. */
export interface ConfigOverrides {
  readonly proxyServer?: string;
  readonly token?: string;
  readonly caPins?: readonly string[];
  readonly insecure?: boolean;
  readonly oneshot?: boolean;
  readonly debug?: boolean;
  /** `host:port`. */
  readonly diagAddr?: string;
  /** Where and how to join, in one line. */
  readonly joinUri?: string;
  readonly registrationSecret?: Given;
  readonly staticKey?: Given;
}

/**
 * Parses `tbot.yaml`, version 2; `file` is its name in messages. Throws `CONFIG_INVALID` with every
 * problem and its place.
 */
export function parseBotConfig(
  text: string,
  file: string,
  overrides: ConfigOverrides = {},
): ParsedConfig {
  const source = parseYaml(text, file);
  keepTokenText(source.document);
  const root = checkYaml(source, rootSchema);
  return assemble(root, source, overrides);
}

/** A token of digits alone is text as well, and must not lose any of them. */
function keepTokenText(document: Document): void {
  const node = document.getIn(["onboarding", "token"], true);
  if (isScalar(node) && typeof node.value === "number" && node.source !== undefined) {
    node.value = node.source;
  }
}

function assemble(raw: RawConfig, source: Source, overrides: ConfigOverrides): ParsedConfig {
  const problems: Problem[] = [];
  const report = (path: Path, message: string, hint?: string) =>
    problems.push({ at: placeOf(source, path), message, ...(hint ? { hint } : {}) });

  const uri = joinUriOf(raw, overrides, report);
  const proxyServer = overrides.proxyServer ?? raw.proxy_server ?? uri?.proxyServer;
  const token = overrides.token ?? raw.onboarding?.token ?? uri?.token;
  if (proxyServer === undefined) {
    report([], "`proxy_server` is missing", "write the cluster's host:port");
  }
  if (raw.credential_ttl !== undefined && raw.certificate_ttl !== undefined) {
    report(["certificate_ttl"], "`certificate_ttl` is the old name of `credential_ttl`: keep one");
  }
  if (raw.services !== undefined && raw.outputs !== undefined) {
    report(["outputs"], "`outputs` is the old name of `services`: keep one");
  }
  const defaults: Defaults = {
    credentialTtl: raw.credential_ttl ?? raw.certificate_ttl ?? DEFAULT_CREDENTIAL_TTL,
    renewalInterval: raw.renewal_interval ?? DEFAULT_RENEWAL_INTERVAL,
    oneshot: overrides.oneshot ?? raw.oneshot ?? false,
  };
  const key = raw.outputs === undefined ? "services" : "outputs";
  const storage = raw.storage ? destinationSpec(raw.storage) : directorySpec(DEFAULT_STORAGE);
  const services = parseServices(raw[key] ?? [], [key], { source, defaults, storage, problems });
  const trust = trustOf(raw, overrides, (path, message) => report(path, message));
  if (problems.length > 0) throw invalidConfig(source.file, problems);
  const onboarding = token === undefined
    ? undefined
    : onboardingOf(raw.onboarding, token, uri, overrides);
  return {
    config: {
      proxyServer: proxyServer ?? "",
      trust,
      onboarding,
      storage,
      ...defaults,
      debug: overrides.debug ?? raw.debug ?? false,
      diagnostics: overrides.diagAddr === undefined
        ? raw.diag_addr
        : givenAddress(overrides.diagAddr),
      services,
    },
    warnings: [...lifetimeProblems(defaults), ...storageProblems(onboarding, storage)]
      .map((found) => `${source.file}: ${found}`),
  };
}

function givenAddress(text: string): HostPort {
  const parsed = hostPort.safeParse(text);
  if (parsed.success) return parsed.data;
  const found = parsed.error.issues[0]?.message ?? text;
  throw new IdentityError("CONFIG_INVALID", `Cannot serve diagnostics: ${found}`);
}

export type Report = (path: Path, message: string, hint?: string) => void;

function trustOf(raw: RawConfig, overrides: ConfigOverrides, report: Report): BotTrust {
  const pins = overrides.caPins ?? raw.onboarding?.ca_pins ?? [];
  const path = raw.onboarding?.ca_path;
  const insecure = overrides.insecure ?? raw.insecure ?? false;
  const ways = [insecure, pins.length > 0, path !== undefined];
  if (ways.filter(Boolean).length > 1) {
    report(
      insecure ? ["insecure"] : ["onboarding", "ca_path"],
      "`insecure`, `ca_pins` and `ca_path` exclude each other: keep one",
    );
  }
  if (insecure) return { kind: "insecure" };
  if (pins.length > 0) return { kind: "pins", pins };
  return path === undefined ? { kind: "system" } : { kind: "file", path };
}
