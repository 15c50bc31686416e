/**
 * The services of a bot at work, and the change from one set of them to another: what stays where
 * it is goes on untouched, and nothing ends before what comes in its place could begin.
 */
import type { BotService } from "./config.ts";
import type { Worker } from "./worker.ts";

/** Runs one service until the signal is aborted. */
export type RunWorker = (worker: Worker, signal: AbortSignal) => Promise<void>;

/** Another set of services, which can do its work and has not begun. */
export interface PreparedChange {
  commit(): Promise<void>;
  /** Leaves everything as it was. */
  discard(): Promise<void>;
}

interface Post {
  readonly worker: Worker;
  readonly ended: AbortController;
  /** Resolves when it runs no more. */
  done: Promise<void>;
}

export class Supervisor {
  readonly #open: (service: BotService) => Promise<Worker>;
  #posts: readonly Post[] = [];
  #run: RunWorker | undefined;

  /** `open` makes the worker of a service; nothing is touched by it. */
  constructor(open: (service: BotService) => Promise<Worker>) {
    this.#open = open;
  }

  get workers(): readonly Worker[] {
    return this.#posts.map(({ worker }) => worker);
  }

  /** Begins to run what there is, and from then on whatever comes. */
  run(run: RunWorker): void {
    this.#run = run;
    for (const post of this.#posts) this.#begin(post);
  }

  /** Rejects if one of the services could not do its work; nothing has changed then. */
  async prepare(services: readonly BotService[]): Promise<PreparedChange> {
    const leaving = [...this.#posts];
    const coming: Post[] = [];
    const staying: { post: Post; service: BotService }[] = [];
    const next: Post[] = [];
    const discard = async () => {
      await Promise.all(coming.map(({ worker }) => worker.close()));
    };
    try {
      for (const service of services) {
        const [stays] = leaving.splice(indexOfFit(leaving, service), 1);
        if (stays) staying.push({ post: stays, service });
        const post = stays ?? newPost(await this.#open(service));
        next.push(post);
        if (!stays) coming.push(post);
      }
      for (const { worker } of coming) {
        // What has yet to become free is asked for again by its first round.
        if (!leaving.some((post) => sharesPort(post.worker.service, worker.service))) {
          await worker.prepare();
        }
      }
    } catch (error) {
      await discard();
      throw error;
    }
    return {
      discard,
      commit: async () => {
        await Promise.all(leaving.map(end));
        for (const { post, service } of staying) post.worker.take(service);
        this.#posts = next;
        for (const post of coming) this.#begin(post);
      },
    };
  }

  async close(): Promise<void> {
    const posts = this.#posts;
    this.#posts = [];
    await Promise.all(posts.map(end));
  }

  #begin(post: Post): void {
    if (this.#run) post.done = this.#run(post.worker, post.ended.signal);
  }
}

function newPost(worker: Worker): Post {
  return { worker, ended: new AbortController(), done: Promise.resolve() };
}

/** Past the end of the list if there is none: nothing is taken out then. */
function indexOfFit(posts: readonly Post[], service: BotService): number {
  const named = posts.findIndex(({ worker }) =>
    worker.service.name === service.name && worker.fits(service)
  );
  if (named >= 0) return named;
  // Names that nobody gave count the services, and move when one is added before them.
  const fitting = posts.findIndex(({ worker }) => worker.fits(service));
  return fitting >= 0 ? fitting : posts.length;
}

function sharesPort(a: BotService, b: BotService): boolean {
  return "listen" in a && "listen" in b && a.listen.port === b.listen.port;
}

async function end({ done, ended, worker }: Post): Promise<void> {
  ended.abort();
  await Promise.all([worker.close(), done]);
}
