// What each agent should run. Written by the rollout worker, read by gateways; deciding it is fleet's job
// (createWanted), this is only where decisions are kept, fenced by the version of the assignments they rest on.

import type { Assignment, ConfigId, DesiredRecord, GatewayId, InstanceUid } from "@muster/fleet";
import type { Redis } from "ioredis";
import { CHANGES_LENGTH } from "./agent-record.ts";
import { eachPartition } from "./each-partition.ts";
import {
  assignDesired,
  decideAgain,
  loadDesired,
  raiseAssignments,
  setAssignedVersion,
  settleUnassigned,
} from "./gen/scripts.ts";
import { controlKeys, fleetKeys, type Partition, partitionOf } from "./keys.ts";
import { type Json, pack, unpack } from "./packed.ts";
import { run, runBinary } from "./redis.ts";

/** The layers of every config, and how often they changed. */
export interface Assignments {
  readonly version: number;
  readonly list: readonly Assignment[];
}

/** What an agent should run, with the rollouts that do not count for it any more. */
export type WantedConfig = Omit<DesiredRecord, "assignedAtMs">;

/** An agent that is to be decided again, and the version of the view that says so. */
export interface Unassigned {
  readonly uid: InstanceUid;
  readonly version: number;
}

/** What one agent should run. */
export interface DesiredWrite {
  readonly uid: InstanceUid;
  /** null: no opinion. */
  readonly desired: WantedConfig | null;
  /** What the decision rests on; default: it does not matter. */
  readonly present?: DesiredRecord | null;
}

/**
 * What became of a decision: written, with the gateway to hint, null when none holds the agent; or "stale", a decision on
 * newer assignments stands; or "moved", another stands than the one that it rests on, or the agent goes on under another uid.
 */
export type DesiredOutcome = GatewayId | null | "stale" | "moved";

/** Desired configs. */
export interface DesiredConfigs {
  /** In the order of the uids; null where there is no opinion. */
  load(uids: readonly InstanceUid[]): Promise<readonly (DesiredRecord | null)[]>;
  /** Has what one agent should run decided anew. */
  decideAgain(uid: InstanceUid): Promise<void>;
  /** Writes decisions that rest on the assignments of one version. Answers what became of each, in their order. */
  assign(decisions: readonly DesiredWrite[], version: number, nowMs: number): Promise<readonly DesiredOutcome[]>;
  /** What decisions rest on. */
  assignments(): Promise<Assignments>;
  /** Agents that are new or described themselves anew, with the version of the view that says so. */
  unassigned(partition: Partition, limit: number): Promise<readonly Unassigned[]>;
  /** Strikes agents from that list that did not change after their `version`. */
  settle(decided: readonly Unassigned[]): Promise<void>;
  /** The assignments that all of a partition was last decided on; 0: never, or the fleet state was lost. */
  assignedVersion(partition: Partition): Promise<number>;
  /** Notes it, unless newer ones are; decisions on older ones are written no more from then on. */
  setAssignedVersion(partition: Partition, version: number): Promise<void>;
  /**
   * Counts the assignments on from a version that a partition was decided on, where theirs is older: control state was
   * restored from a backup, and is what counts from now on. Answers whether it was.
   */
  raise(seenVersion: number): Promise<boolean>;
  /** Whether every partition was decided on the present assignments: what is yet to be written rests on no older ones. */
  isAssigned(): Promise<boolean>;
}

