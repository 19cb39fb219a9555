import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aHash, aUid } from "@muster/fleet/builders";
import fc from "fast-check";
import { type Json, pack, unpack } from "./packed.ts";
import { SHAPES, WORDS } from "./words.ts";

/** Texts that are spelled in each of the ways there are, and some that only look as if. */
const text = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary", maxLength: 200 }).map((each) => each.toWellFormed()),
  fc.stringMatching(/^[0-9]{8,21}$/),
  fc.stringMatching(/^[0-9a-f]{14,70}$/),
  fc.stringMatching(/^[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/),
  fc.constantFrom("__proto__", "host-1", "host-1", "x".repeat(47), "x".repeat(48), "0000000000", "9".repeat(19)),
);
const number = fc.oneof(
  fc.integer({ min: 0, max: 20 }),
  fc.constantFrom(0, -0, -1, 65_535, 65_536, 2 ** 31, 2 ** 53 - 1, 2 ** 53, 1e300, -2.5),
  fc.double(),
  fc.maxSafeNat(),
);
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(text, tie("value"), { maxKeys: 6, noNullPrototype: true }),
    fc
      .constantFrom(...SHAPES)
      .chain((shape) => fc.tuple(...shape.map(() => tie("value"))).map((each) => zip(shape, each))),
  ),
}));

function zip(names: readonly string[], values: readonly Json[]): Json {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? null]));
}

describe("packed values", () => {
  it("come out as they went in, whatever they are", () => {
    const property = fc.property(value, fc.uniqueArray(text, { maxLength: 2 }), (given, known) => {
      assert.deepEqual(unpack(pack(given, known), known), given);
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  it("have no fields that are undefined", () => {
    assert.deepEqual(unpack(pack({ a: undefined, b: 1 })), { b: 1 });
    assert.deepEqual(unpack(pack({ epoch: 1, n: 2, atMs: 3, value: undefined })), { epoch: 1, n: 2, atMs: 3 });
  });

  const uid = aUid();
  const sizes: readonly (readonly [name: string, value: Json, bytes: number])[] = [
    ["a word", "service.name", 1],
    ["a text", "node", 5],
    ["a small number", 15, 1],
    ["a time", 1_795_375_278_543, 7],
    ["a uid", aUid(2), 17],
    ["a uid that is known anyway", uid, 2],
    ["a hash", aHash(), 34],
    ["nanoseconds", "1795375278351000000", 10],
    ["the same once more", ["host-1", "host-1"], 1 + 7 + 2],
    ["a shape", { hash: "", state: "unset", error: "" }, 4],
  ];
  for (const [name, given, bytes] of sizes) {
    it(`take ${bytes} bytes for ${name}`, () => assert.equal(pack(given, [uid]).length, bytes));
  }

  it("are refused when they are cut short, or of a kind that is not known yet", () => {
    const bytes = pack(["host-1", 5_000, aHash()]);
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => unpack(bytes.subarray(0, length)), RangeError);
    }
    assert.throws(() => unpack(Buffer.of(0xff)), /newer version/);
  });

  it("are made of words and shapes that fit where they are named, each once", () => {
    assert.deepEqual([new Set(WORDS).size, WORDS.length <= 128], [WORDS.length, true]);
    assert.deepEqual([new Set(SHAPES.map(String)).size, SHAPES.length <= 24], [SHAPES.length, true]);
  });
});
