import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createReplace } from "./replace-secrets.ts";

const replaced = (text: string, ...all: readonly { readonly id: string; readonly value: string }[]) =>
  createReplace(all)?.(text);

describe("secrets in what agents say", () => {
  const key = "-----BEGIN KEY-----\nabcdefghijklmnopqrstuvwx\nshort\n";
  const cases: readonly (readonly [name: string, text: string, value: string, expected: string])[] = [
    ["are hidden wherever they are", "a s3cret and s3cret!", "s3cret", "a ${secret:x} and ${secret:x}!"],
    ["are hidden as JSON writes them", 'bad "a\\"b\\nc"', 'a"b\nc', 'bad "${secret:x}"'],
    ["are hidden as Collectors are told them", "pa$$$$word", "pa$$word", "${secret:x}"],
    ["are hidden though they are patterns", "a.*b axxb", "a.*b", "${secret:x} axxb"],
    ["are hidden line by line", "  abcdefghijklmnopqrstuvwx\n  short", key, "  ${secret:x}\n  short"],
    ["are hidden without the space around them", "= value", " value\n", "= ${secret:x}"],
  ];
  for (const [name, text, value, expected] of cases) {
    it(name, () => assert.equal(replaced(text, { id: "x", value }), expected));
  }

  it("are the longest that fit", () => {
    const all = [
      { id: "short", value: "abcd" },
      { id: "long", value: "abcdefgh" },
    ];
    assert.equal(replaced("abcdefgh abcd", ...all), "${secret:long} ${secret:short}");
  });

  it("are hidden where a text is cut within one, and not where it only begins alike", () => {
    const x = { id: "x", value: "eyJhbGciOiJIUzI1NiJ9" };
    assert.equal(replaced("bad token eyJhbG…", x), "bad token ${secret:x}…");
    assert.equal(replaced("bad token eyJhbGciOi", x), "bad token ${secret:x}");
    assert.equal(replaced("eyJhbGciOiJIUzI1NiJ9 eyJhbGciOi", x), "${secret:x} ${secret:x}");
    assert.equal(replaced("bad token eyJhb", x), "bad token eyJhb");
    assert.equal(replaced("eyJhbGciOi is bad", x), "eyJhbGciOi is bad");
  });

  it("are not looked for where there is next to nothing of them", () => {
    assert.equal(createReplace([{ id: "x", value: " a\n " }]), null);
    assert.equal(replaced("a: 1\n    b: 2", { id: "x", value: "    abcd" }), "a: 1\n    b: 2");
  });

  it("are found quickly, however many and long they are", () => {
    const all = Array.from({ length: 2_000 }, (_, i) => ({ id: `s${i}`, value: `Bearer ${i} `.repeat(200) }));
    const replace = createReplace(all);
    const startedAtMs = performance.now();
    const text = `receivers: {otlp: {}}\n`.repeat(20_000);
    assert.equal(replace?.(`${text}${all[1_999]?.value}`), `${text}\${secret:s1999}`);
    assert.ok(performance.now() - startedAtMs < 2_000);
  });
});
