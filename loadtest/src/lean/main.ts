// A load process: a crowd of lean agents that does what the process that forked it orders (fleet.ts), and ends with it.
// At most 18,000 agents, since a process may open 20,000 files.

import { Crowd } from "./crowd.ts";
import type { Envelope, Reply } from "./orders.ts";

const crowd = new Crowd();

process.on("message", (message) => {
  // Only fleet.ts forks this file, and it sends nothing else.
  const { id, order } = message as Envelope;
  const reply = (it: Reply): void => void process.send?.(it);
  crowd.obey(order).then(
    (outcome) => reply({ id, outcome }),
    (error: unknown) => reply({ id, failure: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
