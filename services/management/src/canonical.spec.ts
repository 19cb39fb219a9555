import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonValue } from "@bufbuild/protobuf";
import { hashOf } from "./canonical.ts";

const hex = (value: JsonValue): string => hashOf(value).toString("hex");

describe("hashOf", () => {
  it("does not see the order of a map's keys", () => {
    assert.equal(hex({ a: 1, b: { c: 2, d: [3] } }), hex({ b: { d: [3], c: 2 }, a: 1 }));
  });

  const different: readonly JsonValue[] = [
    null,
    "",
    "null",
    0,
    "0",
    false,
    "false",
    [],
    {},
    [[]],
    ["a", "b"],
    ["b", "a"],
    ["ab"],
    ["a", ["b"]],
    { a: "b" },
    { a: "b", c: "" },
    { "a:b": "" },
    ["a", "s1:b"],
    ["as1:b"],
    "é",
    "e\u0301",
    Object.fromEntries([["__proto__", "x"]]),
    1,
    12,
    [1, 2],
  ];
  it(`tells ${different.length} values apart`, () => {
    assert.equal(new Set(different.map(hex)).size, different.length);
  });
});
