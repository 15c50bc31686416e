import { fileURLToPath } from "node:url";
import { IdentityError } from "../error.ts";
import type { DestinationSpec } from "./destination.ts";

/** A destination as the command line writes it: a path, `file:///path` or `memory://`. */
export function parseDestinationUri(uri: string): DestinationSpec {
  if (uri === "memory://" || uri === "memory:") return { type: "memory" };
  if (uri.startsWith("file:")) return directorySpec(filePath(uri));
  if (uri !== "" && !/^[a-z][a-z0-9+.-]*:\/\//i.test(uri)) return directorySpec(uri);
  if (uri.startsWith("kubernetes-secret:")) {
    throw invalid(
      uri,
      "Kubernetes secrets are not supported: write to a directory on a volume that the pods share",
    );
  }
  throw invalid(uri, "Write a path, file:///path or memory://");
}

/** A directory with the defaults of everything that was not said. */
export function directorySpec(
  path: string,
): Extract<DestinationSpec, { type: "directory" }> {
  return { type: "directory", path, symlinks: "try-secure", acls: "try", readers: [] };
}

function filePath(uri: string): string {
  try {
    return fileURLToPath(uri);
  } catch {
    throw invalid(uri, "A file URI has an absolute path and no host: file:///opt/machine-id");
  }
}

function invalid(uri: string, hint: string): IdentityError {
  return new IdentityError("CONFIG_INVALID", `Cannot write to a destination "${uri}"`, { hint });
}
