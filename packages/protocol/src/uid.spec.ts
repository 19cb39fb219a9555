// Instance uids: both directions, and everything that is refused.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "./error.ts";
import { formatUid, parseUid } from "./uid.ts";
import { formatUidAt, uidWordAt, uidWords } from "./uid-at.ts";

const TEXT = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";

describe("uid", () => {
  it("writes lower-case canonical text", () => {
    assert.equal(formatUid(Buffer.from("0190A1B2C3D47E5F8A9B0C1D2E3F4A5B", "hex")), TEXT);
  });

  it("reads either case", () => {
    assert.deepEqual(parseUid(TEXT.toUpperCase()), parseUid(TEXT));
  });

  it("round-trips any 16 bytes, at any place of a larger array", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(20), (bytes, start) => {
        const text = formatUid(bytes);
        assert.ok(typeof text === "string");
        assert.deepEqual(parseUid(text), new Uint8Array(bytes));
        const larger = new Uint8Array(start + 16);
        larger.set(bytes, start);
        assert.equal(formatUidAt(larger, start), text);
        const words = [0, 4, 8, 12].map((at) => uidWordAt(larger, start + at));
        assert.deepEqual(uidWords(text), words);
      }),
    );
  });

  it("has words of its own: any other bit is in them", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(127), (bytes, bit) => {
        const other = bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
        const [words, others] = [bytes, other].map((each) => uidWords(String(formatUid(each))));
        assert.notDeepEqual(others, words);
      }),
    );
    assert.throws(() => uidWords("x"), ProtocolError);
  });

  for (const length of [0, 15, 17, 26]) {
    it(`refuses ${length} bytes`, () => {
      const outcome = formatUid(new Uint8Array(length));
      assert.ok(outcome instanceof ProtocolError && outcome.code === "bad_instance_uid");
    });
  }

  const bad = [
    "",
    "x",
    TEXT.slice(1),
    `${TEXT}0`,
    TEXT.replaceAll("-", ""),
    `{${TEXT}}`,
    TEXT.replace("a", "g"),
    ` ${TEXT}`,
  ];
  for (const text of bad) {
    it(`refuses the text "${text}"`, () => assert.ok(parseUid(text) instanceof ProtocolError));
  }
});
