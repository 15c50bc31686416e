/** The text of a pattern that matches `name` and nothing else. */
export function literalPattern(name: string): string {
  const special = name.includes("*") || name.includes("{{") || name.includes("}}") ||
    (name.startsWith("^") && name.endsWith("$"));
  if (!special) return name;
  let quoted = "";
  for (const letter of name) quoted += "\\.+*?()|[]{}^$".includes(letter) ? `\\${letter}` : letter;
  return `^${quoted}$`;
}
