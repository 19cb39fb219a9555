import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findConflicts } from "./conflicts.ts";
import { parseConfigId } from "./ids.ts";

/** Conflicts of bodies of the configs a, b, c, as `path: a=1 b=2`. */
function conflicts(...bodies: readonly string[]): readonly string[] {
  const files = bodies.map((body, i) => ({
    configId: parseConfigId("abc"[i] ?? ""),
    file: { name: `${i}.yaml`, contentType: "", body: Buffer.from(body) },
  }));
  return findConflicts(files).map(({ path, values, replacesList }) => {
    const all = values.map(({ configId, value }) => `${configId}=${JSON.stringify(value)}`).join(" ");
    return `${path}: ${all}${replacesList ? " (list)" : ""}`;
  });
}

describe("conflicts of configs", () => {
  const cases: readonly (readonly [name: string, bodies: readonly string[], expected: readonly string[]])[] = [
    ["are none where each sets what no other does", ["a: {b: 1}", "a: {c: 2}\nd: 3"], []],
    ["are none where all agree", ["a: {b: [1]}", "a: {b: [1]}"], []],
    ["name a value with all who set it, the winner last", ["a: 1", "a: 2", "a: 1"], ["a: a=1 b=2 c=1"]],
    ["lie where the values are", ["a: {b: 1, c: 1}", "a: {b: 2, c: 1}"], ["a.b: a=1 b=2"]],
    ["say that a list replaces another", ["a: [1]", "a: [2]"], ["a: a=[1] b=[2] (list)"]],
    ["are there when a map goes under", ["a: {b: {c: 1}}", "a: 5"], ['a: a={"b":{"c":1}} b=5']],
    ["are there when a map replaces", ["a: 5", "a: {b: 1}"], ['a: a=5 b={"b":1}']],
    ["are none of nothing and an empty map", ["a:", "a: {}", "a: {b: 1}"], []],
    ["are there when nothing replaces a map", ["a: {b: 1}", "a:"], ['a: a={"b":1} b=null']],
    ["are none with a body that is no map", ["- a", "a: 1"], []],
  ];
  for (const [name, bodies, expected] of cases) {
    it(name, () => assert.deepEqual(conflicts(...bodies), expected));
  }

  it("are none within one config", () => {
    const configId = parseConfigId("a");
    const file = (body: string) => ({ name: body, contentType: "", body: Buffer.from(body) });
    assert.deepEqual(
      findConflicts([
        { configId, file: file("a: 1") },
        { configId, file: file("a: 2") },
      ]),
      [],
    );
  });
});
