import assert from "node:assert/strict";
import { it } from "node:test";
import { createBreather } from "./breather.ts";

it("lets a pass begin at once, and the next after a break in proportion to what it took", () => {
  const breather = createBreather<string>();
  assert.equal(breather.nextAtMs("a"), 0);
  breather.noteEnd("a", 1_000, 1_400);
  assert.equal(breather.nextAtMs("a"), 2_200);
  assert.equal(breather.nextAtMs("b"), 0, "others have theirs");
  breather.noteEnd("a", 0, 60_000);
  assert.equal(breather.nextAtMs("a"), 65_000, "and never a long one");
});
