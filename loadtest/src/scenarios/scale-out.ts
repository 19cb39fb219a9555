// Whether two gateways do twice the work of one. The unit is a cell: a gateway and a load process of its own, both kept on
// one core, with one Redis and one projector between them. One cell alone and both take turns in short slices, while the fleets
// of both stay connected: load takes the same share of each cell, so that doubling cells doubles throughput, unless gateways
// get into each other's way, and a machine that is faster in one second than in the next is so for one and for two. Cores may
// share what is below them, too: cells of bare uWebSockets.js servers, which have nothing in common, take turns with these and say
// what the machine itself makes of two.

import { type LeanFleet, prepareFleet } from "../lean/fleet.ts";
import { CORE, pin } from "../measure/pin.ts";
import { cpuMicros } from "../measure/process-cost.ts";
import type { Reading } from "../results/plan.ts";
import { openMuster, settled } from "../servers/muster.ts";
import { startBareUws } from "../servers/server.ts";
import type { Run, Scenario } from "./scenario.ts";

const REFERENCE_AGENTS = 10_000;
const LOOP_CONNECTIONS = 500;
const PATIENCE_MS = 120_000;
const CELL_CORES = [CORE.server, CORE.load] as const;
const [ONE, TWO, ONE_BARE, TWO_BARE] = ["one-gateway", "two-gateways", "one-bare-uws", "two-bare-uws"];
/** Turns that one and two take in a round. */
const SLICES = 8;

async function runRounds(run: Run): Promise<readonly Reading[]> {
  const readings: Reading[] = [];
  for (let round = 1; round <= run.rounds; round++) {
    run.say(`round ${round} of ${run.rounds}`);
    const values = await measure(run);
    readings.push(...[...values].map(([subject, each]) => ({ round, subject, values: each })));
  }
  return readings;
}

/** A server on a core, its agents, and the process that plays them there. */
interface Cell {
  readonly pid: number;
  readonly fleet: LeanFleet;
}

/** As many agents in each cell. */
async function measure(run: Run) {
  const { agents, windowMs } = run;
  const muster = await openMuster({ services: { gateway: CELL_CORES.length, projector: 1 } }, run);
  const bare = await Promise.all(CELL_CORES.map(startBareUws));
  const pids = muster.pidsOf("gateway");
  for (const [i, pid] of pids.entries()) pin(pid, CELL_CORES[i] ?? CORE.server);
  const prepare = (url: string, i: number): Promise<LeanFleet> =>
    prepareFleet({ count: agents, urls: [url], cores: [CELL_CORES[i] ?? CORE.load], firstIndex: i * agents });
  const fleets = await Promise.all(muster.stack.opampUrls.map(prepare));
  const bareFleets = await Promise.all(bare.map(({ url }, i) => prepare(url, i)));
  try {
    for (const fleet of [...fleets, ...bareFleets]) await fleet.connect();
    await settled(muster, PATIENCE_MS);
    const cells = fleets.map((fleet, i): Cell => ({ fleet, pid: pids[i] ?? 0 }));
    const bareCells = bareFleets.map((fleet, i): Cell => ({ fleet, pid: bare[i]?.pids[0] ?? 0 }));
    return await takeTurns(cells, bareCells, windowMs / SLICES);
  } finally {
    await Promise.all([...fleets, ...bareFleets].map((fleet) => fleet.stop()));
    await Promise.all(bare.map((server) => server.stop()));
    await muster.stop();
  }
}

/** One cell, both, one bare, both bare, and again. Each cell is the one alone in half of the turns: cores differ, too. */
async function takeTurns(cells: readonly Cell[], bareCells: readonly Cell[], forMs: number) {
  const sums = new Map([ONE, TWO, ONE_BARE, TWO_BARE].map((subject) => [subject, newSum()]));
  const alone = (all: readonly Cell[], slice: number): readonly Cell[] => all.filter((_, i) => i === (slice & 1));
  for (let slice = -2; slice < SLICES; slice++) {
    const turns = [alone(cells, slice), cells, alone(bareCells, slice), bareCells];
    for (const [i, sum] of [...sums.values()].entries()) {
      await loopAll(turns[i] ?? [], forMs, slice < 0 ? newSum() : sum); // the first two turns warm up
    }
  }
  const counts = [1, cells.length, 1, bareCells.length];
  return new Map([...sums].map(([subject, sum], i) => [subject, valuesOf(sum, counts[i] ?? 1)]));
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
    "One gateway with its load on one core, and two of both on two cores, sharing one Redis, in turns: the throughput of two against one. Beside it the same of bare servers, which share nothing but the machine.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 16_000 },
  smoke: { agents: 20, rounds: 1, windowMs: 200 },
  isPinned: true,
  takesServers: false,
  plan: () => ({
    metrics: [
      { id: "rate", title: "heartbeats answered, server and its load sharing a core", unit: "per second" },
      { id: "capacity", title: "the same for processor time, if nothing else took any", unit: "per second" },
      { id: "heartbeat", title: "processor time per heartbeat", unit: "us" },
    ],
    ratios: [
      { id: "rate-two-to-one", title: "throughput, two gateways to one", metric: "rate", of: TWO, to: ONE },
      { id: "limit", title: "throughput, two bare servers to one", metric: "rate", of: TWO_BARE, to: ONE_BARE },
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
