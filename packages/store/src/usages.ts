// What agents take, on its way from the gateway that heard it to the projector: it has no session and no checkpoint, and comes
// beside those events that have. Written by gateways only.

import type { AgentEvent, InstanceUid, OwnUsage } from "@muster/fleet";
import type { Redis } from "ioredis";
import { createBatches } from "./batches.ts";
import { appendUsage } from "./gen/scripts.ts";
import { fleetKeys, type Partition, partitionOf } from "./keys.ts";
import { run } from "./redis.ts";
import { MAX_STREAM_ENTRIES } from "./sessions.ts";

/** What an agent takes, and who says so ("": nobody was asked). */
export interface MeasuredUsage {
  readonly usage: OwnUsage;
  readonly identity: string;
}

/** What became of it. `foreign`: the uid belongs to another identity; `full`: no projector keeps up. */
export type UsageOutcome = "written" | "unknown" | "foreign" | "full";

type UsageMeasured = Extract<AgentEvent, { kind: "agent.usage-measured" }>;
interface Item extends MeasuredUsage {
  readonly uid: InstanceUid;
}

/** Takes what agents take. */
export interface Usages {
  /**
   * Writes the event of an agent that is known, with the time of Redis (event.ts, E2). What many say in one moment is one
   * command per partition. Rejects when Redis is away.
   */
  append(uid: InstanceUid, measured: MeasuredUsage): Promise<UsageOutcome>;
}

/** Agents of one command: Redis serves nobody else for a millisecond or two. */
const MAX_BATCH = 250;
/** A quarter of what sessions may fill: while no projector works, sessions need the room more than this does. */
export const MAX_USAGE_ENTRIES = MAX_STREAM_ENTRIES / 4;
const OUTCOMES: Readonly<Record<number, UsageOutcome>> = { 1: "written", 0: "unknown", [-1]: "foreign" };

/** Appends to the streams of `fleet`. Closes nothing: `fleet` is the caller's. */
export function createUsages(fleet: Redis, partitions: number): Usages {
  const append = createBatches(async (p: Partition, batch: readonly Item[]) => {
    const uids = batch.map(({ uid }) => uid);
    const keys = uids.flatMap((uid) => [fleetKeys.agent(p, uid), fleetKeys.session(p, uid)]);
    const args = batch.flatMap((item) => [item.identity, timelessEvent(item)]);
    const reply = await run(fleet, appendUsage, [fleetKeys.events(p), ...keys], [MAX_USAGE_ENTRIES, ...args]);
    const [written, ...codes] = reply as readonly number[]; // the script's header
    return batch.map((_, i): UsageOutcome => (written === 0 ? "full" : (OUTCOMES[codes[i] ?? 0] ?? "unknown")));
  }, MAX_BATCH);
  return { append: (uid, measured) => append(partitionOf(uid, partitions), { uid, ...measured }) };
}

/** The event's JSON without its end: the script adds `n` and `atMs`. */
function timelessEvent({ uid, usage }: Item): string {
  const event = { kind: "agent.usage-measured", uid, epoch: 0, usage } satisfies Omit<UsageMeasured, "n" | "atMs">;
  return JSON.stringify(event).slice(0, -1);
}
