/** Items as rows of a table, the same way in every engine: their values are text, sealed or not. */
import { SEALED_KINDS, type Sealer } from "./seal.ts";
import type { Item, ItemKind } from "./store.ts";

/** A row; one engine gives large numbers as text. */
export interface ItemRow {
  readonly kind: ItemKind;
  readonly name: string;
  readonly revision: string | number;
  readonly value: string;
  /** Milliseconds since 1970. */
  readonly expires: string | number | null;
}

/** The text that stands for a value in its place. */
export function toText(
  { kind, name }: Pick<ItemRow, "kind" | "name">,
  value: unknown,
  sealer: Sealer,
): string {
  const text = JSON.stringify(value);
  return SEALED_KINDS.has(kind) ? sealer.seal(`${kind}/${name}`, text) : text;
}

export function toItem<T>(row: ItemRow, sealer: Sealer): Item<T> {
  const { expires, kind, name, revision, value } = row;
  const text = SEALED_KINDS.has(kind) ? sealer.open(`${kind}/${name}`, value) : value;
  return {
    kind,
    name,
    revision: Number(revision),
    value: JSON.parse(text) as T,
    expires: expires === null ? undefined : new Date(Number(expires)),
  };
}
