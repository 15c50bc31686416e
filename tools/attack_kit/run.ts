/**
 * The attack kit: sends each row to a gateway and judges it by what reached the server behind it,
 * by what came back, and by whether a plain call is still served afterwards.
 *
 *     run.ts --record FILE [--upstream http] [--pinned] [--resources] [--rows DIR] [--output FILE]… [--json]
 *         -- COMMAND…
 *
 *     run.ts --url URL [--record FILE] [--tool NAME] [--json]
 *
 * The first form is for a gateway that a client starts, the second for one that listens on HTTP.
 *
 * COMMAND is the client's side of the gateway, over stdio. The gateway has to start the server of
 * this kit, `node server.mjs FILE`, or to reach it over HTTP, and to allow the tools in `ALLOWED`
 * only. `--pinned`: it knows the definition that `kit_pinned` has at first. `--output` names what the gateway prints, its log for instance: raw controls in it are a failure.
 */
import { Buffer } from "node:buffer";
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type HttpHead, wrongHeaders } from "./header_readings.ts";
import { readHttpRows, runHttpKit } from "./http_rows.ts";
import { forbiddenIn } from "./readings.ts";
import { bytesOf, readRows, type Row, type Step } from "./rows.ts";
import { StdioPeer } from "./stdio_peer.ts";

export interface KitOptions {
  /** The gateway's client side. */
  readonly command: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where the kit's server writes what reaches it. */
  readonly record: string;
  readonly rows: readonly Row[];
  /** How the gateway reaches the server; rows for the other way are left out. */
  readonly upstream?: "stdio" | "http";
  /** Whether it pins a definition; rows about that are left out if not. */
  readonly pinned?: boolean;
  readonly resources?: boolean;
}

/** The tools that a gateway has to allow, and no others. */
export const ALLOWED = ["echo", "kit_say", "kit_http", "kit_silent", "kit_pinned", "kit_change"];

export interface Verdict {
  readonly id: string;
  readonly category: Row["category"];
  /** What is wrong; nothing for a row that holds. */
  readonly problems: readonly string[];
}

export const ROWS = fileURLToPath(new URL("../../tests/vectors/attacks/kit/", import.meta.url));
export const HTTP_ROWS = fileURLToPath(
  new URL("../../tests/vectors/attacks/kit_http/", import.meta.url),
);

/** What has reached the server: a line, or a request over HTTP with its body. */
interface Received {
  readonly body: Buffer;
  readonly http: HttpHead | undefined;
}

/** What denied tools answer with, and no client may see. */
const MARKER = "KIT-SECRET-b7e1";
const MAX_PROBLEM = 200;

/** Runs rows one after another, in sessions that last as long as they are let. */
export async function runKit(options: KitOptions): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  let session: Session | undefined;
  const { pinned = false, resources = false, upstream = "stdio" } = options;
  const rows = options.rows.filter((row) =>
    (row.upstream === "any" || row.upstream === upstream) && (pinned || !row.pinned) &&
    (resources || !row.resources)
  );
  try {
    for (const row of rows) {
      session ??= await Session.open(options);
      const problems = await session.attack(row);
      // Requests that a row leaves open would be another row's.
      await session.close();
      session = undefined;
      if (row.mayEnd || problems.length > 0) problems.push(...await stillServes(options));
      verdicts.push({ id: row.id, category: row.category, problems });
    }
  } finally {
    await session?.close();
  }
  return verdicts;
}

/** Whether a new session is served. */
async function stillServes(options: KitOptions): Promise<string[]> {
  try {
    const session = await Session.open(options);
    await session.close();
    return [];
  } catch (error) {
    return [`afterwards nobody is served: ${String(error)}`];
  }
}

/** One client of the gateway. */
class Session {
  readonly #peer: StdioPeer;
  readonly #record: string;
  #fences = 0;

  private constructor({ command, cwd, env, record }: KitOptions) {
    this.#record = record;
    this.#peer = new StdioPeer(command, { ...(cwd && { cwd }), ...(env && { env }) });
  }

