// Whether two gateways do twice the work of one. The unit is a cell: a gateway and a load process of its own, both kept on
// one core, with one Redis and one projector between them. One cell alone and both take turns in short slices, while the fleets
// of both stay connected: load takes the same share of each cell, so that doubling cells doubles throughput, unless gateways
// get into each other's way, and a machine that is faster in one second than in the next is so for one and for two.

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
/** Turns that one and two take in a round. */
const SLICES = 8;

async function runRounds(run: Run): Promise<readonly Reading[]> {
  const readings: Reading[] = [];
  for (let round = 1; round <= run.rounds; round++) {
    run.say(`round ${round} of ${run.rounds}`);
    const { one, two } = await measure(run);
    readings.push({ round, subject: ONE, values: one }, { round, subject: TWO, values: two });
  }
  return readings;
}

/** A gateway, its agents, and the processes that play them. */
interface Cell {
  readonly pid: number;
  readonly fleet: LeanFleet;
}

/** As many agents in each cell. */
async function measure(run: Run) {
  const { agents, windowMs } = run;
  const muster = await openMuster({ services: { gateway: CELL_CORES.length, projector: 1 } }, run);
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
    const cells = fleets.map((fleet, i): Cell => ({ fleet, pid: pids[i] ?? 0 }));
    const sums = { one: newSum(), two: newSum() };
    await loopAll(cells, windowMs, newSum()); // warms up
    for (let slice = 0; slice < SLICES; slice++) {
      // Each cell is the one alone in half of them: cores differ, too.
      await loopAll(cells.slice(slice % 2, (slice % 2) + 1), windowMs / SLICES, sums.one);
      await loopAll(cells, windowMs / SLICES, sums.two);
    }
    return { one: valuesOf(sums.one, 1), two: valuesOf(sums.two, cells.length) };
  } finally {
    await Promise.all(fleets.map((fleet) => fleet.stop()));
    await muster.stop();
  }
}

/** What slices come to. */
interface Sum {
  answers: number;
  elapsedMs: number;
  gatewayMicros: number;
  loadMicros: number;
}

function newSum(): Sum {
  return { answers: 0, elapsedMs: 0, gatewayMicros: 0, loadMicros: 0 };
}

async function loopAll(cells: readonly Cell[], forMs: number, sum: Sum): Promise<void> {
  const gatewayMicros = (): number => cpuMicros(...cells.map(({ pid }) => pid));
  const loadMicros = (): number => cpuMicros(...cells.flatMap(({ fleet }) => fleet.pids));
  const before = { gateways: gatewayMicros(), load: loadMicros() };
  const outcomes = await Promise.all(cells.map(({ fleet }) => fleet.loop(LOOP_CONNECTIONS, forMs)));
  sum.gatewayMicros += gatewayMicros() - before.gateways;
  sum.loadMicros += loadMicros() - before.load;
  for (const { answers } of outcomes) sum.answers += answers;
  sum.elapsedMs += Math.max(...outcomes.map(({ elapsedMs }) => elapsedMs));
}

function valuesOf({ answers, elapsedMs, gatewayMicros, loadMicros }: Sum, cellCount: number) {
  const capacity = (cellCount * answers * 1_000_000) / (gatewayMicros + loadMicros);
  return { rate: (answers * 1_000) / elapsedMs, capacity, heartbeat: gatewayMicros / answers };
}

export const scaleOut: Scenario = {
  name: "scale-out",
  summary:
    "One gateway with its load on one core, and two of both on two cores, sharing one Redis, in turns: the throughput of two against one.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 16_000 },
  smoke: { agents: 20, rounds: 1, windowMs: 200 },
  isPinned: true,
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
