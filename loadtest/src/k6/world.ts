// A Muster for one run on this machine: a throw-away Redis and every service as a process, with a gateway that can be killed.

import { createAgentCounter } from "@muster/local";
import { buildBundles } from "../servers/bundles.ts";
import { openMuster } from "../servers/muster.ts";

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

/** Starts it; rejects with nothing left running. */
export async function openWorld(gateways: number, signal: AbortSignal): Promise<World> {
  const services = { gateway: gateways, projector: 1, rollout: 1, management: 1 };
  await buildBundles(); // as images run it
  const { stack, stop } = await openMuster({ services }, { profileDir: null, isBundled: true, signal });
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
      await stop();
    },
  };
}
