import assert from "node:assert/strict";
import { it } from "node:test";
import { runRollout } from "./scenarios/rollout.ts";

it("measures a rollout in one stage, and the same broadcast as a bare loop", async () => {
  const { agents, planMs, offersMs, bareMs, bakeCpuShare } = await runRollout(20, 1_000);
  assert.equal(agents, 20);
  assert.ok([planMs, offersMs, bareMs].every((ms) => ms > 0));
  assert.ok(bakeCpuShare >= 0 && bakeCpuShare < 2);
});
