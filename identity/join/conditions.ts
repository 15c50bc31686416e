import type { Condition } from "./methods.ts";

/** Claims of a verified token. */
export type Claims = Readonly<Record<string, unknown>>;

/** Whether the claims fit one of the lists whole. What is absent fits nothing. */
export function fits(claims: Claims, allow: readonly (readonly Condition[])[]): boolean {
  return allow.some((rule) => rule.length > 0 && rule.every((each) => holds(claims, each)));
}

function holds(claims: Claims, { as, claim, value }: Condition): boolean {
  const said = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  switch (as) {
    case "exact":
      // Some issuers write numbers as text, some not.
      return typeof said === typeof value
        ? said === value
        : typeof said === "number" && String(said) === value;
    case "boolean":
      // GitLab writes booleans as text.
      return String(said) === String(value) && ["boolean", "string"].includes(typeof said);
    case "glob":
      return typeof said === "string" && matches(String(value), said);
  }
}

/** `*` is any run, `?` any one character, all else is itself; linear, from the left. */
export function matches(glob: string, text: string): boolean {
  let [at, star, mark, i] = [0, -1, 0, 0];
  while (i < text.length) {
    if (at < glob.length && glob[at] === "*") {
      [star, mark] = [at++, i];
    } else if (at < glob.length && (glob[at] === "?" || glob[at] === text[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++mark;
    } else return false;
  }
  while (glob[at] === "*") at++;
  return at === glob.length;
}
