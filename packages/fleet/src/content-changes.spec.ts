import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConfigFile } from "./config.ts";
import { contentChanges } from "./content-changes.ts";

const files = (...bodies: readonly string[]): readonly ConfigFile[] =>
  bodies.map((body, i) => ({ name: `${i}.yaml`, contentType: "text/yaml", body: Buffer.from(body) }));

describe("changes by content", () => {
  const cases: readonly (readonly [name: string, before: string, after: string, expected: readonly string[]])[] = [
    [
      "are none where only order, comments, anchors and manner differ",
      "a: &x {b: 1}\nc: *x # why",
      "c: {b: 1.0}\na:\n  b: 0x1",
      [],
    ],
    ["name what is new", "a: 1", "a: 1\nb: {c: 2}", ['added b  {"c":2}']],
    ["name what is gone", "a: 1\nb: 2", "a: 1", ["removed b 2 "]],
    ["name what is another, at its path", "a: {b: {c: 1}}", "a: {b: {c: '1'}}", ['changed a.b.c 1 "1"']],
    ["take a list as one value", "a: [1, 2]", "a: [2, 1]", ["changed a [1,2] [2,1]"]],
    ["take a map and a scalar as one value", "a: {b: 1}", "a: 1", ['changed a {"b":1} 1']],
    ["quote keys that hold dots", "host.name: 1", "host.name: 2", ['changed "host.name" 1 2']],
    ["leave slashes of component names alone", "a/b: 1", "a/b: 2", ["changed a/b 1 2"]],
    ["tell nothing from a key that is missing", "a:", "b:", ["removed a null ", "added b  null"]],
    ["take a key that programs know for a key", "a: 1", "a: 1\n__proto__: {b: 1}", ['added __proto__  {"b":1}']],
  ];
  for (const [name, before, after, expected] of cases) {
    it(name, () => {
      const changes = contentChanges(files(before), files(after)) ?? [];
      assert.deepEqual(
        changes.map((each) => `${each.kind} ${each.path} ${each.before} ${each.after}`),
        expected,
      );
    });
  }

  it("are those of the merged whole", () => {
    assert.deepEqual(contentChanges(files("a: 1", "b: 2"), files("b: 2\na: 1")), []);
  });

  it("are found in one long mapping in no more than its share of time", () => {
    const text = Array.from({ length: 30_000 }, (_, i) => `key${i}: ${i}\n`).join("");
    const startedAtMs = performance.now();
    assert.equal(contentChanges(files(text), files(`${text}more: 1`))?.length, 1);
    assert.ok(performance.now() - startedAtMs < 5_000, "keys are not compared with each other");
  });

  it("are not known of what is no map", () => assert.equal(contentChanges(files("- a"), files("a: 1")), null));
});
