// How a gateway leaves: no new connections, then sockets closed in batches with pauses between, because every client
// comes back at once and somebody else must take them; then everything that is known is written. Agents that poll and
// are answered meanwhile go with their answer, and the rest at the end.

import { agentsOf } from "./agents-of.ts";
import type { Hub } from "./hub.ts";
import type { Connection } from "./socket.ts";

/** What it needs. */
export interface DrainDeps {
  readonly hub: Hub;
  readonly connections: ReadonlySet<Connection>;
  stopListening(): void;
  endPosts(): Promise<void>;
  flushAll(): Promise<boolean>;
  pause(ms: number): Promise<void>;
  random(): number;
  /** Time for closing sockets, in milliseconds. */
  readonly spreadMs: number;
}

/** RFC 6455 registry: the service restarts, come again. */
const CLOSE_RESTART = 1012;
const BATCHES = 20;

/** Drains. Resolves when everything is written or could not be. */
export async function drain(deps: DrainDeps): Promise<void> {
  const { hub, connections } = deps;
  deps.stopListening();
  const open = [...connections];
  const batchSize = Math.max(1, Math.ceil(open.length / BATCHES));
  for (let from = 0; from < open.length; from += batchSize) {
    for (const connection of open.slice(from, from + batchSize)) {
      for (const { uid } of agentsOf(connection)) hub.end(uid, "drained");
      connection.close(CLOSE_RESTART, "the gateway restarts");
    }
    await deps.flushAll();
    if (from + batchSize < open.length) await deps.pause((deps.spreadMs / BATCHES) * (0.5 + deps.random()));
  }
  // Agents that poll simply come to another gateway, which goes on from the checkpoint: nothing may be learnt of them after it.
  await deps.endPosts();
  for (const { uid, session } of [...hub.entries.values()]) {
    if (session.kind === "active") hub.letGo(uid, session.epoch);
  }
  await deps.flushAll();
}
