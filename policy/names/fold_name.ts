/**
 * A name as a reader sees it who ignores case: lower case of upper case, so that ſ meets s, the
 * Kelvin sign k and the dotless ı i.
 */
export function foldName(name: string): string {
  return name.toLowerCase().toUpperCase().toLowerCase();
}
