// The gates of a stage, as a rollout asks them.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aFleet, aRollout, aStage, aWorldWithStable, type ModelRollout } from "./builders.ts";
import type { Gate, MetricGate, Reading } from "./gate.ts";
import { parseRolloutId } from "./ids.ts";
import { plan } from "./plan.ts";
import type { RolloutSpec } from "./rollout.ts";
import type { RolloutPhase } from "./rollout-states.ts";

const MINUTE_MS = 60_000;
const OTHER = parseRolloutId("01890a5d-0000-7000-8000-0000000000ff");
const METRIC: MetricGate = {
  kind: "metric",
  name: "errors",
  provider: "prometheus",
  query: "up",
  initialDelayMs: 0,
  intervalMs: 10_000,
  count: 2,
  success: { op: "<", value: 1 },
  failure: null,
  failureLimit: 0,
  inconclusiveLimit: 0,
  errorLimit: 0,
  dryRun: false,
  compare: null,
};

/** Plays a rollout with a gate; what is measured comes out as told, one after the other. */
function gated(
  gates: readonly Gate[],
  outcomes: readonly Reading["outcome"][] = [],
  change: Partial<RolloutSpec> = {},
) {
  const world = aWorldWithStable(aFleet(4));
  const rollout = world.start(aRollout([aStage({ gates })], change));
  const left = [...outcomes];
  const measure = (spanMs: number): void => {
    for (const endMs = world.nowMs + spanMs; world.nowMs < endMs; world.advance(5_000)) {
      const { measurement } = world.draft(rollout).plan;
      if (measurement === null || measurement.dueAtMs > world.nowMs) continue;
      const outcome = left.shift() ?? "error";
      rollout.readings.push({ ...measurement, atMs: world.nowMs, outcome, value: 0, message: `it was ${outcome}` });
    }
  };
  measure(5 * MINUTE_MS);
  return { world, rollout, measure };
}

const at = ({ status }: ModelRollout): string => `${status.phase}/${status.reason}`;

describe("a gate", () => {
  const pause = { budget: { criteria: [], onBreach: "pause" } } as const;
  const halt = { budget: { criteria: [], onBreach: "halt" } } as const;
  const cases: readonly {
    name: string;
    gate: Gate;
    outcomes?: readonly Reading["outcome"][];
    spec?: Partial<RolloutSpec>;
    is: string;
  }[] = [
    { name: "lets a stage pass", gate: METRIC, outcomes: ["success", "success"], is: "succeeded/completed" },
    { name: "that fails takes early stages back", gate: METRIC, outcomes: ["failure"], is: "rolled_back/taken_back" },
    {
      name: "that fails pauses where the budget does",
      gate: METRIC,
      outcomes: ["failure"],
      spec: pause,
      is: "paused/gate",
    },
    {
      name: "that fails halts where the budget does",
      gate: METRIC,
      outcomes: ["failure"],
      spec: halt,
      is: "halted/gate",
    },
    { name: "that cannot tell asks people", gate: METRIC, outcomes: ["error"], is: "paused/gate" },
    { name: "of health passes when all are well", gate: { kind: "health", name: "well" }, is: "succeeded/completed" },
    {
      name: "of a rollout that is not there asks people",
      gate: { kind: "dependency", name: "first", rolloutId: OTHER },
      is: "paused/gate",
    },
  ];
  for (const { name, gate, outcomes = [], spec = {}, is } of cases) {
    it(`${name}: ${is}`, () => assert.equal(at(gated([gate], outcomes, spec).rollout), is));
  }

  it("is asked in turn, and logged once when it passes", () => {
    const { rollout } = gated([METRIC, { ...METRIC, name: "latency" }], ["success", "success", "success", "success"]);
    assert.equal(at(rollout), "succeeded/completed");
    const lines = rollout.log.filter(({ kind }) => kind === "gate").map(({ inputs }) => inputs["gate"]);
    assert.deepEqual(lines, ["errors", "latency"]);
    assert.deepEqual(
      rollout.readings.map(({ gate, n }) => [gate, n]),
      [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ],
    );
  });

  it("is logged with what its verdict rests on", () => {
    const figures = (gate: Gate, outcomes: readonly Reading["outcome"][]) =>
      gated([gate], outcomes).rollout.log.find(({ kind }) => kind === "gate")?.inputs;
    const measured = { gate: "errors", failures: 0, inconclusive: 0, errors: 0, value: 0 };
    assert.deepEqual(figures(METRIC, ["success", "success"]), { ...measured, verdict: "pass", measured: 2 });
    assert.deepEqual(figures(METRIC, ["failure"]), { ...measured, verdict: "fail", measured: 1, failures: 1 });
    const well = { kind: "health", name: "well" } as const;
    assert.deepEqual(figures(well, []), { gate: "well", verdict: "pass", unwell: 0 });
    const first = { kind: "dependency", name: "first", rolloutId: OTHER } as const;
    const unknown = { gate: "first", verdict: "inconclusive", rollout: OTHER, phase: null };
    assert.deepEqual(figures(first, []), unknown);
  });

  it("is asked anew when the rollout is resumed, and the measurements count on", () => {
    const { world, rollout, measure } = gated([METRIC], ["error", "success", "success"]);
    assert.equal(at(rollout), "paused/gate");
    world.wish(rollout, { wish: "run" });
    world.settle();
    measure(2 * MINUTE_MS);
    assert.equal(at(rollout), "succeeded/completed");
    assert.deepEqual(
      rollout.readings.map(({ n }) => n),
      [0, 1, 2],
    );
  });

  it("is not asked again where an operator overrode it", () => {
    const { world, rollout } = gated([METRIC], ["error"]);
    world.wish(rollout, { wish: "run", acceptsFailures: true });
    world.advance(MINUTE_MS);
    assert.equal(at(rollout), "succeeded/completed");
    assert.deepEqual(rollout.status.acceptedGates, [0]);
  });
});

describe("a dependency", () => {
  const gates = [{ kind: "dependency", name: "first", rolloutId: OTHER }] as const;

  /** Plays until the stage asks, then goes on with the other in this phase. */
  function asked(...phases: readonly RolloutPhase[]): readonly string[] {
    const world = aWorldWithStable(aFleet(2));
    const rollout = world.start(aRollout([aStage({ gates })]));
    return phases.map((phase) => {
      for (let i = 0; i < 20; i++) {
        world.nowMs += 1_000;
        world.relay();
        const { input } = world.draft(rollout);
        const peers = { ...input.peers, phases: new Map([[OTHER, phase]]) };
        world.commit({ ...world.draft(rollout), plan: plan({ ...input, peers }) });
        world.assign();
      }
      return at(rollout);
    });
  }

  const cases: readonly { name: string; phases: readonly RolloutPhase[]; is: readonly string[] }[] = [
    {
      name: "pauses until the other succeeded, and goes on by itself",
      phases: ["running", "succeeded"],
      is: ["paused/dependency", "succeeded/completed"],
    },
    { name: "is no question when the other succeeded before", phases: ["succeeded"], is: ["succeeded/completed"] },
    {
      name: "asks people when the other ends otherwise",
      phases: ["paused", "halted"],
      is: ["paused/dependency", "paused/gate"],
    },
  ];
  for (const { name, phases, is } of cases) it(name, () => assert.deepEqual(asked(...phases), is));
});
