/**
 * One host's change stream: what it has to know, as soon as it is committed and as fast as the host
 * takes it, and a pulse each second that says that nothing is held back on the way.
 */
import { Buffer } from "node:buffer";
import { compilePattern } from "../../../policy/pattern/mod.ts";
import type { Item, ItemKind } from "../../storage/store.ts";
import { PULSE_MS, type StreamLine, type StreamQuestion, type Version } from "../../stream/line.ts";
import type { Cluster, HostItem } from "../cluster.ts";
import type { HostCaller } from "../hosts/identify_host.ts";
import { clusterFacts } from "./cluster_facts.ts";
import type { Batch, Filter, JournalFollower } from "./journal.ts";

/** Characters that are put into the connection at a time. */
const CHUNK_CHARS = 64 * 1024;
/** Kinds of item that are an agent's to know. */
const FOR_AGENTS: ReadonlySet<ItemKind> = new Set(["app", "approval", "bot", "lock", "role"]);

export class ChangeStream {
  readonly #cluster: Cluster;
  readonly #caller: HostCaller;
  readonly #follower: JournalFollower;
  readonly #began: number;
  readonly #closing = new AbortController();
  readonly #questions: StreamQuestion[] = [];
  #lines: Iterator<StreamLine>;
  #facts = "";
  #pulses = 0;
  #wake: () => void = () => {};
  readonly #unsubscribe: () => void;

  constructor(cluster: Cluster, caller: HostCaller, after: Version | undefined) {
    const { clock, journal, view } = cluster;
    this.#cluster = cluster;
    this.#caller = caller;
    this.#began = clock.monotonic();
    const filter = filterOf(caller);
    this.#follower = journal.follow(after, filter, () => this.#wake());
    const { epoch } = journal;
    const begin = this.#follower.resumes ? [{ begin: "resume", epoch } as const] : [];
    this.#lines = begin[Symbol.iterator]();
    // Locks of hosts and lists of relays are in no host's copy.
    this.#unsubscribe = view.subscribe(() => this.#wake());
  }

  /** Asks the agent something; the answer comes by another way. */
  ask(question: StreamQuestion): void {
    this.#questions.push(question);
    this.#wake();
  }

  /** The next lines, once there are some; undefined when there will be none any more. */
  async next(): Promise<string | undefined> {
    while (!this.#closing.signal.aborted) {
      const text = this.#gather();
      if (text !== "") return text;
      await this.#awaken();
    }
    return undefined;
  }

  close(): void {
    this.#closing.abort();
    this.#follower.close();
    this.#unsubscribe();
    this.#wake();
  }

  /** Until there may be something to say: a change, or the time of the next pulse. */
  async #awaken(): Promise<void> {
    const { clock } = this.#cluster;
    const due = this.#began + this.#pulses * PULSE_MS - clock.monotonic();
    const enough = new AbortController();
    const signal = AbortSignal.any([enough.signal, this.#closing.signal]);
    await Promise.race([
      new Promise<void>((resolve) => this.#wake = resolve),
      clock.sleep(Math.max(0, due), signal).catch(() => {}),
    ]);
    enough.abort();
    this.#wake = () => {};
  }

  #gather(): string {
    let text = "";
    while (text.length < CHUNK_CHARS) {
      const { value, done } = this.#lines.next();
      if (!done) {
        text += `${JSON.stringify(value)}\n`;
        if ("end" in value) this.close();
        continue;
      }
      const lines = this.#news();
      if (lines === undefined) break;
      this.#lines = lines;
    }
    return text;
  }

  /** In the order in which they may be told: nothing that is known stays behind a pulse. */
  #news(): Iterator<StreamLine> | undefined {
    const ended = this.#ended();
    if (ended) return [ended][Symbol.iterator]();
    const batch = this.#follower.take();
    if (batch) return batchLines(batch, this.#cluster.journal.epoch);
    const lines: StreamLine[] = [];
    const facts = clusterFacts(this.#cluster, this.#caller.role);
    const text = JSON.stringify(facts);
    if (text !== this.#facts) {
      this.#facts = text;
      lines.push({ facts });
    }
    for (const ask of this.#questions.splice(0)) lines.push({ ask });
    const age = this.#cluster.clock.monotonic() - this.#began;
    if (age >= this.#pulses * PULSE_MS) {
      this.#pulses = Math.floor(age / PULSE_MS) + 1;
      lines.push({ pulse: Math.floor(age) });
    }
    return lines.length > 0 ? lines[Symbol.iterator]() : undefined;
  }

  #ended(): StreamLine | undefined {
    const { host } = this.#caller;
    const { journal, view } = this.#cluster;
    if (!journal.get<HostItem>("host", host)) {
      return { end: { code: "ACCESS_DENIED", message: `Host ${host} was removed` } };
    }
    const lock = view.hostLocked(host);
    if (lock === undefined) return undefined;
    return { end: { code: "LOCKED", message: `Host ${host} is locked: ${lock}` } };
  }
}

/** A batch as it is told; a snapshot to whoever comes with nothing, and to whoever was too slow. */
export function* batchLines(batch: Batch, epoch: string): Generator<StreamLine, undefined> {
  if (batch.kind === "snapshot") {
    yield { begin: "snapshot", epoch };
    for (const item of batch.items) yield { put: streamed(item) };
  } else {
    for (const { kind, name, item } of batch.changes) {
      yield item ? { put: streamed(item) } : { gone: { kind, name } };
    }
  }
  yield { commit: batch.commit };
}

function streamed({ kind, name, revision, value, expires }: Item) {
  return { kind, name, revision, value, ...(expires && { expires: expires.toISOString() }) };
}

/** An agent knows whom it may serve, and what it may take up; a relay no item at all. */
function filterOf({ host, item, role }: HostCaller): Filter {
  const allowed = item.apps?.map((source) => compilePattern(source));
  return (kind, name) => {
    // It may have ended; and where relays are is among the facts.
    if (kind === "relay" || (kind === "host" && name === host)) return "wake";
    if (role === "relay") return false;
    if (kind === "app" && allowed) {
      return allowed.some((each) => each.ok && each.pattern.test(name));
    }
    return FOR_AGENTS.has(kind);
  };
}

/** As the body of an answer: what the host does not take is not made. */
export function streamBody(stream: ChangeStream, closed: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const text = await stream.next();
      if (text !== undefined) return controller.enqueue(Buffer.from(text));
      closed();
      controller.close();
    },
    cancel() {
      stream.close();
      closed();
    },
  }, { highWaterMark: 0 });
}
