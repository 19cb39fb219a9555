import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { BodiesWaiting, BodyTooLarge, createBody, createBodyBudget, createInflate } from "./body.ts";
import { compressFor } from "./compression.ts";

describe("body", () => {
  it("gathers chunks of any size", () => {
    const body = createBody(100, createBodyBudget(1_000));
    for (const chunk of ["", "a", "bcd", "e".repeat(40)]) assert.equal(body.add(Buffer.from(chunk)), "ok");
    assert.equal(Buffer.from(body.bytes()).toString(), `abcd${"e".repeat(40)}`);
  });

  it("ends at its own limit, to the byte (R17)", () => {
    const body = createBody(4, createBodyBudget(1_000));
    assert.equal(body.add(Buffer.alloc(4)), "ok");
    assert.equal(body.add(Buffer.alloc(1)), "too-large");
  });

  it("ends at what all bodies may take, and gives it back once", () => {
    const budget = createBodyBudget(100_000);
    const body = () => createBody(1_000_000, budget);
    const [first, second, small] = [body(), body(), body()];
    assert.equal(first.add(Buffer.alloc(160_000)), "ok");
    assert.equal(second.add(Buffer.alloc(80_000)), "overloaded");
    assert.equal(small.add(Buffer.alloc(64 * 1024)), "ok", "small ones are not counted");
    first.release();
    first.release();
    assert.equal(second.add(Buffer.alloc(160_000)), "ok");
    assert.equal(body().add(Buffer.alloc(80_000)), "overloaded");
  });

  it("inflates up to the limit and no further", async () => {
    const bomb = gzipSync(Buffer.alloc(1_000));
    const inflate = createInflate(1, 10);
    assert.equal((await inflate(bomb, 1_000)).byteLength, 1_000);
    await assert.rejects(inflate(bomb, 999), BodyTooLarge);
    await assert.rejects(inflate(Buffer.from("no gzip"), 999), (error) => !(error instanceof BodyTooLarge));
  });
});

describe("inflating", () => {
  it("goes one after the other, and has no more wait than may", async () => {
    const inflate = createInflate(1, 2);
    const body = gzipSync(Buffer.from("a"));
    const [first, second, third, fourth] = [1, 2, 3, 4].map(() => inflate(body, 10));
    await assert.rejects(fourth ?? assert.fail(), BodiesWaiting);
    for (const each of [first, second, third]) assert.equal(String(Buffer.from((await each) ?? [])), "a");
    assert.equal(String(Buffer.from(await inflate(body, 10))), "a");
  });
});

describe("compressFor", () => {
  const large = Buffer.alloc(2_000);
  const headers: readonly (readonly [header: string, compresses: boolean])[] = [
    ["gzip", true],
    ["GZIP", true],
    ["gzip, deflate, br", true],
    ["deflate, gzip;q=0.5", true],
    ["*", true],
    ["", false],
    ["identity", false],
    ["gzip;q=0", false],
    ["*;q=0", false],
    ["br", false],
  ];
  for (const [header, compresses] of headers) {
    it(`${compresses ? "compresses" : "leaves as it is"} for "${header}" (R16)`, () => {
      assert.equal(compressFor(header)(large) !== null, compresses);
    });
  }

  it("leaves small bodies as they are", () => {
    assert.equal(compressFor("gzip")(Buffer.alloc(100)), null);
  });
});
