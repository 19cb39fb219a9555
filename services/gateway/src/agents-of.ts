// Which agents a connection carries: nearly always one, and then no set is kept for it, which would be larger than all else
// that is known of the connection. Used by hub.ts.

import type { InstanceUid } from "@muster/fleet";

/** The agents of each connection. */
export interface AgentsOf<Connection> {
  add(connection: Connection, uid: InstanceUid): void;
  remove(connection: Connection, uid: InstanceUid): void;
  forget(connection: Connection): void;
  count(connection: Connection): number;
  /** A list of its own. */
  of(connection: Connection): readonly InstanceUid[];
}

/** Nobody is connected. */
export function createAgentsOf<Connection>(): AgentsOf<Connection> {
  const agents = new Map<Connection, InstanceUid | Set<InstanceUid>>();
  return {
    add(connection, uid) {
      const present = agents.get(connection);
      if (present === undefined) agents.set(connection, uid);
      else if (typeof present !== "string") present.add(uid);
      else if (present !== uid) agents.set(connection, new Set([present, uid]));
    },
    remove(connection, uid) {
      const present = agents.get(connection);
      if (present === uid) agents.delete(connection);
      else if (typeof present === "object") present.delete(uid);
    },
    forget(connection) {
      agents.delete(connection);
    },
    count(connection) {
      const present = agents.get(connection);
      if (present === undefined) return 0;
      return typeof present === "string" ? 1 : present.size;
    },
    of(connection) {
      const present = agents.get(connection) ?? [];
      return typeof present === "string" ? [present] : [...present];
    },
  };
}
