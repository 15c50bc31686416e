import assert from "node:assert/strict";
import { parseBotConfig, parseJoinUri } from "../../identity/bot/mod.ts";
import { IdentityError } from "../../identity/mod.ts";
import { test } from "../support/harness.ts";

const head = "version: v2\nstorage: {type: directory, path: /opt/bot}\n";
const method = "  join_method: bound_keypair\n  token: robot-1\n";

test("either name of the static key's path is read", () => {
  for (const name of ["static_private_key_path", "static_key_path"]) {
    const text = `${head}proxy_server: a:1\nonboarding:\n${method}` +
      `  bound_keypair: {${name}: /etc/key}\n`;
    assert.deepEqual(parseBotConfig(text, "f").config.onboarding, {
      joinMethod: "bound_keypair",
      token: "robot-1",
      staticKey: { path: "/etc/key" },
    });
  }
});

test("a key that would end with tbot is warned of, and a static one is not", () => {
  const text = "version: v2\nproxy_server: a:1\nstorage: {type: memory}\n" +
    `onboarding:\n${method}`;
  assert.match(parseBotConfig(text, "f").warnings.join(), /is lost when tbot ends/);
  const staticKey = { text: "k", from: "TEST" };
  assert.deepEqual(parseBotConfig(text, "f", { staticKey }).warnings, []);
});

test("a join URI says where and how to join", () => {
  const uri = "join_uri: tbot+proxy+bound-keypair://robot-1:s%3Aecret@demo.test:443\n";
  const { config } = parseBotConfig(head + uri, "f");
  assert.equal(config.proxyServer, "demo.test:443");
  assert.deepEqual(config.onboarding, {
    joinMethod: "bound_keypair",
    token: "robot-1",
    secret: { text: "s:ecret", from: "the configuration" },
  });
  // What says the same may stand beside it.
  const beside = `${head}${uri}proxy_server: demo.test:443\nonboarding: {ca_path: /etc/ca}\n`;
  assert.equal(parseBotConfig(beside, "f").config.trust.kind, "file");
  for (const other of ["proxy_server: a:1\n", "onboarding: {join_method: token, token: x}\n"]) {
    assert.throws(
      () => parseBotConfig(head + uri + other, "f"),
      /something else than the join URI/,
    );
  }
});

const GOOD: [string, object][] = [
  ["tbot+proxy+token://abc@a.test:443", {
    proxyServer: "a.test:443",
    joinMethod: "token",
    token: "abc",
  }],
  ["tbot+proxy+bound_keypair://abc@a.test", {
    proxyServer: "a.test",
    joinMethod: "bound_keypair",
    token: "abc",
  }],
  ["tbot+proxy+github://ci@[::1]:443", {
    proxyServer: "[::1]:443",
    joinMethod: "github",
    token: "ci",
  }],
];
for (const [text, expected] of GOOD) {
  test(`the join URI ${text} is read`, () => assert.deepEqual(parseJoinUri(text), expected));
}

const BAD: [string, RegExp][] = [
  ["tbot+auth+token://abc:hidden@a.test:443", /through the cluster's port/],
  ["tbot+proxy+azure://abc:hidden@a.test:443", /"azure" is not supported/],
  ["tbot+proxy+token://abc:hidden@a.test:443", /takes nothing behind the name/],
  ["https://abc:hidden@a.test:443", /does not have the form/],
  ["tbot+proxy+token://a.test:443", /does not have the form/],
  ["tbot+proxy+bound-keypair://abc:hidden%@a.test", /begins no escape/],
];
for (const [text, says] of BAD) {
  test(`the join URI ${text} is refused, and not repeated`, () => {
    assert.throws(() => parseJoinUri(text), (error) => {
      assert.ok(error instanceof IdentityError);
      assert.match(error.message, says);
      assert.doesNotMatch(`${error.message}${error.hint}`, /hidden/);
      return true;
    });
  });
}
