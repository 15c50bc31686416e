/** More lines than this are not compared one with another. */
const MAX_LINES = 2_000;

/**
 * What has changed between two texts, line by line: `- ` before those that are gone and `+ ` before
 * those that have come. Lines that stay are left out, since they may be nobody's business.
 */
export function lineDiff(before: string, after: string): string[] {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  let start = 0;
  while (start < old.length && start < fresh.length && old[start] === fresh[start]) start++;
  let end = 0;
  while (
    end < old.length - start && end < fresh.length - start &&
    old[old.length - 1 - end] === fresh[fresh.length - 1 - end]
  ) end++;
  return compare(old.slice(start, old.length - end), fresh.slice(start, fresh.length - end));
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

/** By the longest common subsequence. */
function compare(old: readonly string[], fresh: readonly string[]): string[] {
  const gone = (line: string) => `- ${line}`;
  const come = (line: string) => `+ ${line}`;
  if (old.length > MAX_LINES || fresh.length > MAX_LINES) {
    return [...old.map(gone), ...fresh.map(come)];
  }
  const width = fresh.length + 1;
  const longest = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = fresh.length - 1; j >= 0; j--) {
      longest[i * width + j] = old[i] === fresh[j]
        ? longest[(i + 1) * width + j + 1]! + 1
        : Math.max(longest[(i + 1) * width + j]!, longest[i * width + j + 1]!);
    }
  }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      i++;
      j++;
    } else if (
      j >= fresh.length ||
      i < old.length && longest[(i + 1) * width + j]! >= longest[i * width + j + 1]!
    ) lines.push(gone(old[i++]!));
    else lines.push(come(fresh[j++]!));
  }
  return lines;
}
