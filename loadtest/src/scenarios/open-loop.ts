// What a heartbeat costs when it comes alone: every agent sends one every 30 seconds, whatever the server does, so that
// each wakes the server for itself. A closed loop (peers.ts) hands a server many at once and is cheaper for it.

import { setTimeout as sleep } from "node:timers/promises";
import { cpuMicros } from "../measure/process-cost.ts";
import type { Plan } from "../results/plan.ts";
import { BARE_UWS, contestants, MUSTER, OPAMP_GO } from "../servers/server.ts";
import { type Phases, sideBySide } from "./rounds.ts";
import type { Run, Scenario } from "./scenario.ts";

const REFERENCE_AGENTS = 10_000;
/** The specification's default heartbeat. */
const PERIOD_MS = 30_000;
/** A smoke test cannot wait for 30 s; its windows are shorter than this. */
const SHORT_WINDOW_MS = 5_000;
/** Turns that each server takes in a round. */
const SLICES = 4;
/** How long servers are left alone before they are watched doing nothing, in windows: 15 s in a full run. Connects leave garbage. */
const REST_WINDOWS = 0.5;

function plan(others: readonly string[]): Plan {
  return {
    metrics: [
      { id: "heartbeat", title: "processor time per heartbeat, one every 30 s", unit: "us" },
      { id: "share", title: "share of a core", unit: "share" },
      { id: "idleShare", title: "share of a core while nobody speaks", unit: "share" },
    ],
    ratios: [BARE_UWS, OPAMP_GO, ...others].map((to) => {
      return { id: `heartbeat-to-${to}`, title: `heartbeat, Muster to ${to}`, metric: "heartbeat", of: MUSTER, to };
    }),
    targets: [
      {
        title: "gateway time per heartbeat, one every 30 s of each agent, to bare uWS",
        measured: { kind: "ratio", ratio: `heartbeat-to-${BARE_UWS}` },
        bound: "at most",
        limit: 1.5,
        unit: "ratio",
        minAgents: REFERENCE_AGENTS,
      },
    ],
  };
}

/** One fleet talks at a time: heartbeats of the others would find the core awake. */
function phasesOf({ windowMs }: Run): Phases {
  return {
    sliceCount: SLICES,
    restMs: windowMs * REST_WINDOWS,
    ready: () => {},
    async connect({ server, fleet }) {
      await fleet.connect();
      await server.settled();
      return {};
    },
    async rested({ server }) {
      const [cpuBefore, startedAtMs] = [cpuMicros(...server.pids), performance.now()];
      await sleep(windowMs / 4);
      const elapsedMs = performance.now() - startedAtMs;
      return { idleShare: (cpuMicros(...server.pids) - cpuBefore) / 1_000 / elapsedMs };
    },
    async talk({ fleet }, forMs) {
      await fleet.beatEvery(windowMs < SHORT_WINDOW_MS ? windowMs : PERIOD_MS);
      const [before, startedAtMs] = [await fleet.count(), performance.now()];
      await sleep(forMs);
      await fleet.beatEvery(0);
      const after = await fleet.count();
      return { answers: after.answers - before.answers, elapsedMs: performance.now() - startedAtMs };
    },
    end: async () => ({}),
  };
}

export const openLoop: Scenario = {
  name: "open-loop",
  summary:
    "Every agent of a fleet sends a heartbeat every 30 s, evenly spread, at the same servers as in peers: what one costs that comes alone.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 30_000 },
  smoke: { agents: 40, rounds: 1, windowMs: 500 },
  isPinned: true,
  takesServers: true,
  plan,
  run: (run) => sideBySide(contestants(run), run, phasesOf(run)),
};