  static async open(options: KitOptions): Promise<Session> {
    const session = new Session(options);
    session.#peer.send(JSON.stringify({
      jsonrpc: "2.0",
      id: "kit-open",
      method: "initialize",
      params: {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "attack-kit", version: "1" },
      },
    }));
    await session.#answer("kit-open");
    session.#peer.send('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    await session.#fence();
    return session;
  }

  /** Returns what is wrong. */
  async attack(row: Row): Promise<string[]> {
    const before = this.#recorded();
    const heard = this.#peer.lines.length;
    let ended = false;
    try {
      for (const step of row.steps) await this.#take(step);
      await this.#fence();
      // Over HTTP the plain call may be answered before those that came first.
      for (const id of row.served) await this.#answer(id, heard);
    } catch (error) {
      ended = true;
      if (!row.mayEnd) return [`the session ends, or hangs: ${excerpt(String(error))}`];
    }
    const received = this.#receivedSince(before);
    const lines = this.#peer.lines.slice(heard);
    return [
      ...judgeServer(row, received),
      ...judgeClient(row, lines, ended),
    ];
  }

  /** At once: a well-behaved end would wait for the answers that rows have left open. */
  async close(): Promise<void> {
    this.#peer.kill();
    await this.#peer.exit;
  }

  async #take(step: Step): Promise<void> {
    if ("server" in step) {
      const lines = [bytesOf(step.server).toString("base64")];
      return await this.#call("kit_say", { lines });
    }
    if ("answer" in step) return void await this.#answer(step.answer);
    if ("change" in step) return await this.#call("kit_change", {});
    if ("http" in step) {
      const { body, ...head } = step.http;
      const args = { ...head, body: bytesOf(body).toString("base64") };
      // Whatever the client is told of it, a plain call comes next.
      return void await this.#ask("kit_http", args);
    }
    if (!("times" in step)) return this.#peer.send(bytesOf(step.client));
    for (let n = 1; n <= step.times; n++) this.#peer.send(step.client.replace("%d", String(n)));
  }

  /** A plain call, which has to be served whatever came before. */
  #fence(): Promise<void> {
    return this.#call("echo", { message: "fence" });
  }

  async #call(name: string, args: object): Promise<void> {
    const line = await this.#ask(name, args);
    if (!line.includes('"result"')) throw new Error(`a plain call is refused: ${line}`);
  }

  #ask(name: string, args: object): Promise<string> {
    const id = `kit-${++this.#fences}`;
    const params = { name, arguments: args };
    this.#peer.send(JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params }));
    return this.#answer(id);
  }

  /** Looks at the lines from this place on. */
  #answer(id: string | number, from = 0): Promise<string> {
    const wanted = `"id":${JSON.stringify(id)}`;
    let at = from;
    return this.#peer.until(() => {
      for (; at < this.#peer.lines.length; at++) {
        const text = this.#peer.lines[at]!.toString("utf8");
        if (text.replaceAll(" ", "").includes(wanted)) return text;
      }
    }, `the answer to ${id}`);
  }

  /** How long the server's record is. */
  #recorded(): number {
    return statSync(this.#record, { throwIfNoEntry: false })?.size ?? 0;
  }

  #receivedSince(place: number): Received[] {
    const bytes = Buffer.alloc(this.#recorded() - place);
    const file = openSync(this.#record, "r");
    try {
      readSync(file, bytes, 0, bytes.length, place);
    } finally {
      closeSync(file);
    }
    const lines = bytes.toString("latin1").split("\n");
    return lines.slice(0, -1).map((line) => {
      const [body = "", seen] = line.split(" ");
      const http = seen === undefined ? undefined : JSON.parse(`${Buffer.from(seen, "base64")}`);
      return { body: Buffer.from(body, "base64"), http };
    });
  }
}

function judgeServer({ serverNever }: Row, received: readonly Received[]): string[] {
  return received.flatMap(({ body, http }) => {
    // The kit's own orders name nothing that is forbidden; their bytes are in base64.
    const call = forbiddenIn(body);
    const text = body.toString("utf8");
    const found = serverNever.find((never) => text.includes(never));
    return [
      ...(http ? wrongHeaders(body, http) : []),
      ...(call ? [`the server gets a line that some read as a call of ${call}`] : []),
      ...(found ? [`the server gets ${JSON.stringify(found)}`] : []),
    ];
  });
}

