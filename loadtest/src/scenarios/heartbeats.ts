// The quick one: micro-benchmarks, and steady heartbeats of the full simulator against one real gateway process. What a
// heartbeat costs in processor time of the gateway and an idle agent in its memory is read from /proc, and so independent
// of how busy the simulator is. peers.ts measures the same beside other servers, and costs the machine less.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack } from "@muster/local";
import { startFleet } from "@muster/simulator";
import { startRedis, until } from "@muster/testkit";
import { runMicro } from "../bench/micro.ts";
import { cpuMicros, residentBytes } from "../measure/process-cost.ts";
import { MUSTER } from "../servers/server.ts";
import type { Run, Scenario } from "./scenario.ts";

/** What was measured. */
export interface HeartbeatResult {
  readonly agents: number;
  readonly heartbeats: number;
  readonly gatewayMicrosPerHeartbeat: number;
  readonly gatewayBytesPerAgent: number;
  readonly heartbeatsPerSecond: number;
}

/** Runs the scenario: `agents` over WebSocket, each heard `rounds` times. */
export async function runHeartbeats(agents: number, rounds: number): Promise<HeartbeatResult> {
  const stateDir = await mkdtemp(join(tmpdir(), "muster-load-"));
  const redis = await startRedis();
  const ending = new AbortController();
  const services = { gateway: 1, projector: 1, rollout: 0, management: 0 };
  const stack = await startStack({ stateDir, redisUrl: redis.url, services }, ending.signal);
  const pid = stack.of("gateway")[0].pid() ?? 0;
  try {
    const emptyBytes = residentBytes(pid);
    const fleet = startFleet(
      { count: agents, endpoint: stack.opampUrls[0] ?? "", heartbeatMs: 3_600_000 },
      ending.signal,
    );
    await fleet.started;
    // Each agent's first report and the health that follows its start are through once nothing more is answered.
    await until(() => fleet.counts().received >= agents, { timeoutMs: 60_000, what: "an answer to every agent" });
    const sentBefore = fleet.counts().received;
    const fullBytes = residentBytes(pid);
    const startedAtMs = performance.now();
    const cpuBefore = cpuMicros(pid);
    for (let round = 1; round <= rounds; round++) {
      for (const agent of fleet.agents) agent.heartbeat();
      const expected = sentBefore + round * agents;
      await until(() => fleet.counts().received >= expected, { timeoutMs: 60_000, what: "the answers to one round" });
    }
    const heartbeats = rounds * agents;
    const elapsedS = (performance.now() - startedAtMs) / 1000;
    const result = {
      agents,
      heartbeats,
      gatewayMicrosPerHeartbeat: (cpuMicros(pid) - cpuBefore) / heartbeats,
      gatewayBytesPerAgent: (fullBytes - emptyBytes) / agents,
      heartbeatsPerSecond: heartbeats / elapsedS,
    };
    await fleet.stop();
    return result;
  } finally {
    ending.abort();
    await stack.stop();
    await redis.stop();
    await rm(stateDir, { recursive: true, force: true });
  }
}

/** Heartbeats of each agent in a round. */
const HEARTBEATS = 50;
const MICRO_ID = /[^a-z0-9]+/g;

async function runRounds({ agents, rounds, say }: Run) {
  const readings = [];
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}`);
    const micro = runMicro().map(({ name, microsPerCall }) => [name.replace(MICRO_ID, "-"), microsPerCall] as const);
    const { gatewayMicrosPerHeartbeat, gatewayBytesPerAgent, heartbeatsPerSecond } = await runHeartbeats(
      agents,
      HEARTBEATS,
    );
    const values = {
      ...Object.fromEntries(micro),
      heartbeat: gatewayMicrosPerHeartbeat,
      memory: gatewayBytesPerAgent,
      rate: heartbeatsPerSecond,
    };
    readings.push({ round, subject: MUSTER, values });
  }
  return readings;
}

export const heartbeats: Scenario = {
  name: "heartbeats",
  summary: "Micro-benchmarks, and heartbeats of fully simulated agents at one gateway: the quick look.",
  full: { agents: 1_000, rounds: 1, windowMs: 0 },
  smoke: { agents: 20, rounds: 1, windowMs: 0 },
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
  run: runRounds,
};
