/** The published description of the public API, made of the table that serves it. */
import { z } from "zod";
import type { ZodType } from "zod";
import type { IdentityErrorCode } from "../error.ts";
import { VERSION } from "../version.ts";
import { apiFailure } from "./_answers.ts";
import { statusOf } from "./_failures.ts";
import {
  adminEndpoint,
  CALLER_ERRORS,
  COMMON_ERRORS,
  type Endpoint,
  ENDPOINTS,
  REMOTE_OPERATIONS,
} from "./endpoints.ts";
import { adminPath, type Route, routeOf, ROUTES } from "./routes.ts";

type Json = Readonly<Record<string, unknown>>;

/** An OpenAPI 3.1 document (its schemas are JSON Schema 2020-12). */
export function openapi(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const name of Object.keys(ROUTES) as Route[]) {
    const { method, path } = routeOf(name);
    const endpoint = ENDPOINTS[name] as Endpoint;
    for (const [index, each] of [path, ...(endpoint.aliases ?? [])].entries()) {
      const operationId = index === 0 ? name : `${name}${index + 1}`;
      paths[each] = { ...paths[each], [method.toLowerCase()]: operation(operationId, endpoint) };
    }
  }
  for (const name of REMOTE_OPERATIONS) {
    // Some have the name of an endpoint.
    const operationId = `admin${name[0]!.toUpperCase()}${name.slice(1)}`;
    paths[adminPath(name)] = { post: operation(operationId, adminEndpoint(name)) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "The authority's public port",
      version: VERSION,
      description: "Callers prove who they are with a client certificate (TLS 1.3). Whoever has " +
        "none, or one that is not valid here, is answered 401; whoever may not, 403.",
    },
    paths,
    components: {
      schemas: { Failure: schemaOf(apiFailure, "output") },
      securitySchemes: {
        bot: { type: "mutualTLS", description: "tbot's own certificate" },
        identity: { type: "mutualTLS", description: "The certificate of an identity file" },
        agent: { type: "mutualTLS", description: "The certificate of a joined agent" },
        relay: { type: "mutualTLS", description: "The certificate of a joined relay" },
        host: { type: "mutualTLS", description: "The certificate of a joined agent or relay" },
      },
    },
  };
}

function operation(operationId: string, endpoint: Endpoint): Json {
  const { answer, caller, request, summary } = endpoint;
  return {
    operationId,
    summary,
    security: caller === "anyone" ? [] : [{ [caller]: [] }],
    ...(request && {
      requestBody: { required: true, content: content(schemaOf(request, "input")) },
    }),
    responses: {
      "200": { description: "Done", content: content(schemaOf(answer, "output")) },
      ...refusals(endpoint),
    },
  };
}

/** The codes that an endpoint may refuse with. */
export function errorsOf({ caller, errors }: Endpoint): IdentityErrorCode[] {
  const own = [...COMMON_ERRORS, ...(caller === "anyone" ? [] : CALLER_ERRORS), ...errors];
  return [...new Set(own)].sort();
}

function refusals(endpoint: Endpoint): Record<string, Json> {
  const byStatus = new Map<number, string[]>([[413, ["BAD_REQUEST"]]]);
  for (const code of errorsOf(endpoint)) {
    const status = statusOf(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries([...byStatus].map(([status, codes]) => [
    String(status),
    {
      description: codes.join(", "),
      content: content({ $ref: "#/components/schemas/Failure" }),
    },
  ]));
}

function content(schema: Json): Json {
  return { "application/json": { schema } };
}

function schemaOf(schema: ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
