import assert from "node:assert/strict";
import { it } from "node:test";
import { decodeUtf8, encodeUtf8 } from "./text-encoding.ts";

for (const text of ["", "plain", "100 % %41", "naïve", "€", "日本", "😀 and a", "\u0000"]) {
  it(`writes and reads ${JSON.stringify(text)} as everybody does`, () => {
    assert.deepEqual(encodeUtf8(text), new Uint8Array(new TextEncoder().encode(text)));
    assert.equal(decodeUtf8(encodeUtf8(text)), text);
  });
}

it("replaces half of a pair", () => {
  assert.deepEqual(encodeUtf8("a\ud83d"), new Uint8Array(new TextEncoder().encode("a\ud83d")));
});

it("throws at bytes that are no text", () => {
  assert.throws(() => decodeUtf8(Uint8Array.of(0xff)), URIError);
});
