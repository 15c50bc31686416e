/** Values beside a log message. Never a key, a token or a certificate's private half. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where a part of the program says what it did; the writer itself lives in `cli/`. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** A log that keeps nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
