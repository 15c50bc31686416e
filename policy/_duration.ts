const UNIT_SECONDS: Readonly<Record<string, number>> = {
  h: 3600,
  m: 60,
  s: 1,
  ms: 1e-3,
  us: 1e-6,
  µs: 1e-6,
  ns: 1e-9,
};

/** Reads Go's notation for a span of time, such as `1h30m`; the answer is in seconds. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  let seconds = 0;
  let at = 0;
  while (at < text.length) {
    const number = takeWhile(text, at, "0123456789.");
    const unit = takeWhile(text, at + number.length, "hmsnuµ");
    const scale = Object.hasOwn(UNIT_SECONDS, unit) ? UNIT_SECONDS[unit] : undefined;
    if (number === "" || number === "." || scale === undefined) return undefined;
    if (number.indexOf(".") !== number.lastIndexOf(".")) return undefined;
    seconds += Number(number) * scale;
    at += number.length + unit.length;
  }
  return text === "" || !Number.isFinite(seconds) ? undefined : seconds;
}

function takeWhile(text: string, from: number, letters: string): string {
  let end = from;
  while (end < text.length && letters.includes(text[end] ?? "")) end++;
  return text.slice(from, end);
}
