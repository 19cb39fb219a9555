// A Muster for one run on this machine: a throw-away Redis and every service as a process, with a gateway that can be killed.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAgentCounter, startStack } from "@muster/local";
import { startRedis } from "@muster/testkit";

/** It runs until it is closed. */
export interface World {
  /** Variables by which scripts find it. */
  readonly env: Readonly<Record<string, string>>;
  /** How many agents are connected, as operators see it. */
  countAgents(signal: AbortSignal): Promise<number>;
  /** Kills the first gateway that runs, as a crash would. */
  killGateway(): Promise<void>;
  /** Ends everything and removes what it left. */
  close(): Promise<void>;
}

/** A gateway of its own takes this many connections a second: a storm of one machine's k6 is not sent away. */
const UPGRADES_PER_SECOND = "20000";

/** Starts it; rejects with nothing left running. */
export async function openWorld(gateways: number, signal: AbortSignal): Promise<World> {
  const stateDir = await mkdtemp(join(tmpdir(), "muster-k6-"));
  const redis = await startRedis();
  const clear = async (): Promise<void> => {
    await redis.stop();
    await rm(stateDir, { recursive: true, force: true });
  };
  const env = { gateway: { MUSTER_GATEWAY_UPGRADES_PER_SECOND: UPGRADES_PER_SECOND } };
  const options = { stateDir, redisUrl: redis.url, services: { gateway: gateways }, env };
  const stack = await startStack(options, signal).catch(async (error: unknown) => {
    await clear();
    throw error;
  });
  const counter = createAgentCounter(stack.managementUrl);
  return {
    env: { ADDRESS: stack.opampUrls.join(","), MANAGEMENT: new URL(stack.managementUrl).host },
    countAgents: (waiting) => counter.countConnected(waiting),
    async killGateway() {
      await stack
        .of("gateway")
        .find((gateway) => gateway.pid() !== null)
        ?.kill9();
    },
    async close() {
      counter.close();
      await stack.stop();
      await clear();
    },
  };
}
