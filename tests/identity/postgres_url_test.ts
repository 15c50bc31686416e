import assert from "node:assert/strict";
import { IdentityError } from "../../identity/mod.ts";
import { nameOf, parsePostgresUrl } from "../../identity/storage/postgres_url.ts";
import { test } from "../support/harness.ts";

test("a connection string is read in libpq's words", () => {
  const address = parsePostgresUrl("postgresql://me:p%40ss@db.example:6000/state?pool_max_conns=9");
  assert.deepEqual(address, {
    host: "db.example",
    port: 6000,
    database: "state",
    user: "me",
    password: "p@ss",
    readers: 9,
    tls: { host: "db.example", servername: "db.example", rejectUnauthorized: true },
  });
  assert.equal(nameOf(address), "db.example:6000/state");
  const local = parsePostgresUrl("postgres:///state?host=/run/postgresql&user=me");
  assert.deepEqual([local.host, local.port, local.database], ["/run/postgresql", 5432, "state"]);
  assert.equal(parsePostgresUrl("postgresql://me@[::1]").host, "::1");
  assert.equal(parsePostgresUrl("postgresql://me@[::1]").database, "me");
});

const modes = [
  { text: "postgresql://me@127.0.0.1/x", verifies: undefined },
  { text: "postgresql://me@db.example/x", verifies: true },
  { text: "postgresql://me@127.0.0.1/x?sslmode=verify-full", verifies: true },
  { text: "postgresql://me@db.example/x?sslmode=require", verifies: false },
  { text: "postgresql://me@db.example/x?sslmode=disable", verifies: undefined },
];
for (const { text, verifies } of modes) {
  test(`TLS to ${text}: ${verifies === undefined ? "none" : verifies ? "verified" : "any"}`, () => {
    assert.equal(parsePostgresUrl(text).tls?.rejectUnauthorized, verifies);
  });
}

const refused = [
  { text: "hunter2", found: /not a URL/ },
  { text: "mysql://me:hunter2@db/x", found: /postgresql:/ },
  { text: "postgresql://me:hunter2@db/x?sslmode=prefer", found: /sslmode/ },
  { text: "postgresql://me:hunter2@db/x?ssl=1", found: /options.* ssl/ },
  { text: "postgresql://me:hunter2@a,b/x", found: /several hosts|not a URL/ },
  { text: "postgresql://me:hunter2%@db/x", found: /percent/ },
  { text: "postgresql://db/hunter2", found: /no user/ },
  { text: "postgresql://me:hunter2@db/x?sslrootcert=/nowhere", found: /\/nowhere.*ENOENT/ },
];
for (const { text, found } of refused) {
  test(`${text} is refused, and the message does not tell it`, () => {
    assert.throws(() => parsePostgresUrl(text), (error: unknown) => {
      assert.ok(error instanceof IdentityError);
      assert.equal(error.code, "CONFIG_INVALID");
      assert.match(error.message, found);
      assert.doesNotMatch(`${error.stack}${error.hint}`, /hunter2/);
      return true;
    });
  });
}
