import assert from "node:assert/strict";
import { readTicket, signTicket } from "../../identity/authority/ticket.ts";
import { createSigningKey } from "../../identity/keys.ts";
import { test } from "../support/harness.ts";

const now = new Date("2026-11-23T12:00:00Z");
const ticket = {
  id: "00112233445566778899",
  agent: "000102030405060708090a0b0c0d0e0f",
  expires: new Date(now.getTime() + 60_000),
};
const { privateKey, publicKey } = createSigningKey();
const servername = signTicket(ticket, privateKey);

test("readTicket() reads what signTicket() wrote, in any letter case", () => {
  assert.deepEqual(readTicket(servername, publicKey, now), ticket);
  assert.deepEqual(readTicket(servername.toUpperCase(), publicKey, now), ticket);
});

test("a ticket is a legal server name: labels of at most 63 letters, 253 in all", () => {
  assert.ok(servername.length <= 253);
  for (const label of servername.split(".")) assert.match(label, /^[a-z0-9]{1,63}$/);
});

test("readTicket() refuses a ticket from the second in which it expires", () => {
  assert.equal(readTicket(servername, publicKey, ticket.expires), undefined);
});

test("readTicket() refuses a ticket with any letter changed, cut or added", () => {
  for (let at = 0; at < servername.indexOf(".route"); at++) {
    const letter = servername[at];
    if (letter === ".") continue;
    const changed = letter === "a" ? "b" : "a";
    const forged = servername.slice(0, at) + changed + servername.slice(at + 1);
    assert.equal(readTicket(forged, publicKey, now), undefined, forged);
  }
  assert.equal(readTicket(servername.slice(1), publicKey, now), undefined);
  assert.equal(readTicket(`a${servername}`, publicKey, now), undefined);
});

test("readTicket() refuses another authority's ticket, and what is no ticket", () => {
  assert.equal(readTicket(servername, createSigningKey().publicKey, now), undefined);
  for (
    const name of ["", "example.com", ".route.internal", "x.route.internal", "é.route.internal"]
  ) {
    assert.equal(readTicket(name, publicKey, now), undefined);
  }
});
