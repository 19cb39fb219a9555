import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { EMPTY_LIST, type Json, pack, packList, SHAPES, unpack, unpackList } from "./packed.ts";

const text = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary", maxLength: 200 }).map((each) => each.toWellFormed()),
);
const number = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, -1, 65_535, 65_536, 2 ** 31, 2 ** 53 - 1, 1e300, -2.5),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((each) => !Object.is(each, -0)),
);
const key = text.filter((each) => each !== "__proto__");
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(key, tie("value"), { maxKeys: 6, noNullPrototype: true }),
    fc
      .constantFrom(...SHAPES)
      .chain((shape) => fc.tuple(...shape.map(() => tie("value"))).map((each) => zip(shape, each))),
  ),
}));

function zip(names: readonly string[], values: readonly Json[]): Json {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? null]));
}

describe("packed values", () => {
  it("come out as they went in, whatever they are and whatever was packed before", () => {
    fc.assert(
      fc.property(value, (given) => assert.deepEqual(unpack(pack(given)), given)),
      { numRuns: 2_000 },
    );
  });

  it("have fields that are undefined, which JSON would leave out", () => {
    assert.deepEqual(unpack(pack({ a: undefined, b: 1 })), { a: undefined, b: 1 });
  });

  it("have fields of any name, those that objects have by nature and those that packers look for", () => {
    const given = JSON.parse(
      '{"constructor":null,"toJSON":"x","nested":{"hash":1,"constructor":{"a":1},"toJSON":[1],"hasOwnProperty":0,"then":1}}',
    );
    assert.deepEqual(unpack(pack(given)), given);
  });

  it("do not name the fields of known shapes", () => {
    const known = pack({ hash: "", state: "unset", error: "" });
    assert.ok(known.length <= 9, `${known.length} bytes`);
    assert.ok(!known.includes("state"));
  });

  it("are refused when they are cut short", () => {
    const bytes = pack(["host-1", 5_000, { hash: "a", state: "b", error: "c" }]);
    for (let length = 0; length < bytes.length; length++) assert.throws(() => unpack(bytes.subarray(0, length)));
  });

  it("in a list are packed as lists are, also when some are copied from another list", () => {
    const list = fc.array(value, { maxLength: 40 });
    fc.assert(
      fc.property(list, list, fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }), (before, others, isKept) => {
        const base = packList(
          before.length,
          (i) => before[i] ?? null,
          EMPTY_LIST,
          () => false,
        );
        const after = others.map((other, i) => (isKept[i] === true && i < before.length ? (before[i] ?? null) : other));
        const again = packList(
          after.length,
          (i) => after[i] ?? null,
          base,
          (i) => isKept[i] === true,
        );
        assert.deepEqual(again.bytes.toString("hex"), pack(after).toString("hex"));
        const read = unpackList(pack(after));
        assert.deepEqual([read.values, read.packed.ends], [after, again.ends]);
      }),
    );
  });

  it("are of shapes that are there once", () => {
    assert.equal(new Set(SHAPES.map(String)).size, SHAPES.length);
  });
});
