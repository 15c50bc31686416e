/** One line that says where and how to join: `tbot+proxy+<method>://<token>[:<parameter>]@<host:port>`. */
import { IdentityError } from "../error.ts";
import { ID_TOKEN_METHODS, type IdTokenMethod, unsupportedMethod } from "../join/methods.ts";

export interface JoinUri {
  /** `host:port`. */
  readonly proxyServer: string;
  readonly joinMethod: "token" | "bound_keypair" | IdTokenMethod;
  readonly token: string;
  /** bound_keypair: what to register with. */
  readonly registrationSecret?: string;
}

const FORM = "write it as tbot+proxy+bound-keypair://token:secret@example.com:443";

/** Throws `CONFIG_INVALID` with what is wrong; never with the text itself, which has secrets. */
export function parseJoinUri(text: string): JoinUri {
  const match = /^tbot\+([a-z]+)\+([a-z_-]+):\/\/([^:@/?#]+)(?::([^@/?#]*))?@([^/?#@]+)\/?$/
    .exec(text.trim());
  if (!match) throw invalid(`it does not have the form of one: ${FORM}`);
  const [, kind, method = "", token = "", parameter = "", proxyServer = ""] = match;
  if (kind !== "proxy") {
    throw invalid(`tbot reaches the authority through the cluster's port: ${FORM}`);
  }
  const joinMethod = method.replaceAll("-", "_");
  if (joinMethod !== "token" && joinMethod !== "bound_keypair" && !isIdTokenMethod(joinMethod)) {
    throw invalid(unsupportedMethod(joinMethod));
  }
  if (parameter !== "" && joinMethod !== "bound_keypair") {
    throw invalid(`the method ${joinMethod} takes nothing behind the name of the token`);
  }
  return {
    proxyServer,
    joinMethod,
    token: decoded(token),
    ...(parameter !== "" && { registrationSecret: decoded(parameter) }),
  };
}

function isIdTokenMethod(method: string): method is IdTokenMethod {
  return ID_TOKEN_METHODS.some((known) => known === method);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid("a % in it begins no escape");
  }
}

function invalid(found: string): IdentityError {
  return new IdentityError("CONFIG_INVALID", `Cannot use the join URI: ${found}`);
}
