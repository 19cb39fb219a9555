// Scenarios at a size that shows that they work: real processes, real sockets, and no figure that means anything.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Plan, Reading } from "../results/plan.ts";
import { summarize } from "../results/summary.ts";
import { BARE_UWS, MUSTER } from "../servers/server.ts";
import { scenarios } from "./index.ts";

/** Runs a scenario at its smoke size. */
async function smoke(name: string): Promise<{ readings: readonly Reading[]; plan: Plan; agents: number }> {
  const scenario = scenarios.find((one) => one.name === name);
  assert.ok(scenario);
  const { signal } = new AbortController();
  const launch = { profileDir: null, isBundled: false, signal };
  const readings = await scenario.run({ ...scenario.smoke, ...launch, servers: [], say: () => {} });
  return { readings, plan: scenario.plan([]), agents: scenario.smoke.agents };
}

function valuesOf(readings: readonly Reading[], subject: string) {
  const values = readings.find((reading) => reading.subject === subject)?.values;
  assert.ok(values, `no reading of ${subject}`);
  return values;
}

describe("scenarios", () => {
  it("measure everything that their plans name", { timeout: 60_000 }, async () => {
    const { readings, plan, agents } = await smoke("peers");
    for (const subject of [MUSTER, BARE_UWS]) {
      const values = valuesOf(readings, subject);
      for (const { id } of plan.metrics) assert.ok(Number.isFinite(values[id]), `${subject} has no ${id}`);
      assert.ok((values["rate"] ?? 0) > 0, "heartbeats were answered");
    }
    const { targets } = summarize(plan, readings, agents);
    assert.ok(
      targets.every(({ verdict }) => verdict === "not judged"),
      "a smoke test judges nothing",
    );
  });

  it("lose nothing with a gateway, and ask nobody in vain", { timeout: 60_000 }, async () => {
    const { lost, askedInVain, refusals } = valuesOf((await smoke("gateway-loss")).readings, MUSTER);
    assert.deepEqual({ lost, askedInVain }, { lost: 0, askedInVain: 0 });
    assert.ok((refusals ?? 0) >= 40, "everybody dialled the dead gateway once more");
  });

  it("tell what a fleet costs Redis", { timeout: 60_000 }, async () => {
    const { memory = 0, body = 0, heartbeats = 0 } = valuesOf((await smoke("redis-cost")).readings, MUSTER);
    assert.ok(memory > 0 && body > 0 && heartbeats > 0);
  });

  it("roll a config out in one stage, and send the same by a bare loop", { timeout: 60_000 }, async () => {
    const { readings } = await smoke("rollout");
    const { plan = 0, offers = 0, bake = -1 } = valuesOf(readings, MUSTER);
    assert.ok(plan > 0 && offers > 0 && bake >= 0 && bake < 2);
    assert.ok((valuesOf(readings, "bare-loop")["offers"] ?? 0) > 0);
  });
});

describe("plans", () => {
  for (const { name, plan, full, smoke: small } of scenarios) {
    it(`${name} names its metrics once and aims at what it measures`, () => {
      const { metrics, ratios, targets } = plan(["other"]);
      const ids = metrics.map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length);
      assert.ok(ratios.every(({ metric }) => ids.includes(metric)));
      for (const { measured, minAgents } of targets) {
        const isThere =
          measured.kind === "metric" ? ids.includes(measured.metric) : ratios.some(({ id }) => id === measured.ratio);
        assert.ok(isThere);
        assert.ok(full.agents >= minAgents && small.agents < minAgents);
      }
    });
  }
});
