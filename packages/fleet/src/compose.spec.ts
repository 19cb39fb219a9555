// What an agent is offered, put together.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aHash, ROLLOUT_ID } from "./builders.ts";
import { BLANK, type Contribution, composeFiles, desiredOf } from "./compose.ts";
import { parseConfigId } from "./ids.ts";

function aPart(name: string, order: number): Contribution {
  return { configId: parseConfigId(name), revision: 1, hash: aHash("1"), order, rolloutId: ROLLOUT_ID };
}

describe("desiredOf", () => {
  it("keeps the hash of a single revision", () => assert.equal(desiredOf([aPart("base", 1)]).hash, aHash("1")));

  it("is the same in any order, and another with another part", () => {
    const [base, edge] = [aPart("base", 2), aPart("edge", 1)];
    assert.deepEqual(desiredOf([base, edge]), desiredOf([edge, base]));
    assert.notEqual(desiredOf([base, edge]).hash, desiredOf([base, aPart("last", 3)]).hash);
  });
});

describe("composeFiles", () => {
  it("names files so that byte order is merge order", () => {
    const desired = desiredOf([aPart("edge", 100), aPart("base", 20)]);
    const files = composeFiles(desired, () => [{ name: "c.yaml", contentType: "", body: new Uint8Array() }]);
    assert.deepEqual(
      files.map(({ name }) => name),
      ["020-base-c.yaml", "100-edge-c.yaml"],
    );
  });

  it("makes a file without content of the blank config: an agent must not keep what failed it", () => {
    const [file, ...others] = composeFiles(BLANK, () => []);
    assert.deepEqual([file?.body.byteLength, others], [0, []]);
  });
});
