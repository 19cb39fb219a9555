import assert from "node:assert/strict";
import { it } from "node:test";
import { SCRIPTS } from "./arguments.ts";
import { SMOKE } from "./smoke-plan.ts";

it("runs every script once with 200 agents in all, in less than a minute", () => {
  const passing = SMOKE.filter(({ exitCode }) => exitCode === 0);
  assert.deepEqual(
    passing.map(({ script }) => script),
    SCRIPTS,
  );
  const sum = (of: "agents" | "durationSeconds"): number => SMOKE.reduce((total, run) => total + run[of], 0);
  assert.equal(sum("agents"), 200);
  assert.ok(sum("durationSeconds") <= 50, "ten seconds are left for k6 to start and to close");
});

it("kills a gateway last, gives every run agents of its own, and has one that must fail", () => {
  assert.equal(SMOKE.at(-1)?.script, "gateway-loss");
  assert.equal(new Set(SMOKE.map(({ env }) => env["SEED"])).size, SMOKE.length);
  assert.deepEqual(
    SMOKE.filter(({ exitCode }) => exitCode !== 0).map(({ exitCode }) => exitCode),
    [99],
  );
});
