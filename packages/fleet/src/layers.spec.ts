// What the status of a rollout makes of the layers of its config.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aHash, aRollout, stages } from "./builders.ts";
import type { Assignment, Layer, LayerMode } from "./desired.ts";
import { parseConfigId, parseRolloutId } from "./ids.ts";
import { layersAfter } from "./layers.ts";
import { EVERYONE } from "./rank.ts";
import { initialStatus, type RolloutSpec, type RolloutStatus } from "./rollout.ts";
import type { RolloutPhase } from "./rollout-states.ts";

const OLD = parseRolloutId("01890a5d-0000-7000-8000-00000000000a");
const NEW = parseRolloutId("01890a5d-0000-7000-8000-00000000000b");
const base = parseConfigId("base");
const SPEC = aRollout(stages(10, 100), { id: NEW });

function aLayer(mode: LayerMode, rolloutId = OLD): Layer {
  const rest = { selector: "", order: 100, seed: OLD, reach: [], components: [] };
  return { rolloutId, revision: 1, hash: aHash("1"), mode, ...rest };
}

function after(
  phase: RolloutPhase,
  change: Partial<RolloutStatus> = {},
  spec: RolloutSpec = SPEC,
  before?: Assignment,
) {
  const status = { ...initialStatus(spec), startedAtMs: 5, phase, ...change };
  return layersAfter(before ?? { configId: base, layers: [aLayer("stable")] }, spec, status).layers;
}

describe("layersAfter", () => {
  const cases: readonly { phase: RolloutPhase; isPaced?: boolean; is: readonly string[] }[] = [
    { phase: "running", is: ["open", "stable"] },
    { phase: "running", isPaced: true, is: ["paced", "stable"] },
    { phase: "baking_final", is: ["open", "stable"] },
    { phase: "paused", is: ["paced", "stable"] },
    { phase: "succeeded", is: ["stable", "fallback"] },
    { phase: "halted", is: ["frozen", "stable"] },
    { phase: "superseded", is: ["frozen", "stable"] },
    { phase: "rolling_back", isPaced: true, is: ["withdrawing", "stable"] },
    { phase: "rolling_back", is: ["withdrawn", "stable"] },
    { phase: "rolled_back", is: ["withdrawn", "stable"] },
    { phase: "rollback_incomplete", is: ["withdrawn", "stable"] },
    { phase: "scheduled", is: ["stable"] },
  ];
  for (const { phase, isPaced = false, is } of cases) {
    it(`${phase}${isPaced ? ", one by one" : ""}: ${is.join(" over ")}`, () =>
      assert.deepEqual(
        after(phase, { isPaced }).map(({ mode }) => mode),
        is,
      ));
  }

  it("knows nothing of a rollout that ended before it began", () => {
    assert.deepEqual(
      after("superseded", { startedAtMs: null }).map(({ mode }) => mode),
      ["stable"],
    );
  });

  it("makes stable again what was before a success that is taken back", () => {
    const before = { configId: base, layers: [aLayer("stable", NEW), aLayer("fallback")] };
    assert.deepEqual(
      after("reverting", {}, SPEC, before).map(({ mode, rolloutId }) => [mode, rolloutId]),
      [
        ["withdrawn", NEW],
        ["stable", OLD],
      ],
    );
  });

  it("puts a rollout there once, with the cutoffs of the stages that started", () => {
    const [once] = after("running");
    const started = SPEC.stages.map((_, i) => ({ ...initialStatus(SPEC).stages[0], cutoff: i === 0 ? "5" : "" }));
    const layers = { configId: base, layers: [...(once === undefined ? [] : [once]), aLayer("stable")] };
    const twice = after("running", { stages: started as RolloutStatus["stages"] }, SPEC, layers); // of whole stages
    assert.deepEqual(
      twice.map(({ rolloutId, reach }) => [rolloutId, reach.map(({ cutoff }) => cutoff)]),
      [
        [NEW, ["5"]],
        [OLD, []],
      ],
    );
  });

  it("keeps a bounded number of layers that are over", () => {
    let layers: readonly Layer[] = [];
    for (let n = 0; n < 40; n++) {
      const id = parseRolloutId(`01890a5d-0000-7000-8000-${n.toString(16).padStart(12, "0")}`);
      layers = after("halted", {}, { ...SPEC, id }, { configId: base, layers });
    }
    assert.equal(layers.length, 20);
    assert.match(layers[0]?.rolloutId ?? "", /27$/);
  });

  it("keeps what is stable, however many ended half-way since", () => {
    let layers: readonly Layer[] = [aLayer("stable"), aLayer("fallback")];
    for (let n = 0; n < 40; n++) {
      const id = parseRolloutId(`01890a5d-0000-7000-8000-${(n + 100).toString(16).padStart(12, "0")}`);
      layers = after("halted", {}, { ...SPEC, id }, { configId: base, layers });
    }
    assert.deepEqual(
      layers.slice(-2).map(({ mode }) => mode),
      ["stable", "fallback"],
    );
  });

  it("says since when newcomers are newcomers, only while it is under way", () => {
    const spec: RolloutSpec = { ...SPEC, policies: { ...SPEC.policies, newAgents: "hold" } };
    assert.deepEqual(after("running", {}, spec)[0]?.newAgents, { policy: "hold", sinceMs: 5 });
    assert.equal(after("halted", {}, spec)[0]?.newAgents, undefined);
    assert.equal(after("succeeded", {}, spec)[0]?.newAgents, undefined);
  });

  it("catches up one by one what has limits, until everybody had it", () => {
    const spec: RolloutSpec = { ...SPEC, pace: { ...SPEC.pace, maxPerMinute: 1 } };
    assert.equal(after("succeeded", {}, spec)[0]?.latecomers, "paced");
    assert.equal(after("succeeded", { hasSettled: true }, spec)[0]?.latecomers, undefined);
    assert.equal(after("running", {}, spec)[0]?.latecomers, undefined);
  });

  it("catches nobody up where the policy says so, and reaches by selector alone", () => {
    const spec: RolloutSpec = { ...SPEC, policies: { ...SPEC.policies, catchUpAfterSuccess: false } };
    const stages = initialStatus(spec).stages.map((stage) => ({ ...stage, cutoff: EVERYONE }));
    const [layer] = after("succeeded", { stages }, spec);
    assert.deepEqual([layer?.latecomers, layer?.reach], ["none", []]);
    assert.equal(after("succeeded", { stages })[0]?.latecomers, undefined);
  });
});
