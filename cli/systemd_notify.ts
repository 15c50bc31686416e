/**
 * Tells systemd how a service fares (sd_notify). Its socket takes datagrams, which neither
 * `node:dgram` nor the runtimes can send to a path; systemd's own `systemd-notify` can, and stands
 * wherever the socket does. The unit needs `NotifyAccess=all` for it.
 */
import { execFile } from "node:child_process";
import type { Log } from "../identity/mod.ts";

export interface SystemdNotifyOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

/** Longer lines are cut; `systemctl status` shows one. */
const MAX_STATUS = 200;

/** Milliseconds after which a call that hangs is given up. */
const CALL_MS = 5_000;

export class SystemdNotify {
  readonly #env: SystemdNotifyOptions["env"];
  readonly #log: Log;
  readonly #pulse: ReturnType<typeof setInterval> | undefined;
  /** What is still to be said; a newer word of a kind takes the place of an older one. */
  #next = new Map<string, string>();
  #saying: Promise<void> | undefined;
  #broken = false;

  private constructor({ env, log }: SystemdNotifyOptions) {
    this.#env = env;
    this.#log = log;
    const watchdog = Number(env["WATCHDOG_USEC"]) / 1000;
    // Twice within the time that systemd waits.
    if (watchdog >= 1) this.#pulse = setInterval(() => this.say("WATCHDOG", "1"), watchdog / 2);
  }

  /** Nothing, unless systemd has started this process and wants to hear. */
  static open(options: SystemdNotifyOptions): SystemdNotify | undefined {
    return options.env["NOTIFY_SOCKET"] ? new SystemdNotify(options) : undefined;
  }

  say(name: "READY" | "STATUS" | "STOPPING" | "WATCHDOG", value: string): void {
    if (this.#broken) return;
    this.#next.set(name, value.replaceAll(/\s+/g, " ").slice(0, MAX_STATUS));
    this.#saying ??= this.#talk().finally(() => void (this.#saying = undefined));
  }

  /** Says that the service stops; resolves once everything has been said. */
  async close(): Promise<void> {
    clearInterval(this.#pulse);
    this.say("STOPPING", "1");
    await this.#saying;
  }

  async #talk(): Promise<void> {
    while (this.#next.size > 0 && !this.#broken) {
      const words = [...this.#next].map(([name, value]) => `${name}=${value}`);
      this.#next = new Map();
      await this.#call(words);
    }
  }

  #call(words: readonly string[]): Promise<void> {
    const { PATH = "/usr/bin:/bin", NOTIFY_SOCKET } = this.#env;
    const options = { env: { PATH, NOTIFY_SOCKET }, timeout: CALL_MS };
    return new Promise((resolve) => {
      const gone = (error: Error | null) => {
        if (error) {
          // Said once: what cannot be told now will hardly be told later.
          this.#broken = true;
          this.#log.warn("systemd cannot be told how this service fares", { found: error.message });
        }
        resolve();
      };
      try {
        execFile("systemd-notify", [...words], options, gone);
      } catch (error) {
        gone(error as Error);
      }
    });
  }
}
