/** Applies `work` to all items in their order, so many at a time. */
export async function inBatches<T, R>(
  items: readonly T[],
  size: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += size) {
    results.push(...await Promise.all(items.slice(at, at + size).map(work)));
  }
  return results;
}

/** MCP servers that are started at a time only to be asked for their tools. */
export const SERVERS_AT_A_TIME = 8;
