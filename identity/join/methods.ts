/**
 * How a machine proves who it is when it joins, beside a one-time token: each method is an OIDC
 * token of somebody whom the machine runs at, and one table says where that token comes from and
 * which of its claims a `kind: token` resource may ask for. The words are the original's.
 */
import * as z from "zod";

/** How a rule compares what a claim says. */
type Comparison = "exact" | "glob" | "boolean";

interface RuleField {
  /** The claim, if it is not called like the field. */
  readonly claim?: string;
  readonly as: Comparison;
}

interface Method {
  /** What the section of the method takes beside `allow`. */
  readonly fields: z.ZodRawShape;
  readonly rules: Readonly<Record<string, RuleField>>;
  /** A rule names at least one of these: anybody's token fits one that does not. */
  readonly narrowing: readonly string[];
}

const EXACT: RuleField = { as: "exact" };
const GLOB: RuleField = { as: "glob" };
const BOOLEAN: RuleField = { as: "boolean" };

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

const METHODS = {
  github: {
    fields: {
      enterprise_server_host: host.optional(),
      enterprise_slug: z.string().regex(/^[A-Za-z0-9-]+$/).optional(),
      static_jwks: jwks.optional(),
    },
    rules: {
      sub: EXACT,
      repository: EXACT,
      repository_owner: EXACT,
      workflow: EXACT,
      environment: EXACT,
      actor: EXACT,
      ref: EXACT,
      ref_type: EXACT,
    },
    narrowing: ["sub", "repository", "repository_owner"],
  },
  gitlab: {
    fields: { domain: host.default("gitlab.com"), static_jwks: jwks.optional() },
    rules: {
      sub: GLOB,
      ref: GLOB,
      ref_type: EXACT,
      ref_protected: BOOLEAN,
      namespace_path: GLOB,
      project_path: GLOB,
      pipeline_source: EXACT,
      environment: GLOB,
      environment_protected: BOOLEAN,
      user_login: EXACT,
      user_id: EXACT,
      user_email: EXACT,
      ci_config_sha: EXACT,
      ci_config_ref_uri: GLOB,
      deployment_tier: EXACT,
      project_visibility: EXACT,
    },
    narrowing: ["sub", "namespace_path", "project_path", "ci_config_ref_uri"],
  },
  kubernetes: {
    fields: {
      type: z.literal("static_jwks", {
        error: "only `type: static_jwks` is supported: write the cluster's JWKS into static_jwks",
      }),
      static_jwks: z.strictObject({ jwks }),
    },
    rules: { service_account: { claim: "sub", as: "exact" } },
    narrowing: ["service_account"],
  },
} as const satisfies Record<string, Method>;

const claimValue = z.union([z.string().min(1), z.number(), z.boolean()]);

/** Any other issuer: its URL, and claims by their names. Not the original's. */
const genericOidc = z.strictObject({
  issuer: z.string().refine(isIssuer, "write the issuer's URL, which begins with https://"),
  audience: z.string().min(1).optional(),
  static_jwks: jwks.optional(),
  allow: z.array(z.strictObject({
    claims: z.record(z.string().min(1), claimValue).refine(
      ({ sub, ...others }) => sub !== undefined || Object.keys(others).length > 0,
      "name at least one claim: anybody's token fits a rule without one",
    ),
  })).min(1, "write at least one rule"),
});

function sectionOf({ fields, narrowing, rules }: Method): z.ZodType {
  const rule = z.strictObject(Object.fromEntries(
    Object.entries(rules).map(([name, { as }]) => [
      name,
      (as === "boolean" ? z.boolean() : z.string().min(1)).optional(),
    ]),
  )).refine(
    (given: Record<string, unknown>) => narrowing.some((name) => given[name] !== undefined),
    `name at least one of ${narrowing.join(", ")}: anybody's token fits a rule without them`,
  );
  return z.strictObject({ ...fields, allow: z.array(rule).min(1, "write at least one rule") });
}

export const ID_TOKEN_METHODS = ["github", "gitlab", "kubernetes", "generic_oidc"] as const;
export type IdTokenMethod = typeof ID_TOKEN_METHODS[number];

/** The section of a `kind: token` resource that has the method's name. */
export const METHOD_SECTIONS: Readonly<Record<IdTokenMethod, z.ZodType>> = {
  github: sectionOf(METHODS.github),
  gitlab: sectionOf(METHODS.gitlab),
  kubernetes: sectionOf(METHODS.kubernetes),
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
    : `there is no join method "${given}": use token, ${ID_TOKEN_METHODS.join(", ")}`;
}

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

type Section = Readonly<Record<string, unknown>> & {
  readonly allow: readonly Readonly<Record<string, string | number | boolean>>[];
};

/** What a section that `METHOD_SECTIONS` has checked means. */
export function rulesOf(method: IdTokenMethod, checked: unknown): TokenRules {
  const section = checked as Section;
  const jwks = section["static_jwks"] as string | undefined;
  switch (method) {
    case "github": {
      const server = section["enterprise_server_host"] as string | undefined;
      const slug = section["enterprise_slug"] as string | undefined;
      const issuer = server === undefined
        ? `https://token.actions.githubusercontent.com${slug === undefined ? "" : `/${slug}`}`
        : `https://${server}/_services/token`;
      return { issuer, ...(jwks && { jwks }), allow: conditions(METHODS.github, section) };
    }
    case "gitlab": {
      const issuer = `https://${section["domain"]}`;
      return { issuer, ...(jwks && { jwks }), allow: conditions(METHODS.gitlab, section) };
    }
    case "kubernetes": {
      const keys = section["static_jwks"] as unknown as { jwks: string };
      return {
        jwks: keys.jwks,
        allow: section.allow.map(({ service_account }) => [{
          claim: "sub",
          as: "exact",
          value: `system:serviceaccount:${service_account}`,
        }]),
      };
    }
    case "generic_oidc": {
      const { audience, issuer } = section as unknown as z.infer<typeof genericOidc>;
      return {
        issuer,
        ...(audience !== undefined && { audience }),
        ...(jwks && { jwks }),
        allow: (section as unknown as z.infer<typeof genericOidc>).allow.map(({ claims }) =>
          Object.entries(claims).map(([claim, value]) => ({
            claim,
            as: typeof value === "string" ? "glob" : "exact",
            value,
          }))
        ),
      };
    }
  }
}

function conditions({ rules }: Method, { allow }: Section): Condition[][] {
  return allow.map((rule) =>
    Object.entries(rule).map(([name, value]) => {
      const { as, claim = name } = rules[name]!;
      return { claim, as, value };
    })
  );
}

/** RFC 8414 §2, and plain HTTP on loopback, where nobody is between. */
export function isIssuer(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.search !== "" || url.hash !== "" || url.username !== "") return false;
  const local = ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  return url.protocol === "https:" || (url.protocol === "http:" && local);
}
