/**
 * Which principal may ask for which task of one app, over all its sessions. Held in memory by the
 * agent: a task that it does not know (after a restart, or past the limit) belongs to nobody.
 */
export class TaskRegistry {
  readonly #tasks = new Map<string, Task>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Remembers a task; false if it belongs to somebody else. */
  add(taskId: string, task: Task): boolean {
    const known = this.#tasks.get(taskId);
    if (known !== undefined && known.owner !== task.owner) return false;
    if (known === undefined && this.#tasks.size >= this.#limit) this.#forget(task.owner);
    this.#tasks.set(taskId, task);
    return true;
  }

  /**
   * Forgetting closes: the task can no longer be asked for, by anybody. It is the oldest one of who
   * needs the room, so that nobody's tasks drive out those of others.
   */
  #forget(owner: string): void {
    let oldest: string | undefined;
    for (const [taskId, task] of this.#tasks) {
      oldest ??= taskId;
      if (task.owner !== owner) continue;
      oldest = taskId;
      break;
    }
    if (oldest !== undefined) this.#tasks.delete(oldest);
  }

  /** Whether it is anybody's. */
  has(taskId: string): boolean {
    return this.#tasks.has(taskId);
  }

  /** The task if it is the owner's; a stranger's and an unknown one look alike. */
  find(taskId: string, owner: string): Task | undefined {
    const task = this.#tasks.get(taskId);
    return task?.owner === owner ? task : undefined;
  }
}

export interface Task {
  /** Who started it: a bot and its instance. */
  readonly owner: string;
  /** The tool that it runs. */
  readonly tool: string;
}
