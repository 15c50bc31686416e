/**
 * The part of an address before its `@`, or `undefined` for text that is no address.
 * RFC 5322 §3.4: `local@domain`, or a display name with the address in angle brackets; comments
 * and groups are not understood, and so refused.
 */
export function localPart(text: string): string | undefined {
  let address = text.trim();
  if (address.endsWith(">")) {
    const open = address.lastIndexOf("<");
    if (open === -1 || !isDisplayName(address.slice(0, open).trim())) return undefined;
    address = address.slice(open + 1, -1).trim();
  }
  const quoted = readQuoted(address);
  if (quoted) {
    const domain = address.slice(quoted.end);
    return domain.startsWith("@") && isDomain(domain.slice(1)) ? beforeAt(quoted.value) : undefined;
  }
  const at = address.indexOf("@");
  const local = address.slice(0, at);
  return at > 0 && isDotAtom(local) && isDomain(address.slice(at + 1)) ? local : undefined;
}

/** The original splits the finished address at its first `@`, quoted or not. */
function beforeAt(local: string): string {
  const at = local.indexOf("@");
  return at === -1 ? local : local.slice(0, at);
}

function readQuoted(address: string): { value: string; end: number } | undefined {
  if (!address.startsWith('"')) return undefined;
  let value = "";
  for (let i = 1; i < address.length; i++) {
    const c = address[i];
    if (c === '"') return { value, end: i + 1 };
    if (c === "\\") i++;
    value += address[i] ?? "";
  }
  return undefined;
}

function isDisplayName(name: string): boolean {
  if (name === "") return true;
  if (name.startsWith('"')) return readQuoted(name)?.end === name.length;
  for (const word of name.split(" ")) {
    if (word !== "" && !isDotAtom(word.replaceAll(".", ""))) return false;
  }
  return true;
}

function isDomain(domain: string): boolean {
  if (domain.startsWith("[") && domain.endsWith("]")) return domain.length > 2;
  return isDotAtom(domain);
}

function isDotAtom(text: string): boolean {
  if (text === "" || text.startsWith(".") || text.endsWith(".") || text.includes("..")) {
    return false;
  }
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 32 || code === 127 || '()<>[]:;@\\,"'.includes(text[i] ?? "")) return false;
  }
  return true;
}