/** Reads the layers of configs from `control` and keeps what follows from them for each agent in `fleet`. */
export function createDesired(fleet: Redis, control: Redis, partitions: number): DesiredConfigs {
  return {
    async load(uids) {
      const records = await eachPartition(
        uids,
        partitions,
        (uid) => uid,
        async (p, some) => {
          const keys = some.map((uid) => fleetKeys.desired(p, uid));
          return (await runBinary(fleet, loadDesired, keys, [])) as readonly Buffer[]; // the script's header
        },
      );
      return records.map(createReader());
    },
    async decideAgain(uid) {
      const p = partitionOf(uid, partitions);
      await run(fleet, decideAgain, [fleetKeys.unassigned(p), fleetKeys.agent(p, uid)], [uid]);
    },
    assign: (decisions, version, nowMs) =>
      eachPartition(
        decisions,
        partitions,
        ({ uid }) => uid,
        (p, some) => assignSome(fleet, p, some, version, nowMs),
      ),
    async assignments() {
      // The version is read first: layers newer than it are at worst decided on twice.
      const version = Number((await control.get(controlKeys.assignmentsVersion)) ?? 0);
      const layers = await control.hgetall(controlKeys.assignments);
      const list = Object.entries(layers).map(([configId, text]) => ({
        configId: configId as ConfigId, // written by rollouts.ts
        layers: JSON.parse(text) as Assignment["layers"],
      }));
      return { version, list };
    },
    async unassigned(partition, limit) {
      const flat = await fleet.zrange(fleetKeys.unassigned(partition), 0, String(limit - 1), "WITHSCORES");
      return flat.flatMap((uid, i) => (i % 2 === 0 ? [{ uid: uid as InstanceUid, version: Number(flat[i + 1]) }] : []));
    },
    async settle(decided) {
      await eachPartition(
        decided,
        partitions,
        ({ uid }) => uid,
        async (p, some) => {
          const args = some.flatMap(({ uid, version }) => [uid, version]);
          await run(fleet, settleUnassigned, [fleetKeys.unassigned(p)], args);
          return some;
        },
      );
    },
    async assignedVersion(partition) {
      return Number((await fleet.get(fleetKeys.assignedVersion(partition))) ?? 0);
    },
    async setAssignedVersion(partition, version) {
      await run(fleet, setAssignedVersion, [fleetKeys.assignedVersion(partition)], [version]);
    },
    raise: async (seenVersion) =>
      (await run(control, raiseAssignments, [controlKeys.assignmentsVersion], [seenVersion])) === 1,
    async isAssigned() {
      const version = Number((await control.get(controlKeys.assignmentsVersion)) ?? 0);
      const all = Array.from({ length: partitions }, (_, p) => fleet.get(fleetKeys.assignedVersion(p)));
      return (await Promise.all(all)).every((each) => Number(each ?? 0) >= version);
    },
  };
}

/** Writes decisions of one partition. */
async function assignSome(
  fleet: Redis,
  p: Partition,
  decisions: readonly DesiredWrite[],
  version: number,
  nowMs: number,
): Promise<readonly DesiredOutcome[]> {
  const places = new Map<string, number>();
  const records: Buffer[] = [];
  /** Where a record is among those of the command, from 1. */
  const placeOf = (record: DesiredRecord | null): number => {
    const packed = packDesired(record);
    const text = packed.toString("latin1");
    const place = places.get(text) ?? records.push(packed);
    places.set(text, place);
    return place;
  };
  const agents = decisions.flatMap(({ uid, desired, present }) => [
    uid,
    placeOf(desired === null ? null : { ...desired, assignedAtMs: nowMs }),
    present === undefined ? 0 : placeOf(present),
  ]);
  const keys = decisions.flatMap(({ uid }) => [
    fleetKeys.desired(p, uid),
    fleetKeys.session(p, uid),
    fleetKeys.agent(p, uid),
  ]);
  const args = [version, CHANGES_LENGTH, records.length, ...records, ...agents];
  const replies = (await run(
    fleet,
    assignDesired,
    [fleetKeys.changes(p), fleetKeys.assignedVersion(p), ...keys],
    args,
  )) as readonly string[]; // the script's header
  return replies.map(outcomeOf);
}

function outcomeOf(reply: string): DesiredOutcome {
  if (!reply.startsWith("1")) return reply === "0" ? "stale" : "moved";
  return reply === "1" ? null : (reply.slice(1) as GatewayId); // written by that gateway
}

/** Reads records; those that are alike, as most agents' are, are read once. */
function createReader(): (packed: Buffer) => DesiredRecord | null {
  const known = new Map<string, DesiredRecord | null>();
  return (packed) => {
    const text = packed.toString("latin1");
    const before = known.get(text);
    if (before !== undefined) return before;
    const record = unpackDesired(packed);
    known.set(text, record);
    return record;
  };
}

/** A record as it is stored, nothing for none; what was read comes out as it went in, byte for byte. */
export function packDesired(record: DesiredRecord | null): Buffer {
  if (record === null) return Buffer.alloc(0);
  const { hash, contributions, assignedAtMs, ...rest } = record;
  // Their fields in the order of the shapes, wherever they come from.
  const parts = contributions.map(({ configId, revision, hash: own, order, rolloutId, variables }) => {
    return { configId, revision, hash: own, order, rolloutId, ...(variables !== undefined && { variables }) };
  });
  return pack({ hash, contributions: parts, assignedAtMs, ...rest } as unknown as Json); // a record is a value of JSON
}

/** Reads what packDesired wrote. */
export function unpackDesired(packed: Buffer): DesiredRecord | null {
  return packed.length === 0 ? null : (unpack(packed) as unknown as DesiredRecord); // written above
}
