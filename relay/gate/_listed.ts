import type { JsonView } from "../wire/json.ts";
import { type Context, decideListing } from "./_judge.ts";
import { type NameLimits, NameRoom } from "./_name_room.ts";
import type { ClientRequest } from "./_state.ts";
import { LIST_CHANGED, META_SUBSCRIPTION_ID } from "./methods.ts";
import type { Target, TargetKind } from "./step.ts";

/** The names that lists have shown to the gate, with the verdict that the client saw. */
export class Listed {
  readonly #verdicts = new Map<string, { readonly target: Target; readonly shown: boolean }>();
  readonly #incomplete = new Set<TargetKind>();
  readonly #room: NameRoom;

  constructor(limits: NameLimits) {
    this.#room = new NameRoom(limits);
  }

  note(targets: readonly Target[], context: Context): void {
    for (const target of targets) {
      const key = `${target.kind}:${target.name}`;
      if (!this.#verdicts.has(key) && !this.#room.take(key)) {
        this.#incomplete.add(target.kind);
      } else {
        const shown = decideListing(target, context).effect === "allow";
        this.#verdicts.set(key, { target, shown });
      }
    }
  }

  /** The kinds of lists that would read differently now; with too many names, maybe. */
  changed(context: Context): Set<TargetKind> {
    const kinds = new Set(this.#incomplete);
    for (const [key, { target, shown }] of this.#verdicts) {
      const now = decideListing(target, context).effect === "allow";
      if (now === shown) continue;
      kinds.add(target.kind);
      this.#verdicts.set(key, { target, shown: now });
    }
    return kinds;
  }
}

/** What a subscription wants to hear of; no more of it is kept, since it may be large. */
export function listChangesOf(notifications: JsonView | undefined): ReadonlySet<TargetKind> {
  const wants = (member: string) => notifications?.member(member)?.text() === "true";
  return new Set([...LIST_CHANGED].filter(([, { listen }]) => wants(listen)).map(([kind]) => kind));
}

/**
 * The notices that a kind of list reads differently now. A legacy client gets one; a modern one
 * gets one for each open subscription that asked for it, and none otherwise.
 */
export function listChanged(
  kind: TargetKind,
  modern: boolean,
  open: Iterable<ClientRequest>,
): Uint8Array[] {
  const change = LIST_CHANGED.get(kind);
  if (change === undefined) return [];
  if (!modern) return [utf8.encode(`{"jsonrpc":"2.0","method":"${change.method}"}`)];
  const notices: Uint8Array[] = [];
  for (const { id, listens } of open) {
    if (!listens?.has(kind)) continue;
    const params = `"params":{"_meta":{"${META_SUBSCRIPTION_ID}":${id.json}}}`;
    notices.push(utf8.encode(`{"jsonrpc":"2.0","method":"${change.method}",${params}}`));
  }
  return notices;
}

const utf8 = new TextEncoder();
