/**
 * Connections to a PostgreSQL database that come back. A pool in which one connection has failed is
 * given up whole, so that nothing of an unfinished transaction can ever run on another connection;
 * the next call opens a new one. Every call ends within a bounded time.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import type { Sql, TransactionSql } from "postgres";
import { IdentityError } from "../error.ts";
import { nameOf, type PostgresAddress } from "./postgres_url.ts";

export interface LinkOptions {
  readonly address: PostgresAddress;
  /** Connections at most. */
  readonly max: number;
  /** How long a call tries to begin. */
  readonly patienceMs: number;
  /** What a call that has begun may take; 20 s when absent. */
  readonly callMs?: number;
  readonly onNotify?: (payload: string) => void;
  /** A connection has ended. */
  readonly onLost?: () => void;
}

interface Pool {
  readonly sql: Sql;
  readonly sockets: Set<Socket>;
  failed: boolean;
}

const CALL_MS = 20_000;
/** What the database allows, so that it ends by itself what nobody waits for any more. */
const STATEMENT_MS = 15_000;
const LOCK_MS = 10_000;
const IDLE_IN_TRANSACTION_MS = 15_000;
const PAUSE_MS = 100;

export class PostgresLink {
  readonly #options: LinkOptions;
  #pool: Pool | undefined;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Whether there is a pool, and nothing has happened to it. */
  get healthy(): boolean {
    return this.#pool?.failed === false;
  }

