/** The part of tbot's configuration that says how to join. */
import type { DestinationSpec } from "../destination/destination.ts";
import type { RawConfig } from "./_schema.ts";
import type { Onboarding } from "./config.ts";
import { type JoinUri, parseJoinUri } from "./join_uri.ts";
import type { ConfigOverrides, Report } from "./parse_config.ts";

/** What the URI says, unless something else beside it does as well. */
export function joinUriOf(
  raw: RawConfig,
  overrides: ConfigOverrides,
  report: Report,
): JoinUri | undefined {
  const text = overrides.joinUri ?? raw.join_uri;
  if (text === undefined) return undefined;
  let uri: JoinUri;
  try {
    uri = parseJoinUri(text);
  } catch (error) {
    return void report(["join_uri"], (error as Error).message);
  }
  const others = {
    proxy_server: [overrides.proxyServer ?? raw.proxy_server, uri.proxyServer],
    "onboarding.token": [overrides.token ?? raw.onboarding?.token, uri.token],
    "onboarding.join_method": [raw.onboarding?.join_method, uri.joinMethod],
  };
  for (const [name, [given, said]] of Object.entries(others)) {
    if (given === undefined || given === said) continue;
    report(["join_uri"], `\`${name}\` says something else than the join URI: keep one of them`);
  }
  return uri;
}

/** How to join with a token, as the file and what stands in its place say. */
export function onboardingOf(
  raw: RawConfig["onboarding"],
  token: string,
  uri: JoinUri | undefined,
  overrides: ConfigOverrides,
): Onboarding {
  const { generic_oidc, gitlab, kubernetes } = raw ?? {};
  const joinMethod = raw?.join_method ?? uri?.joinMethod ?? "token";
  if (joinMethod === "token") return { joinMethod, token };
  if (joinMethod === "bound_keypair") {
    const { registration_secret: secret, registration_secret_path: path, ...keys } =
      raw?.bound_keypair ?? {};
    const keyPath = keys.static_private_key_path ?? keys.static_key_path;
    const text = secret ?? uri?.registrationSecret;
    return {
      joinMethod,
      token,
      ...(text !== undefined && { secret: { text, from: "the configuration" } }),
      ...(path !== undefined && { secret: { path } }),
      ...(overrides.registrationSecret && { secret: overrides.registrationSecret }),
      ...(keyPath !== undefined && { staticKey: { path: keyPath } }),
      ...(overrides.staticKey && { staticKey: overrides.staticKey }),
    };
  }
  const variable = gitlab?.token_env_var_name ?? generic_oidc?.env;
  return {
    joinMethod,
    token,
    ...(variable !== undefined && { variable }),
    ...(kubernetes && { path: kubernetes.token_path }),
    ...(generic_oidc?.command && { command: generic_oidc.command }),
  };
}

/** What the storage lacks for the way of joining. */
export function storageProblems(
  onboarding: Onboarding | undefined,
  storage: DestinationSpec,
): string[] {
  const kept = storage.type !== "memory" || onboarding?.joinMethod !== "bound_keypair" ||
    onboarding.staticKey !== undefined;
  if (kept) return [];
  return ["the key for `bound_keypair` is lost when tbot ends, since its storage is the memory"];
}
