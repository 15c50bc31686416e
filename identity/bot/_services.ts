/** From the services in the file to what they mean. */
import { resolve } from "node:path";
import type { Problem } from "../../policy/mod.ts";
import { placeOf, schemaProblems } from "../config/problems.ts";
import type { Path, Source } from "../config/problems.ts";
import type { DestinationSpec } from "../destination/destination.ts";
import { directorySpec } from "../destination/uri.ts";
import type { RawDestination } from "./_schema.ts";
import { SERVICE_SCHEMAS } from "./_service_schemas.ts";
import type { RawService } from "./_service_schemas.ts";
import { MAX_CREDENTIAL_TTL } from "./config.ts";
import type { BotService } from "./config.ts";
import { unsupportedService } from "./unsupported.ts";

/** What holds for every service that says nothing else. */
export interface Defaults {
  readonly credentialTtl: number;
  readonly renewalInterval: number;
  readonly oneshot: boolean;
}

interface Around {
  readonly source: Source;
  readonly defaults: Defaults;
  /** Where the bot keeps its own identity. */
  readonly storage: DestinationSpec;
  /** What is wrong is added here. */
  readonly problems: Problem[];
}

type Report = (path: Path, message: string) => void;

/** The services of a list at `at`; those with a problem are left out. */
export function parseServices(
  values: readonly unknown[],
  at: Path,
  { source, defaults, storage, problems }: Around,
): BotService[] {
  const report: Report = (path, message) => problems.push({ at: placeOf(source, path), message });
  const services = values.flatMap((value, index) => {
    const path = [...at, index];
    const raw = parseService(value, path, source, problems);
    if (!raw) return [];
    const under: Report = (inner, message) => report([...path, ...inner], message);
    return [{ path, service: assembleService(raw, index, defaults, under) }];
  });
  checkApart(services, storage, report);
  return services.map(({ service }) => service);
}

function parseService(
  value: unknown,
  path: Path,
  source: Source,
  problems: Problem[],
): RawService | undefined {
  const type = typeof value === "object" && value !== null && "type" in value ? value.type : value;
  if (typeof type === "string" && !isType(type)) {
    const message = unsupportedService(type);
    problems.push({ at: placeOf(source, [...path, "type"]), message });
    return undefined;
  }
  const schema = SERVICE_SCHEMAS[typeof type === "string" && isType(type) ? type : "identity"];
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  problems.push(...schemaProblems(source, schema, parsed.error, path));
  return undefined;
}

function isType(type: string): type is keyof typeof SERVICE_SCHEMAS {
  return Object.hasOwn(SERVICE_SCHEMAS, type);
}

function assembleService(
  raw: RawService,
  index: number,
  defaults: Defaults,
  report: Report,
): BotService {
  if ((raw.credential_ttl === undefined) !== (raw.renewal_interval === undefined)) {
    const [set, missing] = raw.credential_ttl === undefined
      ? ["renewal_interval", "credential_ttl"]
      : ["credential_ttl", "renewal_interval"];
    report([set], `\`${set}\` needs \`${missing}\` beside it: set both or neither`);
  }
  const credentialTtl = raw.credential_ttl ?? defaults.credentialTtl;
  const renewalInterval = raw.renewal_interval ?? defaults.renewalInterval;
  if (raw.credential_ttl !== undefined && raw.renewal_interval !== undefined) {
    const own = { credentialTtl, renewalInterval, oneshot: defaults.oneshot };
    for (const found of lifetimeProblems(own)) report(["credential_ttl"], found);
  }
  const name = raw.name ?? `${raw.type}-${index + 1}`;
  const common = { name, roles: raw.roles, credentialTtl, renewalInterval };
  switch (raw.type) {
    case "identity":
      return {
        ...common,
        type: raw.type,
        destination: destinationSpec(raw.destination),
        cluster: raw.cluster,
        allowReissue: raw.allow_reissue ?? false,
      };
    case "application":
      return {
        ...common,
        type: raw.type,
        destination: destinationSpec(raw.destination),
        app: raw.app_name,
        specificTlsNaming: raw.specific_tls_naming ?? false,
      };
    case "application-tunnel":
      return {
        ...common,
        type: raw.type,
        app: raw.app_name,
        listen: raw.listen,
        allowedHosts: raw.allowed_hosts ?? [],
      };
  }
}

/** What the lifetimes of one certificate have against each other. */
export function lifetimeProblems({ credentialTtl, renewalInterval, oneshot }: Defaults): string[] {
  const found: string[] = [];
  if (credentialTtl > MAX_CREDENTIAL_TTL) {
    found.push("`credential_ttl` is above 24h, which is the longest that is issued");
  }
  if (!oneshot && credentialTtl <= renewalInterval) {
    found.push("`credential_ttl` is not above `renewal_interval`: certificates would run out");
  }
  return found;
}

function checkApart(
  services: readonly { path: Path; service: BotService }[],
  storage: DestinationSpec,
  report: Report,
): void {
  const names = new Set<string>();
  const addresses = new Set<string>();
  const taken = new Set(storage.type === "directory" ? [resolve(storage.path)] : []);
  for (const { path, service } of services) {
    if (names.has(service.name)) report([...path, "name"], `"${service.name}" is used twice`);
    names.add(service.name);
    if (service.type === "application-tunnel") {
      const { host, port } = service.listen;
      const address = `${host}:${port}`;
      // Port 0 is a new one each time.
      if (port !== 0 && addresses.has(address)) {
        report([...path, "listen"], `the address ${address} is used twice`);
      }
      addresses.add(address);
      continue;
    }
    if (service.destination.type !== "directory") continue;
    const directory = resolve(service.destination.path);
    // Each output has a key of its own; two in one directory would overwrite each other's.
    if (taken.has(directory)) {
      report([...path, "destination", "path"], `the directory ${directory} is used twice`);
    }
    taken.add(directory);
  }
}

/** A destination with its defaults. */
export function destinationSpec(raw: RawDestination): DestinationSpec {
  if (raw.type === "memory") return { type: "memory" };
  const defaults = directorySpec(raw.path ?? "");
  return {
    ...defaults,
    symlinks: raw.symlinks ?? defaults.symlinks,
    acls: raw.acls ?? defaults.acls,
    readers: raw.readers ?? [],
  };
}
