import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseSecretId } from "@muster/fleet";
import { createHide, createReplace } from "./hide-secrets.ts";

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
    ["are hidden where we cut them", "k=s3cr3t-an…", "s3cr3t-and-long", "k=${secret:x}…"],
    ["are not guessed from less than that", "k=s3c…", "s3cr3t-and-long", "k=s3c…"],
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

  it("are hidden in the words of an answer, and nowhere else; what holds none stays the same", async () => {
    let count = 1;
    let nowMs = 0;
    const secrets = {
      changeCount: async () => count,
      openAll: async () => [{ id: parseSecretId("x"), value: `word${count}` }],
    };
    const hide = createHide({ secrets, nowMs: () => nowMs });
    class Message {
      readonly instanceUid = "word1";
      readonly health = { lastError: "no word1 here", healthy: false };
      readonly files = [{ name: "word1", body: Buffer.from("a: word1") }];
      readonly inputs = { a: "word1" };
      readonly count = 1n;
    }
    const message = new Message();
    const answer = await hide(message);
    assert.ok(answer instanceof Message);
    assert.deepEqual(
      { ...answer },
      {
        instanceUid: "word1",
        health: { lastError: "no ${secret:x} here", healthy: false },
        files: [{ name: "word1", body: new Uint8Array(Buffer.from("a: ${secret:x}")) }],
        inputs: { a: "${secret:x}" },
        count: 1n,
      },
    );
    assert.equal(message.health.lastError, "no word1 here", "the original is left alone");
    const harmless = { lastError: "fine", files: [{ body: Buffer.from([0xff, 0]) }] };
    assert.equal(await hide(harmless), harmless);
    count = 2;
    nowMs = 2_000;
    assert.deepEqual(await hide({ lastError: "word2" }), { lastError: "${secret:x}" });
  });

  it("cost nothing where there are none", async () => {
    const secrets = { changeCount: async () => 0, openAll: () => assert.fail("nothing to open") };
    const answer = { lastError: "x" };
    assert.equal(await createHide({ secrets, nowMs: () => 0 })(answer), answer);
  });
});
