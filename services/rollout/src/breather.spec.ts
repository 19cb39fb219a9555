import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBreather } from "./breather.ts";

describe("passes over a rollout", () => {
  it("begin at once, and again after a break in proportion to what the last took, never a long one", () => {
    const breather = createBreather<string>();
    assert.equal(breather.begin("a", 1_000, false), null);
    breather.end("a", 1_400);
    assert.equal(breather.begin("a", 2_000, false), 2_200);
    assert.equal(breather.begin("b", 2_000, false), null, "others have theirs");
    assert.equal(breather.begin("a", 2_200, false), null);
    breather.end("a", 62_200);
    assert.equal(breather.begin("a", 62_300, false), 67_200);
  });

  it("are one at a time", () => {
    const breather = createBreather<string>();
    assert.equal(breather.begin("a", 1_000, false), null);
    assert.equal(breather.begin("a", 1_001, false), 1_201);
  });

  it("let other work go before them for a while, and no longer", () => {
    const breather = createBreather<string>();
    assert.equal(breather.begin("a", 10_000, true), null, "the first waits for nothing");
    breather.end("a", 10_100);
    assert.equal(breather.begin("a", 10_300, true), 10_500);
    assert.equal(breather.begin("a", 13_300, true), null);
  });
});
