// Random rollouts over random fleets, operators and faults: what must hold whatever happens (model-oracle.ts).
//
// MUSTER_MODEL_RUNS is how many (2000), MUSTER_MODEL_SEED which ones; a failure prints its seed and path, and the smallest
// scenario that shows it.

import { describe, it } from "node:test";
import fc from "fast-check";
import { runScenario } from "./model-run.ts";
import { scenario, scenarioOfTwo } from "./model-scenario.ts";

const runs = Number(process.env["MUSTER_MODEL_RUNS"] ?? 2_000);
const seed = Number(process.env["MUSTER_MODEL_SEED"] ?? 20_260_101);
const path = process.env["MUSTER_MODEL_PATH"];

const fleets: readonly (readonly [name: string, scenarios: typeof scenario, share: number])[] = [
  ["one config", scenario, 0.85],
  ["two configs", scenarioOfTwo, 0.15],
];

describe("any rollout over any fleet", () => {
  for (const [name, scenarios, share] of fleets) {
    it(`of ${name} keeps to its limits, never offers what failed, makes everybody safe, and ends or says what it waits for`, () => {
      const options = { numRuns: Math.ceil(runs * share), seed, ...(path !== undefined && { path }) };
      fc.assert(
        fc.property(scenarios, (each) => runScenario(each)),
        options,
      );
    });
  }
});
