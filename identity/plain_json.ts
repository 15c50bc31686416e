/**
 * JSON text in which nothing disturbs or deceives who reads it on a terminal: what is a control, has
 * no width, turns the direction of text around or tags it unseen is written as an escape. It is the
 * same JSON; text outside of strings has none of these.
 */
export function plainJson(json: string): string {
  // Most text is plain ASCII, which is quickly seen.
  return ASCII.test(json) ? json : json.replace(HIDDEN, escaped);
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}

// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7e]*$/;
const HIDDEN = /[\x7f-\x9f\u2028\u2029]|\p{Cf}/gu;
