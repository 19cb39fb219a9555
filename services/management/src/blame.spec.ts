import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createBlame } from "./blame.ts";

const file = (lines: readonly string[]) => ({ name: "a", lines });

/** Blames the last of some texts; each line of a text is a word. */
function blamed(...texts: readonly string[]): string {
  const words = texts.map((text) => (text === "" ? [] : text.split(" ")));
  const blame = createBlame(texts.length, [file(words.at(-1) ?? [])]);
  for (let n = texts.length - 1; n >= 1; n--) blame.lookAt(n, [file(words[n - 1] ?? [])]);
  const [told] = blame.told();
  return (told?.lines ?? []).map(({ text, revision }) => `${text}${revision}`).join(" ");
}

describe("blame", () => {
  const cases: readonly (readonly [name: string, texts: readonly string[], expected: string])[] = [
    ["of the first revision is the first revision", ["a b"], "a1 b1"],
    ["carries lines that stay", ["a b c", "a x c", "a x c d"], "a1 x2 c1 d3"],
    ["carries lines that move down", ["a b", "x y a b"], "x2 y2 a1 b1"],
    ["forgets a line that was away for a while", ["a b", "b", "a b"], "a3 b1"],
    ["of nothing is nothing", ["a", ""], ""],
    ["of a file that was not there is the revision that brought it", ["", "a"], "a2"],
  ];
  for (const [name, texts, expected] of cases) it(name, () => assert.equal(blamed(...texts), expected));

  it("names the oldest revision that was looked at for what is older", () => {
    const blame = createBlame(9, [file(["a", "b"])]);
    blame.lookAt(8, [file(["a"])]);
    assert.equal(blame.isDone(), false);
    assert.deepEqual(
      blame.told()[0]?.lines.map(({ revision }) => revision),
      [8, 9],
    );
  });

  it("takes a file of another name for another file", () => {
    const blame = createBlame(2, [{ name: "b", lines: ["x"] }]);
    blame.lookAt(1, [file(["x"])]);
    assert.equal(blame.isDone(), true);
    assert.equal(blame.told()[0]?.lines[0]?.revision, 2);
  });

  it("names for every line a revision that has it and all after it have it", () => {
    const text = fc.array(fc.constantFrom<string>("a", "b", "c", "d"), { maxLength: 6 });
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 6 }), (texts) => {
        const blame = createBlame(texts.length, [file(texts.at(-1) ?? [])]);
        for (let n = texts.length - 1; n >= 1; n--) blame.lookAt(n, [file(texts[n - 1] ?? [])]);
        for (const { text: line, revision } of blame.told()[0]?.lines ?? []) {
          assert.ok(texts.slice(revision - 1).every((each) => each.includes(line)));
        }
      }),
    );
  });
});
