import { InvalidArgumentError } from "@commander-js/extra-typings";
import { readFile } from "node:fs/promises";
import {
  headLine,
  readExport,
  verifyRecords,
  type VerifyReport,
} from "../../identity/audit/mod.ts";
import type { Admin, AuditPage } from "../../identity/authority/admin/mod.ts";
import { type AuditEvent, IdentityError, plainJson } from "../../identity/mod.ts";
import { formatTable } from "../table.ts";
import { visible } from "../visible.ts";
import { type Format, formatOption, formatter } from "./_tctl_root.ts";
import type { Tctl, TctlRoot } from "./_tctl_root.ts";

const MAX_EVENTS = 100_000;
const PAGE = 1000;

/** How often `tail` looks for new events. */
const TAIL_MS = 500;

/** `tctl audit`: who did what, what came of it, and whether the log is whole. */
export function addAudit(root: TctlRoot, tctl: Tctl): void {
  const audit = root.command("audit").description("What has happened in the cluster");
  audit.command("ls").description("List the newest events, oldest first")
    .option("--limit <count>", "how many", parseLimit, 100)
    .addOption(formatOption())
    .action(async ({ limit, format }) => {
      const events = await tctl.withAdmin((admin) => admin.auditEvents({ limit }));
      if (format !== "text") return tctl.data(format, events.map(asOriginal));
      if (events.length === 0) return tctl.say("No events found");
      tctl.host.stdout.write(
        formatTable(["Time", "Code", "Type", "User", "Subject", "Outcome"], events.map(row)),
      );
    });
  audit.command("tail").description("Print events as they come, until interrupted")
    .option("--limit <count>", "how many of the newest to begin with", parseLimit, 10)
    .addOption(formatOption())
    .action(({ limit, format }) => tail(tctl, limit, format));
  audit.command("export")
    .description("Print every record as it was written, one a line, and the signed heads")
    .action(() =>
      tctl.withAdmin(async (admin) => {
        let last: AuditPage | undefined;
        for await (const page of pages(admin)) {
          tctl.host.stdout.write(page.records.map(({ text }) => `${text}\n`).join(""));
          last = page;
        }
        tctl.host.stdout.write((last?.heads ?? []).map((head) => `${headLine(head)}\n`).join(""));
      })
    );
  audit.command("key").description("Print the public key that signed heads are verified with")
    .action(async () => {
      const { publicKey } = await tctl.withAdmin((admin) =>
        admin.auditRecords({ after: 0, limit: 1 })
      );
      tctl.host.stdout.write(publicKey);
    });
  audit.command("verify")
    .description("Check that no record was changed, removed, moved, put in or cut off")
    .argument("[file]", "an export; without it the cluster's own log is checked")
    .option("--key <path>", "public key for a file, as `tctl audit key` prints it")
    .addOption(formatOption())
    .addHelpText("after", "\nExit code: 0 the log is whole, 1 it is not, 2 a file cannot be read")
    .action(async (file, { key, format }) => {
      const report = file === undefined ? await verifyCluster(tctl) : await verifyFile(file, key);
      if (format !== "text") await tctl.data(format, report);
      else tctl.host.stdout.write(formatReport(report));
      if (report.breaks.length === 0) return;
      throw new IdentityError("CHECK_FAILED", "The audit log is not what was written", {
        hint: "Compare it with an earlier export, or with a backup of the data directory",
      });
    });
}

async function* pages(admin: Admin): AsyncGenerator<AuditPage> {
  for (let after = 0;;) {
    const page = await admin.auditRecords({ after, limit: PAGE });
    yield page;
    const last = page.records.at(-1);
    if (last === undefined || page.records.length < PAGE) return;
    after = last.seq;
  }
}

