import { readText } from "./_policy_files.ts";
import { badOption } from "./_policy_world.ts";

/** The events of a file: a JSON array, as `tctl audit ls --format=json` prints, or one a line. */
export async function readEvents(file: string): Promise<unknown[]> {
  const text = await readText(file);
  if (/^\s*\[/.test(text)) {
    const events = parse(text);
    if (Array.isArray(events)) return events;
    throw unusable(file, "it begins like a list in JSON, and is none");
  }
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const event = parse(line);
    if (typeof event === "object" && event !== null) return [event];
    throw unusable(`${file}:${index + 1}`, "the line is no JSON object");
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unusable(where: string, found: string): Error {
  return badOption(
    `Cannot read events from ${where}: ${found}`,
    "Give what `tctl audit ls --format=json` prints, or one event in JSON on each line",
  );
}
