/** Which headers an app's configuration may set, and what may stand in them. */
import * as z from "zod";
import { parseTemplate } from "../../policy/mod.ts";
import { HEADER_TRAITS, reservedHeader, validHeaderValue } from "../header.ts";
import { mapInstead } from "./fields.ts";
import { hinted } from "./problems.ts";

export const headerName = z.string().superRefine((name, context) => {
  // RFC 9110 §5.6.2: a field name is a token.
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
    context.addIssue(hinted(`"${name}" is no name of a header`, 'write "Name: value"'));
    return;
  }
  const why = reservedHeader(name);
  if (why === undefined) return;
  context.addIssue(hinted(`the header "${name}" cannot be set: ${why}`));
});

export const headerValue = z.string().max(8192).superRefine((value, context) => {
  const parsed = parseTemplate(value, HEADER_TRAITS);
  if (!parsed.ok) context.addIssue(hinted(parsed.message, parsed.hint));
  else if (!validHeaderValue(value)) {
    context.addIssue(hinted("a header's value has printable characters only, on one line"));
  }
});

/** `Name: value`, or the two apart. */
export const header = z.preprocess((written) => {
  if (typeof written !== "string") return written;
  const colon = written.indexOf(":");
  return colon < 0
    ? { name: written, value: undefined }
    : { name: written.slice(0, colon).trim(), value: written.slice(colon + 1).trim() };
}, z.strictObject({ name: headerName, value: headerValue }, mapInstead('"Name: value"')));
