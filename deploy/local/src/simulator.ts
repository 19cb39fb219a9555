// The simulated fleet of `npm start` as a child process. Ready means visible: the management API lists as many
// connected agents as were asked for.

import { join } from "node:path";
import { type Child, type Crash, createChild } from "./child.ts";
import { root } from "./paths.ts";
import { withoutSettings } from "./stack.ts";
import type { AgentCounter } from "./visible.ts";

/** What the fleet needs. */
export interface SimulatorOptions {
  readonly agents: number;
  /** Where its agents connect; they spread over several. */
  readonly opampUrls: readonly string[];
  readonly stateDir: string;
  readonly counter: AgentCounter;
  readonly onCrash: (crash: Crash) => void;
}

/** A fleet that does not run yet. */
export function createSimulator({ agents, opampUrls, stateDir, counter, onCrash }: SimulatorOptions): Child {
  return createChild(
    {
      name: "simulator",
      command: process.execPath,
      args: [
        join(root, "packages/simulator/src/main.ts"),
        ...["--agents", `${agents}`],
        ...opampUrls.flatMap((url) => ["--endpoint", url]),
      ],
      env: () => ({ ...withoutSettings(process.env), NODE_COMPILE_CACHE: join(stateDir, "compile-cache") }),
      cwd: root,
      logFile: join(stateDir, "logs", "simulator.log"),
      probe: async (signal) => (await counter.countConnected(signal)) >= agents,
      // A large fleet connects at the pace of one machine.
      readyTimeoutMs: 60_000 + agents * 10,
      stopTimeoutMs: 2_500,
    },
    onCrash,
  );
}
