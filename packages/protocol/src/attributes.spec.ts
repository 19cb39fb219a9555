// Attributes: every kind of value, hostile keys, and the way back.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import type { AttributeValue } from "./attributes.ts";
import { decodeAttributes, encodeAttributes } from "./attributes.ts";
import type { AnyValue } from "./gen/opamp/v1/anyvalue_pb.ts";
import { AnyValueSchema, KeyValueSchema } from "./gen/opamp/v1/anyvalue_pb.ts";

const decodeOne = (value: AnyValue["value"]): AttributeValue | undefined =>
  decodeAttributes([create(KeyValueSchema, { key: "k", value: create(AnyValueSchema, { value }) })]).get("k");

describe("decodeAttributes", () => {
  const cases: readonly { name: string; value: AnyValue["value"]; want: AttributeValue }[] = [
    { name: "text", value: { case: "stringValue", value: "x" }, want: "x" },
    { name: "a truth value", value: { case: "boolValue", value: false }, want: false },
    { name: "an integer", value: { case: "intValue", value: -5n }, want: -5 },
    { name: "the largest safe integer", value: { case: "intValue", value: 2n ** 53n - 1n }, want: 2 ** 53 - 1 },
    { name: "a larger integer", value: { case: "intValue", value: 2n ** 53n }, want: "9007199254740992" },
    { name: "the smallest integer", value: { case: "intValue", value: -(2n ** 63n) }, want: "-9223372036854775808" },
    { name: "a double", value: { case: "doubleValue", value: 1.5 }, want: 1.5 },
    { name: "NaN", value: { case: "doubleValue", value: Number.NaN }, want: "NaN" },
    { name: "infinity", value: { case: "doubleValue", value: -Infinity }, want: "-Infinity" },
    { name: "bytes", value: { case: "bytesValue", value: Uint8Array.of(1, 2, 255) }, want: "AQL/" },
    { name: "no member", value: { case: undefined }, want: null },
  ];
  for (const c of cases) it(`reads ${c.name}`, () => assert.equal(decodeOne(c.value), c.want));

  it("reads bytes that are a view into a larger buffer", () => {
    assert.equal(decodeOne({ case: "bytesValue", value: Uint8Array.of(9, 1, 2, 255, 9).subarray(1, 4) }), "AQL/");
  });

  it("reads a value that is absent as null", () => {
    assert.equal(decodeAttributes([create(KeyValueSchema, { key: "k" })]).get("k"), null);
  });

  it("lets the last of equal keys count", () => {
    const pairs = [...encodeAttributes([["k", 1]]), ...encodeAttributes([["k", 2]])];
    assert.deepEqual([...decodeAttributes(pairs)], [["k", 2]]);
  });

  it("keeps hostile keys harmless at every level", () => {
    const hostile = JSON.parse('{"__proto__":{"polluted":true}}');
    const attributes = decodeAttributes(
      encodeAttributes([
        ["__proto__", hostile],
        ["constructor", 1],
      ]),
    );
    assert.deepEqual([...attributes.keys()], ["__proto__", "constructor"]);
    const nested = attributes.get("__proto__");
    assert.ok(typeof nested === "object" && nested !== null && Object.getPrototypeOf(nested) === null);
    assert.equal(JSON.stringify(nested), '{"__proto__":{"polluted":true}}');
    assert.equal(Reflect.get({}, "polluted"), undefined);
  });
});

describe("encodeAttributes", () => {
  it("is undone by decodeAttributes for every JSON value", () => {
    const value = fc.jsonValue({ maxDepth: 4 }).filter((v) => !JSON.stringify(v).includes("-0"));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), value), { maxLength: 5 }), (pairs) => {
        // fast-check's JsonValue is the mutable twin of AttributeValue.
        const attributes = new Map(pairs as [string, AttributeValue][]);
        const back = decodeAttributes(encodeAttributes(attributes));
        assert.equal(JSON.stringify([...back]), JSON.stringify([...attributes]));
      }),
    );
  });
});