function judgeClient(row: Row, lines: readonly Buffer[], ended: boolean): string[] {
  const problems: string[] = [];
  const answers = new Map<string, ("result" | "error")[]>();
  for (const line of lines) {
    const text = line.toString("utf8");
    for (const never of [MARKER, ...row.clientNever]) {
      if (text.includes(never)) problems.push(`the client gets ${JSON.stringify(never)}`);
    }
    let message: { id?: unknown; method?: unknown; result?: unknown };
    try {
      message = JSON.parse(text);
    } catch {
      problems.push(`the client gets what is no JSON: ${excerpt(text)}`);
      continue;
    }
    if (message.method !== undefined || message.id === undefined) continue;
    const key = JSON.stringify(message.id);
    const kind = message.result === undefined ? "error" : "result";
    answers.set(key, [...answers.get(key) ?? [], kind]);
  }
  for (const [id, kinds] of answers) {
    if (kinds.length > 1) problems.push(`request ${excerpt(id)} has ${kinds.length} answers`);
  }
  for (const id of row.refused) {
    if (answers.get(JSON.stringify(id))?.includes("result")) {
      problems.push(`request ${JSON.stringify(id)} is answered with a result`);
    }
  }
  for (const id of ended ? [] : row.served) {
    if (!answers.get(JSON.stringify(id))?.includes("result")) {
      problems.push(`request ${JSON.stringify(id)} has no result`);
    }
  }
  return problems;
}

/** Characters that a terminal obeys or that nobody sees, where they stand raw in a text. */
export function rawControls(text: string): string[] {
  // Cf: what turns text around, has no width, or tags it unseen.
  const found = new Set(
    [...text.matchAll(/[^\t\n\P{Cc}]|\p{Cf}/gu)].map(([char]) => char.codePointAt(0)!),
  );
  return [...found].map((code) => `U+${code.toString(16).toUpperCase().padStart(4, "0")}`);
}

function excerpt(text: string): string {
  return text.length > MAX_PROBLEM ? `${text.slice(0, MAX_PROBLEM)}…` : text;
}

function isUpstream(text: string): text is "stdio" | "http" {
  return text === "stdio" || text === "http";
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      record: { type: "string" },
      rows: { type: "string" },
      url: { type: "string" },
      tool: { type: "string", default: "echo" },
      upstream: { type: "string", default: "stdio" },
      pinned: { type: "boolean", default: false },
      resources: { type: "boolean", default: false },
      output: { type: "string", multiple: true, default: [] },
      json: { type: "boolean", default: false },
    },
  });
  const { json, output, pinned, record, resources, tool, upstream, url } = values;
  if (url !== undefined && positionals.length === 0) {
    const rows = readHttpRows(values.rows ?? HTTP_ROWS);
    return report(await runHttpKit({ url, rows, tool, ...(record && { record }) }), [], json);
  }
  if (record === undefined || positionals.length === 0 || !isUpstream(upstream)) {
    process.stderr.write(
      "usage: run.ts --record FILE [--upstream stdio|http] [--pinned] [--resources] [--output FILE]… [--json] " +
        "-- COMMAND…\n       run.ts --url URL [--record FILE] [--tool NAME] [--json]\n",
    );
    return 2;
  }
  const rows = readRows(values.rows ?? ROWS);
  const verdicts = await runKit({
    command: positionals,
    record,
    rows,
    upstream,
    pinned,
    resources,
  });
  const raw = output.map((file) => ({ file, characters: rawControls(readFileSync(file, "utf8")) }))
    .filter(({ characters }) => characters.length > 0);
  return report(verdicts, raw, json);
}

interface Judged {
  readonly id: string;
  readonly category: string;
  readonly problems: readonly string[];
}

/** Prints what was found; the exit code. */
function report(
  verdicts: readonly Judged[],
  raw: readonly { readonly file: string; readonly characters: readonly string[] }[],
  json: boolean,
): number {
  if (json) process.stdout.write(`${JSON.stringify({ verdicts, raw }, undefined, 2)}\n`);
  else {
    for (const { id, category, problems } of verdicts) {
      process.stdout.write(`${problems.length === 0 ? "holds " : "FAILS "} ${category}/${id}\n`);
      for (const problem of problems) process.stdout.write(`         ${JSON.stringify(problem)}\n`);
    }
    for (const { file, characters } of raw) {
      process.stdout.write(`FAILS  ${file} holds ${characters.join(", ")}\n`);
    }
  }
  const failed = verdicts.filter(({ problems }) => problems.length > 0).length + raw.length;
  process.stderr.write(`${verdicts.length} rows, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main());
