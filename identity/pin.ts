import { createHash, X509Certificate } from "node:crypto";

/** How a CA is named on a command line: `sha256:` and the hex SHA-256 of its public key info. */
export function caPin(certificate: string): string {
  const spki = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
  return `sha256:${createHash("sha256").update(spki).digest("hex")}`;
}

/** Whether one of `pins` names this CA. Hex digits count in either case, as people paste both. */
export function matchesPin(certificate: string, pins: readonly string[]): boolean {
  const actual = caPin(certificate);
  return pins.some((pin) => pin.trim().toLowerCase() === actual);
}

/** Whether text has the form of a pin. */
export function isPin(text: string): boolean {
  return /^sha256:[0-9a-f]{64}$/i.test(text);
}