  /** Runs what may be run again. */
  read<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#run((pool) => work(pool.sql), () => true);
  }

  /**
   * Runs `work` in a transaction. Until it calls `begun` it is run again when the connection fails;
   * afterwards never.
   */
  async transaction<T>(work: (sql: TransactionSql, begun: () => void) => Promise<T>): Promise<T> {
    let begun = false;
    let done = false;
    let thrown: { readonly error: unknown } | undefined;
    const attempt = async (pool: Pool) =>
      await pool.sql.begin(async (sql) => {
        if (pool.failed) throw connectionError("the connection was given up");
        try {
          const result = await work(sql, () => void (begun = true));
          done = true;
          return result;
        } catch (error) {
          thrown = { error };
          throw error;
        }
      }) as T;
    try {
      return await this.#run(attempt, () => !begun);
    } catch (error) {
      // What `work` itself has thrown counts for more than a rollback that failed after it.
      if (thrown?.error instanceof IdentityError) throw thrown.error;
      if (done && isTrouble(error)) throw this.#unavailable(error, true);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const pool = this.#pool;
    this.#pool = undefined;
    await pool?.sql.end({ timeout: 1 });
    for (const socket of pool?.sockets ?? []) socket.destroy();
  }

  async #run<T>(attempt: (pool: Pool) => Promise<T>, repeatable: () => boolean): Promise<T> {
    const deadline = performance.now() + this.#options.patienceMs;
    for (;;) {
      if (this.#closed) throw this.#unavailable(connectionError("it is closed"), false);
      const pool = this.#current();
      try {
        return await within(this.#options.callMs ?? CALL_MS, attempt(pool));
      } catch (error) {
        if (isTrouble(error)) this.#giveUp(pool);
        if (!isTrouble(error)) throw this.#explain(error);
        const again = repeatable() && performance.now() + PAUSE_MS < deadline;
        if (!again) throw this.#unavailable(error, false);
      }
      await sleep(PAUSE_MS);
    }
  }

  #current(): Pool {
    if (this.#pool && !this.#pool.failed) return this.#pool;
    if (this.#pool) this.#giveUp(this.#pool);
    return this.#pool = this.#open();
  }

  #giveUp(pool: Pool): void {
    pool.failed = true;
    if (this.#pool === pool) this.#pool = undefined;
    // Whoever waits on it is told by the end of the socket.
    for (const socket of pool.sockets) socket.destroy();
    void pool.sql.end({ timeout: 0 }).catch(() => {});
  }

  #open(): Pool {
    const { address, max, onLost, onNotify, patienceMs } = this.#options;
    const sockets = new Set<Socket>();
    const options = {
      // Each is said, since the library would look into the environment for it otherwise.
      host: address.host,
      port: address.port,
      database: address.database,
      user: address.user,
      password: address.password,
      ssl: address.tls ?? false,
      max,
      idle_timeout: 0,
      max_lifetime: 0,
      connect_timeout: Math.ceil(patienceMs / 1000),
      keep_alive: 10,
      backoff: () => 0,
      prepare: true,
      fetch_types: false,
      onnotice: () => {},
      onclose: () => {
        pool.failed = true;
        onLost?.();
      },
      onnotify: (_channel: string, payload: string) => onNotify?.(payload),
      socket: () => dial(address, sockets, patienceMs),
      connection: {
        application_name: "postern",
        // Strings: the library writes them into the start message as they are.
        statement_timeout: `${STATEMENT_MS}`,
        lock_timeout: `${LOCK_MS}`,
        idle_in_transaction_session_timeout: `${IDLE_IN_TRANSACTION_MS}`,
        default_transaction_isolation: "read committed",
        synchronous_commit: "on",
        client_encoding: "UTF8",
      },
    };
    const pool: Pool = {
      sql: postgres(options as unknown as postgres.Options<Record<never, never>>),
      sockets,
      failed: false,
    };
    return pool;
  }

  #unavailable(error: unknown, unknown: boolean): IdentityError {
    const place = nameOf(this.#options.address);
    return new IdentityError(
      "UNAVAILABLE",
      unknown
        ? `The database ${place} went away while it confirmed a write: it may have happened or not`
        : `The database ${place} does not answer: ${storyOf(error)}`,
      { hint: "It is tried again with each request", cause: bare(error) },
    );
  }

  #explain(error: unknown): unknown {
    if (!isServerError(error)) return error;
    const place = nameOf(this.#options.address);
    return new IdentityError("STORE_INVALID", `The database ${place} refuses: ${storyOf(error)}`, {
      hint: "See that the user of teleport.storage.conn_string may do this; its log says more",
      cause: bare(error),
    });
  }
}

async function dial(
  { host, port }: PostgresAddress,
  sockets: Set<Socket>,
  patienceMs: number,
): Promise<Socket> {
  const socket = host.startsWith("/")
    ? connect({ path: `${host}/.s.PGSQL.${port}` })
    : connect({ host, port });
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
  const timer = setTimeout(
    () => socket.destroy(connectionError("no answer", "ETIMEDOUT")),
    patienceMs,
  );
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
      socket.once("close", () => reject(connectionError("closed", "ECONNRESET")));
    });
  } finally {
    clearTimeout(timer);
  }
  socket.setNoDelay(true);
  return socket;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(connectionError(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function connectionError(message: string, code = "CONNECTION_LOST"): Error {
  return Object.assign(new Error(message), { code });
}

function codeOf(error: unknown): string {
  if (error instanceof IdentityError || !(error instanceof Error)) return "";
  return String((error as { code?: unknown }).code ?? "");
}

function isServerError(error: unknown): boolean {
  return error instanceof postgres.PostgresError;
}

/**
 * Whether the database is away, as against it having refused something: broken connections, a
 * server that starts or ends, has no room or may not write, and what took too long.
 */
export function isTrouble(error: unknown): boolean {
  const code = codeOf(error);
  return /^(08...|53...|57...|40...|25006|25P03|55P03)$/.test(code) ||
    /^(CONNECT|CONNECTION)_[A-Z_]+$/.test(code) ||
    (!isServerError(error) && /^E[A-Z_]+$/.test(code)) ||
    (!isServerError(error) && /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO)/.test(code));
}

function storyOf(error: unknown): string {
  return error instanceof Error ? `${codeOf(error)} ${error.message}`.trim() : String(error);
}

/** Without the query and its parameters, which the library hangs on its errors: they are secret. */
function bare(error: unknown): Error {
  return new Error(storyOf(error));
}