async function tail(tctl: Tctl, limit: number, format: Format): Promise<void> {
  const { clock, signal, stdout } = tctl.host;
  const yaml = format === "yaml" ? await formatter(format) : undefined;
  const print = (event: AuditEvent) =>
    stdout.write(
      yaml !== undefined
        ? `---\n${yaml(asOriginal(event))}`
        : format === "json"
        ? `${plainJson(JSON.stringify(asOriginal(event)))}\n`
        : `${visible(row(event).join("  "))}\n`,
    );
  let after = await tctl.withAdmin(async (admin) => {
    const { newest } = await admin.auditRecords({ after: 0, limit: 1 });
    // What comes between the two is printed again rather than left out.
    (await admin.auditEvents({ limit })).forEach(print);
    return newest;
  });
  while (!signal.aborted) {
    const { records } = await tctl.withAdmin((admin) => admin.auditRecords({ after, limit: PAGE }));
    for (const { text } of records) print(JSON.parse(text));
    after = records.at(-1)?.seq ?? after;
    if (records.length < PAGE) await clock.sleep(TAIL_MS, signal).catch(() => {});
  }
}

function verifyCluster(tctl: Tctl): Promise<VerifyReport> {
  return tctl.withAdmin(async (admin) => {
    // Taken before the records: whatever they vouch for must be among these.
    const { heads, publicKey } = await admin.auditRecords({ after: 0, limit: 1 });
    const texts = async function* () {
      for await (const { records } of pages(admin)) yield* records.map(({ text }) => text);
    };
    return await verifyRecords(texts(), { heads, publicKey });
  });
}

async function verifyFile(file: string, key: string | undefined): Promise<VerifyReport> {
  const publicKey = key === undefined ? undefined : await read(key);
  const { records, heads } = readExport(await read(file));
  return await verifyRecords(records, { heads, publicKey });
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown error";
    throw new IdentityError("BAD_REQUEST", `Cannot read ${path}: ${code}`, { cause });
  }
}

function formatReport({ records, unchained, chains, breaks }: VerifyReport): string {
  const lines = [`${records} records`];
  if (unchained > 0) lines.push(`  ${unchained} from before records were chained`);
  for (const { writer, first, last, signedTo } of chains) {
    const signed = signedTo === undefined ? "no verified head" : `signed up to ${signedTo}`;
    lines.push(`  chain ${writer.slice(0, 8)}: ${first} to ${last}, ${signed}`);
  }
  for (const { kind, record, uid, time, message } of breaks) {
    const which = [uid, time].filter((text) => text !== undefined).join(", ");
    lines.push(`${kind} at record ${record}${which && ` (${which})`}: ${message}`);
  }
  if (breaks.length === 0) lines.push("The log is whole");
  return lines.map((line) => `${visible(line)}\n`).join("");
}

/** The original calls the type of an event `event`. */
function asOriginal(event: AuditEvent): AuditEvent {
  return { event: event.type, ...event };
}

function row(event: AuditEvent): string[] {
  return [event.time, event.code, event.type, who(event), subject(event), outcome(event)];
}

function who(event: AuditEvent): string {
  const bot = text(event["bot_name"]);
  return text(event["user"]) || (bot && `bot-${bot}`);
}

/** What it was about: an app with the method and tool, or the name of what was changed. */
function subject(event: AuditEvent): string {
  const method = text(member(event["message"], "method"));
  const tool = text(event["tool"]) || text(member(member(event["message"], "params"), "name"));
  // A token's id is long, and its first digits tell it as `tctl tokens ls` does.
  const name = text(event["name"]).replace(/^([0-9a-f]{16})[0-9a-f]{48}$/, "$1");
  // Of a certificate: the app of a session, or whose it is.
  const app = text(event["app_name"]) ||
    text(member(member(event["identity"], "route_to_app"), "name"));
  return [app || name || text(event["cert_type"]), method, tool]
    .filter((part) => part !== "").join(" ");
}

function outcome(event: AuditEvent): string {
  const { status, success = member(status, "success"), error = member(status, "error") } = event;
  if (success !== false) return "ok";
  return `failed: ${text(error) || text(member(status, "outcome")) || "no reason given"}`;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function parseLimit(value: string): number {
  const limit = Number(value);
  if (/^\d+$/.test(value) && limit >= 1 && limit <= MAX_EVENTS) return limit;
  throw new InvalidArgumentError(`Expected a number from 1 to ${MAX_EVENTS}.`);
}
