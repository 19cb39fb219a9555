// Muster's gateway beside the least that could serve the same agents: what a heartbeat costs in processor time in a closed
// loop, what connecting costs, and what an agent costs in memory, before and after it was heard.

import { cpuMicros, residentBytes } from "../measure/process-cost.ts";
import type { Plan } from "../results/plan.ts";
import { BARE_UWS, contestants, MUSTER, OPAMP_GO } from "../servers/server.ts";
import { type Phases, type Seat, sideBySide } from "./rounds.ts";
import type { Run, Scenario } from "./scenario.ts";

/** Connections that are in the closed loop, each with one heartbeat on its way; the others are idle. */
const LOOP_CONNECTIONS = 500;
/** Turns that each server takes in a round. */
const SLICES = 8;
/** Heartbeats of every agent before memory is read again. */
const ROUNDS_OF_HEARTBEATS = 3;
/**
 * How long servers are left alone before their memory is read, empty, connected and heard, in windows: 32 s in a full run. V8
 * waits for eight quiet seconds before it gives anything back, and gives back in several steps.
 */
const REST_WINDOWS = 4;
const REFERENCE_AGENTS = 10_000;

function plan(others: readonly string[]): Plan {
  const minAgents = REFERENCE_AGENTS;
  return {
    metrics: [
      { id: "heartbeat", title: "processor time per unchanged heartbeat", unit: "us" },
      { id: "rate", title: "heartbeats answered, closed loop", unit: "per second" },
      { id: "connect", title: "processor time per agent, connect to first answer", unit: "us" },
      { id: "fresh", title: "memory per agent, connected", unit: "bytes" },
      { id: "heard", title: "memory per agent, after heartbeats", unit: "bytes" },
    ],
    ratios: [
      ...[BARE_UWS, OPAMP_GO, ...others].flatMap((to) => [
        { id: `heartbeat-to-${to}`, title: `heartbeat, Muster to ${to}`, metric: "heartbeat", of: MUSTER, to },
        { id: `heard-to-${to}`, title: `memory after heartbeats, Muster to ${to}`, metric: "heard", of: MUSTER, to },
      ]),
      { id: "limit", title: "heartbeat, bare-uws to opamp-go", metric: "heartbeat", of: BARE_UWS, to: OPAMP_GO },
    ],
    targets: [
      ratioTarget("gateway time per unchanged heartbeat, to bare uWS", `heartbeat-to-${BARE_UWS}`, 1.2),
      ratioTarget("gateway time per unchanged heartbeat, to bare opamp-go", `heartbeat-to-${OPAMP_GO}`, 0.75),
      memoryTarget("gateway memory per idle connected agent", "fresh"),
      memoryTarget("gateway memory per idle agent, after heartbeats", "heard"),
      ratioTarget("gateway memory per agent after heartbeats, to bare opamp-go", `heard-to-${OPAMP_GO}`, 1 / 8),
    ],
  };

  function ratioTarget(title: string, ratio: string, limit: number) {
    return { title, measured: { kind: "ratio", ratio }, bound: "at most", limit, unit: "ratio", minAgents } as const;
  }
  function memoryTarget(title: string, metric: string) {
    const measured = { kind: "metric", metric, subject: MUSTER } as const;
    return { title, measured, bound: "at most", limit: 4_096, unit: "bytes", minAgents } as const;
  }
}

/** Connects the fleet and says what that cost; `end` says what the same agents cost in memory after they were heard. */
function phasesOf({ agents, windowMs }: Run): Phases {
  const emptyBytes = new Map<string, number>();
  const bytesPerAgent = ({ name, server }: Seat): number =>
    (residentBytes(...server.pids) - (emptyBytes.get(name) ?? 0)) / agents;
  return {
    sliceCount: SLICES,
    restMs: windowMs * REST_WINDOWS,
    ready: ({ name, server }) => void emptyBytes.set(name, residentBytes(...server.pids)),
    async connect({ server, fleet }) {
      const cpuBefore = cpuMicros(...server.pids);
      await fleet.connect();
      await server.settled();
      return { connect: (cpuMicros(...server.pids) - cpuBefore) / agents };
    },
    async rested(seat) {
      const fresh = bytesPerAgent(seat);
      for (let round = 1; round <= ROUNDS_OF_HEARTBEATS; round++) await seat.fleet.beat(1);
      return { fresh };
    },
    talk: ({ fleet }, forMs) => fleet.loop(LOOP_CONNECTIONS, forMs),
    end: async (seat) => ({ heard: bytesPerAgent(seat) }),
  };
}

export const peers: Scenario = {
  name: "peers",
  summary:
    "A fleet connects to Muster's gateway, a bare uWebSockets.js server and a bare opamp-go server in turn, tells everything once, and sends heartbeats over 500 of its connections, each the next as soon as one is answered.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 8_000 },
  smoke: { agents: 40, rounds: 1, windowMs: 200 },
  isPinned: true,
  takesServers: true,
  plan,
  run: (run) => sideBySide(contestants(run), run, phasesOf(run)),
};
