// What log lines may show: secrets at any depth, errors, values JSON cannot carry.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isSecretName, redact } from "./redact.ts";

describe("isSecretName", () => {
  const cases = [
    { name: "token", secret: true },
    { name: "Authorization", secret: true },
    { name: "private_key", secret: true },
    { name: "privateKey", secret: true },
    { name: "Proxy-Authorization", secret: true },
    { name: "tokens", secret: false },
    { name: "key", secret: false },
    { name: "uid", secret: false },
  ];
  for (const c of cases) {
    it(`${c.name} ${c.secret ? "is" : "is not"} a secret`, () => assert.equal(isSecretName(c.name), c.secret));
  }
});

describe("redact", () => {
  const cases: { name: string; given: Record<string, unknown>; expected: unknown }[] = [
    { name: "keeps plain fields", given: { uid: "a", count: 2 }, expected: { uid: "a", count: 2 } },
    { name: "censors at the top", given: { password: "x" }, expected: { password: "[redacted]" } },
    {
      name: "censors inside objects and arrays",
      given: { headers: { authorization: "Bearer x", list: [{ token: 1 }] } },
      expected: { headers: { authorization: "[redacted]", list: [{ token: "[redacted]" }] } },
    },
    { name: "keeps an absent secret absent", given: { token: undefined }, expected: { token: undefined } },
    { name: "spells big integers", given: { epoch: 7n }, expected: { epoch: "7" } },
    {
      name: "counts bytes instead of writing them",
      given: { uid: new Uint8Array(16) },
      expected: { uid: "[16 bytes]" },
    },
    {
      name: "takes credentials out of a URL",
      given: { url: new URL("redis://u:p@h:1/0") },
      expected: { url: "redis://redacted:redacted@h:1/0" },
    },
  ];
  for (const c of cases) it(c.name, () => assert.deepEqual(redact(c.given), c.expected));

  it("makes an error plain, with code and cause", () => {
    const error = Object.assign(new TypeError("bad", { cause: new Error("deeper") }), { code: "E_BAD" });
    const { error: plain } = redact({ error }) as { error: Record<string, unknown> };
    assert.equal(plain["type"], "TypeError");
    assert.equal(plain["message"], "bad");
    assert.equal(plain["code"], "E_BAD");
    assert.match(String(plain["stack"]), /redact\.spec/);
    assert.equal((plain["cause"] as Record<string, unknown>)["message"], "deeper");
  });

  it("ends on a cycle", () => {
    const loop: Record<string, unknown> = {};
    loop["self"] = loop;
    assert.doesNotThrow(() => JSON.stringify(redact(loop)));
  });
});
