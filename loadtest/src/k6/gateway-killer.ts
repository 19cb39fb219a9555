// Kills a gateway in the middle of gateway-loss.js, once all agents are connected. k6 itself cannot: it is told addresses,
// not processes.

import { setTimeout as sleep } from "node:timers/promises";
import { until } from "@muster/testkit";
import type { World } from "./world.ts";

/** Until the last agent's report is stored for all gateways; the script takes a younger one for lost. */
const SETTLE_MS = 1_500;

/**
 * Waits for the agents and kills. Gives up when they do not come or the run is over first: the script's thresholds tell that
 * nothing was lost, so here it is only said why.
 */
export async function killGatewayOnce(
  world: World,
  agents: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    const areConnected = async (): Promise<boolean> => signal.aborted || (await world.countAgents(signal)) >= agents;
    await until(areConnected, { timeoutMs, what: `${agents} connected agents` });
    await sleep(SETTLE_MS, undefined, { signal });
    await world.killGateway();
  } catch (error) {
    if (!signal.aborted) process.stderr.write(`no gateway was killed: ${String(error)}\n`);
  }
}
