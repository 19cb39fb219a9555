// Whether two gateways do twice the work of one. The unit is a cell: a gateway and a load process of its own, both kept on
// one core. One cell alone, then two on two cores, with one Redis and one projector between them: load takes the same
// share of each cell, so that doubling cells doubles throughput, unless gateways get into each other's way.

import { type LeanFleet, prepareFleet } from "../lean/fleet.ts";
import { CORE, pin } from "../measure/pin.ts";
import { cpuMicros } from "../measure/process-cost.ts";
import type { Reading } from "../results/plan.ts";
import { openMuster, settled } from "../servers/muster.ts";
import type { Run, Scenario } from "./scenario.ts";

const REFERENCE_AGENTS = 10_000;
const LOOP_CONNECTIONS = 500;
const PATIENCE_MS = 120_000;
const CELL_CORES = [CORE.server, CORE.load] as const;
const [ONE, TWO] = ["one-gateway", "two-gateways"];

async function runRounds(run: Run): Promise<readonly Reading[]> {
  const readings: Reading[] = [];
  for (let round = 1; round <= run.rounds; round++) {
    for (const cells of round % 2 === 1 ? [1, 2] : [2, 1]) {
      run.say(`round ${round} of ${run.rounds}: ${cells === 1 ? ONE : TWO}`);
      readings.push({ round, subject: cells === 1 ? ONE : TWO, values: await measure(cells, run) });
    }
  }
  return readings;
}

/** As many agents per cell, however many cells there are. */
async function measure(cells: number, run: Run) {
  const { agents, windowMs } = run;
  const muster = await openMuster({ services: { gateway: cells, projector: 1 } }, run);
  const pids = muster.pidsOf("gateway");
  for (const [i, pid] of pids.entries()) pin(pid, CELL_CORES[i] ?? CORE.server);
  const fleets = await Promise.all(
    muster.stack.opampUrls.map((url, i) => {
      return prepareFleet({ count: agents, urls: [url], cores: [CELL_CORES[i] ?? CORE.load], firstIndex: i * agents });
    }),
  );
  try {
    for (const fleet of fleets) await fleet.connect();
    await settled(muster, PATIENCE_MS);
    await loopAll(fleets, windowMs / 2); // warms up
    const loadPids = fleets.flatMap((fleet) => fleet.pids);
    const before = { gateways: cpuMicros(...pids), load: cpuMicros(...loadPids) };
    const outcomes = await loopAll(fleets, windowMs);
    const micros = cpuMicros(...pids) - before.gateways;
    const cellMicros = micros + cpuMicros(...loadPids) - before.load;
    const answers = outcomes.reduce((sum, outcome) => sum + outcome.answers, 0);
    const rate = outcomes.reduce((sum, outcome) => sum + (outcome.answers * 1_000) / outcome.elapsedMs, 0);
    return { rate, capacity: (cells * answers * 1_000_000) / cellMicros, heartbeat: micros / answers };
  } finally {
    await Promise.all(fleets.map((fleet) => fleet.stop()));
    await muster.stop();
  }
}

function loopAll(fleets: readonly LeanFleet[], forMs: number) {
  return Promise.all(fleets.map((fleet) => fleet.loop(LOOP_CONNECTIONS, forMs)));
}

export const scaleOut: Scenario = {
  name: "scale-out",
  summary:
    "One gateway with its load on one core, then two of both on two cores, sharing one Redis: the throughput of two against one.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 5_000 },
  smoke: { agents: 20, rounds: 1, windowMs: 200 },
  takesServers: false,
  plan: () => ({
    metrics: [
      { id: "rate", title: "heartbeats answered, gateway and its load sharing a core", unit: "per second" },
      { id: "capacity", title: "the same for processor time, if nothing else took any", unit: "per second" },
      { id: "heartbeat", title: "processor time per heartbeat", unit: "us" },
    ],
    ratios: [
      { id: "rate-two-to-one", title: "throughput, two gateways to one", metric: "rate", of: TWO, to: ONE },
      { id: "capacity-two-to-one", title: "capacity, two gateways to one", metric: "capacity", of: TWO, to: ONE },
      { id: "heartbeat-two-to-one", title: "time per heartbeat, two to one", metric: "heartbeat", of: TWO, to: ONE },
    ],
    targets: [
      {
        title: "throughput of two gateways against one, load accounted for",
        measured: { kind: "ratio", ratio: "rate-two-to-one" },
        bound: "at least",
        limit: 1.8,
        unit: "ratio",
        minAgents: REFERENCE_AGENTS,
      },
    ],
  }),
  run: runRounds,
};
