import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anAgent, aUid } from "@muster/fleet/builders";
import { createRemembered } from "./remembered.ts";

const MAX_BYTES = 10_000;
const aView = (n: number, bytes = 100) => {
  const packed = { bytes: Buffer.alloc(bytes), ends: [bytes] };
  return { view: anAgent({ uid: aUid(n) }), version: n, stamp: `${n}`, packed };
};

describe("remembered views", () => {
  it("are those of agents that come by again", () => {
    const remembered = createRemembered(MAX_BYTES);
    remembered.set(aUid(1), aView(1));
    assert.equal(remembered.get(aUid(1)), undefined, "it may never come again");
    remembered.set(aUid(1), aView(2));
    assert.equal(remembered.get(aUid(1))?.version, 2);
    remembered.delete(aUid(1));
    assert.equal(remembered.get(aUid(1)), undefined);
    remembered.set(aUid(1), aView(3));
    assert.equal(remembered.get(aUid(1))?.version, 3, "it came by lately, though its view was taken");
  });

  it("are not those of agents that come by after very many others", () => {
    const remembered = createRemembered(MAX_BYTES);
    remembered.set(aUid(1), aView(1));
    for (let n = 2; n <= 400_000; n++) remembered.set(aUid(n), aView(2));
    remembered.set(aUid(1), aView(3));
    assert.equal(remembered.get(aUid(1)), undefined);
  });

  it("are those of everybody who is read, while there is room", () => {
    const remembered = createRemembered(MAX_BYTES);
    for (let n = 1; n <= 3; n++) remembered.fill(aUid(n), aView(n, 4_000));
    assert.deepEqual(
      [1, 2, 3].map((n) => remembered.get(aUid(n))?.version),
      [1, 2, undefined],
      "the last one is new, and takes nobody's place",
    );
    remembered.fill(aUid(2), aView(4, 6_000));
    assert.equal(remembered.get(aUid(2))?.version, 4, "an agent's newer view takes the place of its older one");
    remembered.fill(aUid(2), aView(5, 7_000));
    assert.equal(remembered.get(aUid(2)), undefined, "there is no room for the newest, and the older one is of no use");
    remembered.fill(aUid(1), aView(6, 8_000));
    remembered.fill(aUid(3), aView(3, 4_000));
    assert.equal(remembered.get(aUid(3))?.version, 3, "it came by again");
  });

  it("take no more room than they are given, the least recent goes first", () => {
    const remembered = createRemembered(MAX_BYTES);
    for (let n = 1; n <= 3; n++) {
      for (let times = 0; times < 2; times++) remembered.set(aUid(n), aView(n, 4_000));
    }
    assert.deepEqual(
      [1, 2, 3].map((n) => remembered.get(aUid(n))?.version),
      [undefined, 2, 3],
    );
  });
});
