/** Which of the apps that an identity reaches a command is about. */
import {
  checkIdentity,
  IdentityError,
  type ListedApp,
  readIdentityFile,
} from "../../identity/mod.ts";
import { hasWord, parseAppQuery } from "./_app_query.ts";
import type { TshHost } from "./_tsh_host.ts";

export interface AppSelection {
  /** `key=value,…`: only apps that have all of these labels. */
  readonly labels?: string | undefined;
  /** Only apps that have each of these words in their name, description or labels. */
  readonly search?: string | undefined;
  /** Only apps for which this predicate holds. */
  readonly query?: string | undefined;
}

/** The apps that the identity reaches and the selection means, by name. */
export async function selectApps(
  selection: AppSelection,
  { identityPath, proxy }: { readonly identityPath: string; readonly proxy: string },
  host: TshHost,
): Promise<ListedApp[]> {
  // What is wrong with the selection is said before anybody is asked.
  const selects = selector(selection);
  const identity = await readIdentityFile(identityPath);
  checkIdentity(identity, host.clock.now());
  const authority = host.connect({
    proxy,
    trust: { kind: "cas", hostCas: identity.tlsCas },
    credentials: { certificate: identity.tlsCertificate, key: identity.key },
  });
  const { apps } = await authority.apps();
  return apps.filter(selects).sort((a, b) => a.name < b.name ? -1 : 1);
}

function selector({ labels, query, search = "" }: AppSelection): (app: ListedApp) => boolean {
  const wanted = parseLabels(labels);
  const holds = query === undefined ? () => true : parseAppQuery(query);
  const words = search.split(/[\s,]+/);
  return (app) =>
    wanted.every(([key, value]) => Object.hasOwn(app.labels, key) && app.labels[key] === value) &&
    words.every((word) => hasWord({ ...app, labels: ownLabels(app.labels) }, word)) && holds(app);
}

function parseLabels(text: string | undefined): [string, string][] {
  if (text === undefined) return [];
  return text.split(",").map((part) => {
    const at = part.indexOf("=");
    if (at > 0) return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    throw new IdentityError(
      "BAD_REQUEST",
      `Cannot select MCP servers: "${part}" is no label`,
      { hint: "Labels are written key=value, with commas between, for example env=dev,team=a" },
    );
  });
}

/** Labels that the system itself has set are no news to a person. */
export function ownLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(([key]) => !key.startsWith("teleport.internal/"))
      .sort(([a], [b]) => a < b ? -1 : 1),
  );
}
