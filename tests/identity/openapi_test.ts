// The authority describes its public API, and is held to the description: each endpoint is asked for
// what fits its schema, for what nearly does and for anything else, by each kind of caller.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { apiFailure } from "../../identity/authority/_answers.ts";
import { type Endpoint, ENDPOINTS } from "../../identity/authority/endpoints.ts";
import { openapi } from "../../identity/authority/mod.ts";
import { errorsOf } from "../../identity/authority/openapi.ts";
import { publicApi } from "../../identity/authority/public_api.ts";
import { type Route, routeOf, ROUTES } from "../../identity/authority/routes.ts";
import { generateKeyPair } from "../../identity/mod.ts";
import { fitting, type JsonSchema, nearlyFitting } from "../support/from_schema.ts";
import { test } from "../support/harness.ts";
import { realAuthority } from "../support/real_authority.ts";

interface Operation {
  readonly operationId: string;
  readonly security: readonly object[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { description: string; content: Content }>>;
}
type Content = { readonly "application/json": { readonly schema: JsonSchema } };

const document = openapi() as {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes: Readonly<Record<string, object>>;
  };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation }))
);

test("the OpenAPI document names every endpoint, and its schemas are JSON Schema 2020-12", () => {
  assert.match(document.openapi, /^3\.1\.\d$/);
  const ids = operations.map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length, "operationId is unique");
  for (const name of Object.keys(ROUTES) as Route[]) {
    const { method, path } = routeOf(name);
    assert.equal(document.paths[path]?.[method.toLowerCase()]?.operationId, name);
  }
  const ajv = new Ajv2020({ strict: true, strictTypes: false, validateFormats: false });
  ajv.addSchema({ $id: "root", $defs: document.components.schemas });
  for (const { path, operation: { requestBody, responses, security } } of operations) {
    for (
      const { content } of [...(requestBody ? [requestBody] : []), ...Object.values(responses)]
    ) {
      const schema = JSON.parse(
        JSON.stringify(content["application/json"].schema).replaceAll(
          "#/components/schemas/",
          "root#/$defs/",
        ),
      );
      assert.equal(typeof ajv.compile(schema), "function", path);
    }
    for (const scheme of security.flatMap(Object.keys)) {
      assert.ok(document.components.securitySchemes[scheme], `${path}: ${scheme} is a scheme`);
    }
  }
});

test("each endpoint answers what it promises to whatever it is sent: no 500, no secret", async (context) => {
  const authority = await realAuthority(context);
  const { cluster } = authority;
  await authority.addRole(
    "dev",
    "kind: role\nversion: v6\nmetadata: {name: dev}\nspec: {allow: {app_labels: {env: dev}}}\n",
  );
  const app = {
    name: "my-mcp-server",
    description: "",
    uri: "mcp+stdio://",
    labels: { env: "dev" },
  };
  await authority.addApp(app);
  await authority.addBot("robot", ["dev"]);
  const bot = await authority.join("robot");
  const identity = await authority.issue(bot);
  const token = await authority.addToken("robot");
  const peers = [undefined, bot, identity].map((credentials) =>
    credentials && new Uint8Array(new X509Certificate(credentials.certificate).raw)
  );
  const secrets = [token, "PRIVATE KEY", ...secretsOf(cluster.keys)];
  const seeds = [generateKeyPair().publicKey, "my-mcp-server", "dev", "robot", "no-such-token"];
  const api = publicApi(cluster);
  let done = 0;
  for (const name of Object.keys(ROUTES) as Route[]) {
    const endpoint = ENDPOINTS[name] as Endpoint;
    const { method, path } = routeOf(name);
    const schema = document.paths[path]![method.toLowerCase()]!.requestBody
      ?.content["application/json"].schema;
    const body = schema === undefined ? fc.constant("") : fc.oneof(
      fitting(schema, seeds).map((value) => JSON.stringify(value)),
      nearlyFitting(schema, seeds).map((value) => JSON.stringify(value)),
      fc.string({ unit: "binary", maxLength: 200 }),
    );
    await fc.assert(
      fc.asyncProperty(body, fc.constantFrom(...peers), async (text, peer) => {
        const request = new Request(`https://cluster.test${path}`, {
          method,
          ...(method === "POST" && { body: text }),
        });
        // A source of its own each time, lest a limit answers in the place of the endpoint.
        const response = await api.fetch(request, { peer, remote: crypto.randomUUID() });
        const said = await response.text();
        for (const secret of secrets) assert.ok(!said.includes(secret), `${path} tells a secret`);
        const answer = JSON.parse(said);
        if (response.status === 200) {
          endpoint.answer.parse(answer);
          done++;
          return;
        }
        const { error } = apiFailure.parse(answer);
        assert.ok(response.status < 500, `${path} ${text}: ${said}`);
        assert.ok(errorsOf(endpoint).some((code) => code === error.code), `${path}: ${error.code}`);
        assert.ok(document.paths[path]![method.toLowerCase()]!.responses[response.status]);
      }),
      { numRuns: schema === undefined ? 6 : 120 },
    );
  }
  assert.ok(done > 20, "some of what fits is done");
});

/** Every private key that the cluster has, as the lines of its PEM. */
function secretsOf(keys: object): string[] {
  return [...JSON.stringify(keys).matchAll(/PRIVATE KEY-----\\n([A-Za-z0-9+/=]{40,64})/g)]
    .map(([, line = ""]) => line.slice(-30));
}
