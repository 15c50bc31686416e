/**
 * Which principal may ask for which task of one app, over all its sessions. Held in memory by the
 * agent: a task that it does not know (after a restart, or past the limit) belongs to nobody.
 *
 * An id is its owner's alone: servers that keep callers apart may count `1`, `2`, … for each of
 * them, so one id may stand for two tasks, and neither owner reaches the other's by it.
 */
export class TaskRegistry {
  /** By owner, then by id: the tool that the task runs. */
  readonly #tools = new Map<string, Map<string, string>>();
  readonly #limit: number;
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Remembers a task; the newest one of an id counts. */
  add(taskId: string, { owner, tool }: Task): void {
    if (!this.find(taskId, owner)) {
      if (this.#size >= this.#limit) this.#forget(owner);
      this.#size++;
    }
    const own = this.#tools.get(owner) ?? new Map<string, string>();
    this.#tools.set(owner, own.set(taskId, tool));
  }

  /**
   * Forgetting closes: the task can no longer be asked for. It is the oldest one of who needs the
   * room or, where that has none, of who has most, so that nobody drives out the tasks of others.
   */
  #forget(needy: string): void {
    let owner = needy;
    let own = this.#tools.get(needy);
    if (own === undefined) {
      for (const [other, theirs] of this.#tools) {
        if (own === undefined || theirs.size > own.size) [owner, own] = [other, theirs];
      }
    }
    const [oldest] = own?.keys() ?? [];
    if (own === undefined || oldest === undefined) return;
    own.delete(oldest);
    this.#size--;
    if (own.size === 0) this.#tools.delete(owner);
  }

  /** The task if it is the owner's; a stranger's and an unknown one look alike. */
  find(taskId: string, owner: string): Task | undefined {
    const tool = this.#tools.get(owner)?.get(taskId);
    return tool === undefined ? undefined : { owner, tool };
  }
}

export interface Task {
  /** Who started it: a bot and its instance. */
  readonly owner: string;
  /** The tool that it runs. */
  readonly tool: string;
}
