// Steady heartbeats against one real gateway process: what one costs in processor time of the gateway, and what an
// idle agent costs in its memory, both read from /proc and so independent of how busy the load generator is.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack } from "@muster/local";
import { startFleet } from "@muster/simulator";
import { startRedis, until } from "@muster/testkit";
import { cpuMicros, residentBytes } from "../process-cost.ts";

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
