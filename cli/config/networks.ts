import { BlockList, isIPv4, isIPv6 } from "node:net";
import { z } from "zod";

/** `10.0.0.0/24`, `2001:db8::/32`, or one address. */
export const networkText: z.ZodString = z.string().refine(
  (text) => networkOf(text) !== undefined,
  "a network is an address, and a prefix length unless it is alone: 10.0.0.0/24",
);

/** Any number of networks as one; each is such a text. */
export function networks(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const { address, family, prefix } = networkOf(text)!;
    list.addSubnet(address, prefix, family);
  }
  return list;
}

function networkOf(text: string) {
  const [, address = "", length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = isIPv4(address) ? "ipv4" : isIPv6(address) ? "ipv6" : undefined;
  if (family === undefined) return undefined;
  const most = family === "ipv4" ? 32 : 128;
  const prefix = length === undefined ? most : Number(length);
  return prefix <= most ? { address, family, prefix } as const : undefined;
}
