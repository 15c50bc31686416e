/**
 * A place that credentials are written to. Each file is replaced as a whole: a reader finds the
 * old content or the new, never a part of either.
 */
export interface Destination {
  /** How logs and errors call it, such as a path. */
  readonly name: string;
  /** Makes sure that it can be written, before anything is issued for it. */
  prepare(): Promise<void>;
  /** A file's content, or undefined when there is none. */
  read(file: string): Promise<string | undefined>;
  /** Replaces one file. Throws `DESTINATION_UNWRITABLE`. */
  write(file: string, content: string): Promise<void>;
  /** Removes one file; it may be gone already. */
  remove(file: string): Promise<void>;
}

/** What a configuration says about a destination. */
export type DestinationSpec =
  | {
    readonly type: "directory";
    /** Absolute, or relative to the working directory. */
    readonly path: string;
    readonly symlinks: SymlinkMode;
    readonly acls: AclMode;
    readonly readers: readonly Reader[];
  }
  | { readonly type: "memory" };

/** Whether a symbolic link may stand in the path of a directory. */
export type SymlinkMode = "try-secure" | "secure" | "insecure";

/** Whether readers are let in by access control lists, and whether that may fail. */
export type AclMode = "try" | "off" | "required";

/** A local user or group that may read the files beside their owner. */
export type Reader = { readonly user: string } | { readonly group: string };
