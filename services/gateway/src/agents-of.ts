// Which agents a connection carries: nearly always one, and then no set is kept for it, which would be larger than all else
// that is known of the connection. Kept on the connection itself, since every heartbeat asks: in a map of ten thousand
// connections hardly one would be in a processor's cache. Written by hub.ts, asked by intake.ts and drain.ts.

/** What carries agents. */
export interface Carrier<Agent extends object> {
  /** Nobody's but this file's; null at first, a set where there are several. */
  carried: Agent | Set<Agent> | null;
}

export function addAgent<Agent extends object>(carrier: Carrier<Agent>, agent: Agent): void {
  const { carried } = carrier;
  if (carried === null) carrier.carried = agent;
  else if (carried instanceof Set) carried.add(agent);
  else if (carried !== agent) carrier.carried = new Set([carried, agent]);
}

export function removeAgent<Agent extends object>(carrier: Carrier<Agent>, agent: Agent): void {
  const { carried } = carrier;
  if (carried === agent) carrier.carried = null;
  else if (carried instanceof Set && carried.delete(agent) && carried.size === 1) {
    carrier.carried = agentsOf(carrier)[0] ?? null;
  }
}

export function countAgents(carrier: Carrier<object>): number {
  const { carried } = carrier;
  if (carried === null) return 0;
  return carried instanceof Set ? carried.size : 1;
}

/** The agent of whoever carries exactly one; null for anybody else. */
export function onlyAgent<Agent extends object>({ carried }: Carrier<Agent>): Agent | null {
  return carried instanceof Set ? null : carried;
}

/** Those of this moment, in a list of its own. */
export function agentsOf<Agent extends object>({ carried }: Carrier<Agent>): readonly Agent[] {
  if (carried === null) return [];
  return carried instanceof Set ? [...carried] : [carried];
}
