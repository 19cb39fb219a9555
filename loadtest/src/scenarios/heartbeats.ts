// The quick one: micro-benchmarks, and steady heartbeats of the full simulator against one real gateway process. What a
// heartbeat costs in processor time of the gateway and an idle agent in its memory is read from /proc, and so independent
// of how busy the simulator is. peers.ts measures the same beside other servers, and costs the machine less.

import { startFleet } from "@muster/simulator";
import { until } from "@muster/testkit";
import { runMicro } from "../bench/micro.ts";
import { cpuMicros, residentBytes } from "../measure/process-cost.ts";
import { openMuster } from "../servers/muster.ts";
import { eachRound } from "./alone.ts";
import type { Run, Scenario } from "./scenario.ts";

/** Heartbeats of each agent in a round. */
const HEARTBEATS = 50;
const MICRO_ID = /[^a-z0-9]+/g;

async function measure(run: Run) {
  const micro = runMicro().map(({ name, microsPerCall }) => [name.replace(MICRO_ID, "-"), microsPerCall] as const);
  return { ...Object.fromEntries(micro), ...(await runHeartbeats(run)) };
}

async function runHeartbeats(run: Run) {
  const { agents, signal } = run;
  const muster = await openMuster({ services: { gateway: 1, projector: 1 } }, run);
  const pids = muster.pidsOf("gateway");
  try {
    const emptyBytes = residentBytes(...pids);
    const fleet = startFleet(
      { count: agents, endpoint: muster.stack.opampUrls[0] ?? "", heartbeatMs: 3_600_000 },
      signal,
    );
    await fleet.started;
    // Each agent's first report and the health that follows its start are through once nothing more is answered.
    await until(() => fleet.counts().received >= agents, { timeoutMs: 60_000, what: "an answer to every agent" });
    const sentBefore = fleet.counts().received;
    const memory = (residentBytes(...pids) - emptyBytes) / agents;
    const startedAtMs = performance.now();
    const cpuBefore = cpuMicros(...pids);
    for (let beat = 1; beat <= HEARTBEATS; beat++) {
      for (const agent of fleet.agents) agent.heartbeat();
      const expected = sentBefore + beat * agents;
      await until(() => fleet.counts().received >= expected, { timeoutMs: 60_000, what: "the answers to one round" });
    }
    const count = HEARTBEATS * agents;
    const elapsedS = (performance.now() - startedAtMs) / 1_000;
    const heartbeat = (cpuMicros(...pids) - cpuBefore) / count;
    await fleet.stop();
    return { heartbeat, memory, rate: count / elapsedS };
  } finally {
    await muster.stop();
  }
}

export const heartbeats: Scenario = {
  name: "heartbeats",
  summary: "Micro-benchmarks, and heartbeats of fully simulated agents at one gateway: the quick look.",
  full: { agents: 1_000, rounds: 1, windowMs: 0 },
  smoke: { agents: 20, rounds: 1, windowMs: 0 },
  isPinned: false,
  takesServers: false,
  plan: () => ({
    metrics: [
      { id: "scan-a-24-byte-heartbeat", title: "scan a 24-byte heartbeat", unit: "us" },
      { id: "decode-the-same-in-full", title: "decode the same in full", unit: "us" },
      { id: "plan-a-rollout-over-10-000-agents", title: "plan a rollout over 10,000 agents", unit: "us" },
      { id: "heartbeat", title: "gateway time per unchanged heartbeat", unit: "us" },
      { id: "rate", title: "heartbeats of the simulator", unit: "per second" },
      { id: "memory", title: "gateway memory per agent", unit: "bytes" },
    ],
    ratios: [],
    targets: [],
  }),
  run: (run) => eachRound(run, measure),
};
