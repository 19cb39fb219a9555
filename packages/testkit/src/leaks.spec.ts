// The leak check finds what is open and forgives what closes in time.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import { leftovers, trackLeaks } from "./leaks.ts";

describe("trackLeaks", () => {
  it("passes when nothing was opened", async () => {
    await trackLeaks().assertNone();
  });

  it("names a server that was left open", async () => {
    const check = trackLeaks();
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    await assert.rejects(check.assertNone({ timeoutMs: 20 }), /left open: 1 × TCPServerWrap/);
    await new Promise((resolve) => server.close(resolve));
    await check.assertNone();
  });

  it("forgives a timer that ends in time", async () => {
    const check = trackLeaks();
    setTimeout(() => {}, 20);
    await check.assertNone();
  });
});

describe("leftovers", () => {
  const cases = [
    { name: "nothing new", before: { Timeout: 2 }, after: { Timeout: 1 }, expected: [] },
    { name: "one more", before: { Timeout: 1 }, after: { Timeout: 2 }, expected: ["1 × Timeout"] },
    { name: "a new kind", before: {}, after: { TCPSocketWrap: 2 }, expected: ["2 × TCPSocketWrap"] },
  ];
  const mapOf = (counts: object) => new Map<string, number>(Object.entries(counts));
  for (const c of cases) it(c.name, () => assert.deepEqual(leftovers(mapOf(c.before), mapOf(c.after)), c.expected));
});
