import type { NotificationMessage } from "../wire/scanner.ts";
import type { GateRecord } from "./step.ts";

/** A notice of the server about a task that nobody is known to own yet. */
export interface EarlyNotice {
  readonly message: NotificationMessage;
  readonly record: GateRecord;
}

/** What one session keeps of such notices. */
const MAX_NOTICES = 100;
const MAX_BYTES = 256 * 1024;

/**
 * Some servers speak of a task before they answer the call that makes it. Such a notice waits until
 * the answer says whose the task is; nothing of it is shown before.
 */
export class EarlyNotices {
  #notices: (EarlyNotice & { readonly taskId: string })[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a notice; false when there are as many as may be. */
  keep(taskId: string, notice: EarlyNotice): boolean {
    const bytes = notice.message.bytes.length;
    if (this.#notices.length >= MAX_NOTICES || this.#bytes + bytes > MAX_BYTES) return false;
    this.#notices.push({ taskId, ...notice });
    this.#bytes += bytes;
    return true;
  }

  /** Those about one task, or all of them, in the order in which they came. */
  take(taskId?: string): EarlyNotice[] {
    const taken = this.#notices.filter((notice) =>
      taskId === undefined || notice.taskId === taskId
    );
    if (taken.length === 0) return taken;
    this.#notices = this.#notices.filter((notice) => !taken.includes(notice));
    for (const { message } of taken) this.#bytes -= message.bytes.length;
    return taken;
  }
}
