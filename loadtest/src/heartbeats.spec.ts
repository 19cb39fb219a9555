import assert from "node:assert/strict";
import { it } from "node:test";
import { runHeartbeats } from "./scenarios/heartbeats.ts";

it("measures heartbeats against a real gateway", async () => {
  const result = await runHeartbeats(20, 5);
  assert.equal(result.heartbeats, 100);
  assert.ok(result.heartbeatsPerSecond > 0);
});
