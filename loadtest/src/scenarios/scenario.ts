// What a scenario is: a name, sizes, what it measures, and how. Each has a file of its own; index.ts lists them.

import type { Plan, Reading } from "../results/plan.ts";
import type { Launch } from "../servers/muster.ts";
import type { GivenServer } from "../servers/server.ts";

/** How large a run is. */
export interface Size {
  readonly agents: number;
  readonly rounds: number;
  /** How long each thing is watched that takes a while. */
  readonly windowMs: number;
}

/** One run, as the command line asked for it. */
export interface Run extends Size, Launch {
  /** Other servers that take part, where servers are compared. */
  readonly servers: readonly GivenServer[];
  /** Tells the person who waits how far it is. */
  say(line: string): void;
}

/** One thing that can be measured. */
export interface Scenario {
  readonly name: string;
  /** One sentence: what it finds out, and how. */
  readonly summary: string;
  /** The size that its targets are for. */
  readonly full: Size;
  /** A size that shows that it works, in seconds, and says nothing else. */
  readonly smoke: Size;
  /** Whether servers and load are kept to a core each, where the machine can do that. */
  readonly isPinned: boolean;
  /** Whether other servers can be named. */
  readonly takesServers: boolean;
  /** What is made of its readings; names of other servers that take part. */
  plan(others: readonly string[]): Plan;
  run(run: Run): Promise<readonly Reading[]>;
}
