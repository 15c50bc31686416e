/**
 * How a machine proves who it is when it joins, beside a one-time token: each method is an OIDC
 * token of somebody whom the machine runs at, and one table says where that token comes from and
 * which of its claims a `kind: token` resource may ask for. The words are the original's.
 */
import * as z from "zod";

/** How a rule compares what a claim says. */
type Comparison = "exact" | "glob" | "boolean";

/** One thing that a token has to say. */
export interface Condition {
  readonly claim: string;
  readonly as: Comparison;
  readonly value: string | number | boolean;
}

/** What a checked section asks of a token. */
export interface TokenRules {
  /** Absent where the keys alone say who has issued it. */
  readonly issuer?: string;
  /** The cluster's name when absent. */
  readonly audience?: string;
  /** A JWKS as text; the issuer is asked for its keys when absent. */
  readonly jwks?: string;
  /** A token has to fit one of these whole lists. */
  readonly allow: readonly (readonly Condition[])[];
}

/**
 * The entries of `allow`: fields that are called like the claim, and how each is compared. An entry
 * names at least one of `narrowing`, since anybody's token fits one that does not.
 */
function entries(
  fields: Readonly<Record<string, Comparison>>,
  narrowing: readonly string[],
): z.ZodType<readonly (readonly Condition[])[]> {
  const entry = z.strictObject(Object.fromEntries(
    Object.entries(fields).map(([name, as]) => [
      name,
      (as === "boolean" ? z.boolean() : z.string().min(1)).optional(),
    ]),
  )).refine(
    (given) => narrowing.some((name) => given[name] !== undefined),
    `name at least one of ${narrowing.join(", ")}: anybody's token fits a rule without them`,
  ).transform((given) =>
    Object.entries(given).flatMap(([claim, value]): Condition[] => {
      const as = fields[claim];
      return as === undefined || value === undefined ? [] : [{ claim, as, value }];
    })
  );
  return z.array(entry).min(1, "write at least one rule");
}

const host = z.string().regex(
  /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/i,
  "write the name of a host, without https://",
);
/** A JWKS (RFC 7517 §5) as text, for issuers that cannot be asked. */
const jwks = z.string().max(256 * 1024).refine((text) => {
  try {
    return Array.isArray(JSON.parse(text).keys);
  } catch {
    return false;
  }
}, "expected a JWKS: the JSON of an object with `keys`");

const github = z.strictObject({
  enterprise_server_host: host.optional(),
  enterprise_slug: z.string().regex(/^[A-Za-z0-9-]+$/).optional(),
  static_jwks: jwks.optional(),
  allow: entries({
    sub: "exact",
    repository: "exact",
    repository_owner: "exact",
    workflow: "exact",
    environment: "exact",
    actor: "exact",
    ref: "exact",
    ref_type: "exact",
  }, ["sub", "repository", "repository_owner"]),
}).transform((
  { allow, enterprise_server_host: server, enterprise_slug: slug, static_jwks },
): TokenRules => ({
  issuer: server === undefined
    ? `https://token.actions.githubusercontent.com${slug === undefined ? "" : `/${slug}`}`
    : `https://${server}/_services/token`,
  ...(static_jwks !== undefined && { jwks: static_jwks }),
  allow,
}));

const gitlab = z.strictObject({
  domain: host.default("gitlab.com"),
  static_jwks: jwks.optional(),
  allow: entries({
    sub: "glob",
    ref: "glob",
    ref_type: "exact",
    ref_protected: "boolean",
    namespace_path: "glob",
    project_path: "glob",
    pipeline_source: "exact",
    environment: "glob",
    environment_protected: "boolean",
    user_login: "exact",
    user_id: "exact",
    user_email: "exact",
    ci_config_sha: "exact",
    ci_config_ref_uri: "glob",
    deployment_tier: "exact",
    project_visibility: "exact",
  }, ["sub", "namespace_path", "project_path", "ci_config_ref_uri"]),
}).transform(({ allow, domain, static_jwks }): TokenRules => ({
  issuer: `https://${domain}`,
  ...(static_jwks !== undefined && { jwks: static_jwks }),
  allow,
}));

const kubernetes = z.strictObject({
  type: z.literal("static_jwks", {
    error: "only `type: static_jwks` is supported: write the cluster's JWKS into static_jwks",
  }),
  static_jwks: z.strictObject({ jwks }),
  allow: z.array(z.strictObject({
    service_account: z.string().min(1),
  })).min(1, "write at least one rule"),
}).transform(({ allow, static_jwks }): TokenRules => ({
  jwks: static_jwks.jwks,
  allow: allow.map(({ service_account }) => [
    { claim: "sub", as: "exact", value: `system:serviceaccount:${service_account}` },
  ]),
}));

/** Any other issuer: its URL, and claims by their names. Not the original's. */
const genericOidc = z.strictObject({
  issuer: z.string().refine(isIssuer, "write the issuer's URL, which begins with https://"),
  audience: z.string().min(1).optional(),
  static_jwks: jwks.optional(),
  allow: z.array(z.strictObject({
    claims: z.record(z.string().min(1), z.union([z.string().min(1), z.number(), z.boolean()]))
      .refine(
        (claims) => Object.keys(claims).length > 0,
        "name at least one claim: anybody's token fits a rule without one",
      ),
  })).min(1, "write at least one rule"),
}).transform(({ allow, audience, issuer, static_jwks }): TokenRules => ({
  issuer,
  ...(audience !== undefined && { audience }),
  ...(static_jwks !== undefined && { jwks: static_jwks }),
  allow: allow.map(({ claims }) =>
    Object.entries(claims).map(([claim, value]) => ({
      claim,
      as: typeof value === "string" ? "glob" : "exact",
      value,
    }))
  ),
}));

/** The methods whose proof is such a token. */
export const ID_TOKEN_METHODS = ["github", "gitlab", "kubernetes", "generic_oidc"] as const;
export type IdTokenMethod = typeof ID_TOKEN_METHODS[number];

/**
 * The section of a `kind: token` resource that has the name of its method, and what it asks of a
 * token.
 */
export const METHODS: Readonly<Record<IdTokenMethod, z.ZodType<TokenRules>>> = {
  github,
  gitlab,
  kubernetes,
  generic_oidc: genericOidc,
};

/** Other methods of the original's, which a Postern cluster does not know. */
const OTHERS = [
  "azure",
  "azure_devops",
  "bitbucket",
  "circleci",
  "ec2",
  "env0",
  "gcp",
  "iam",
  "oracle",
  "spacelift",
  "terraform_cloud",
  "tpm",
];

/** Why a method is none here, in a sentence. */
export function unsupportedMethod(given: unknown): string {
  return OTHERS.includes(String(given))
    ? `the join method "${given}" is not supported: use generic_oidc where the machine is given an ` +
      "OIDC token, and token elsewhere"
    : `there is no join method "${given}": use token, bound_keypair, ${
      ID_TOKEN_METHODS.join(", ")
    }`;
}

/** RFC 8414 §2, and plain HTTP on loopback, where nobody is between. */
export function isIssuer(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.search !== "" || url.hash !== "" || url.username !== "") return false;
  const local = ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  return url.protocol === "https:" || (url.protocol === "http:" && local);
}
