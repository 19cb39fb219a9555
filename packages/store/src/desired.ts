// What each agent should run. Written by the rollout worker, read by gateways; deciding it is fleet's job
// (createWanted), this is only where decisions are kept, fenced by the version of the assignments they rest on.

import type { Assignment, ConfigId, DesiredRecord, GatewayId, InstanceUid } from "@muster/fleet";
import type { Redis } from "ioredis";
import { CHANGES_LENGTH } from "./agent-record.ts";
import { assignDesired, decideAgain, settleUnassigned } from "./gen/scripts.ts";
import { controlKeys, fleetKeys, type Partition, partitionOf } from "./keys.ts";
import { run } from "./redis.ts";

/** The layers of every config, and how often they changed. */
export interface Assignments {
  readonly version: number;
  readonly list: readonly Assignment[];
}

/** What an agent should run, with the rollouts that do not count for it any more. */
export type WantedConfig = Omit<DesiredRecord, "assignedAtMs">;

/** Desired configs. */
export interface DesiredConfigs {
  /** In the order of the uids; null where there is no opinion. */
  load(uids: readonly InstanceUid[]): Promise<readonly (DesiredRecord | null)[]>;
  /** Has what one agent should run decided anew. */
  decideAgain(uid: InstanceUid): Promise<void>;
  /**
   * Writes one decision. Answers the gateway to hint, null when none holds the agent, "stale" when a decision on newer
   * assignments stands, and "moved" when another does than `present`, which the decision rests on; default: it does not matter.
   */
  assign(
    uid: InstanceUid,
    desired: WantedConfig | null,
    version: number,
    nowMs: number,
    present?: DesiredRecord | null,
  ): Promise<GatewayId | null | "stale" | "moved">;
  /** What decisions rest on. */
  assignments(): Promise<Assignments>;
  /** Agents that are new or described themselves anew, with the version of the view that says so. */
  unassigned(
    partition: Partition,
    limit: number,
  ): Promise<readonly { readonly uid: InstanceUid; readonly version: number }[]>;
  /** Strikes an agent from that list, unless it changed after `version`. */
  settle(uid: InstanceUid, version: number): Promise<void>;
  /** The assignments that all of a partition was last decided on; 0: never, or the fleet state was lost. */
  assignedVersion(partition: Partition): Promise<number>;
  setAssignedVersion(partition: Partition, version: number): Promise<void>;
}

/** Reads the layers of configs from `control` and keeps what follows from them for each agent in `fleet`. */
export function createDesired(fleet: Redis, control: Redis, partitions: number): DesiredConfigs {
  return {
    async load(uids) {
      const texts = await Promise.all(
        uids.map((uid) => fleet.hget(fleetKeys.desired(partitionOf(uid, partitions), uid), "json")),
      );
      return texts.map((text) => (text === null || text === "" ? null : (JSON.parse(text) as DesiredRecord))); // written below
    },
    async decideAgain(uid) {
      const p = partitionOf(uid, partitions);
      await run(fleet, decideAgain, [fleetKeys.unassigned(p), fleetKeys.agent(p, uid)], [uid]);
    },
    async assign(uid, desired, version, nowMs, present) {
      const p = partitionOf(uid, partitions);
      const record: DesiredRecord | null = desired === null ? null : { ...desired, assignedAtMs: nowMs };
      const reply = await run(
        fleet,
        assignDesired,
        [fleetKeys.desired(p, uid), fleetKeys.session(p, uid), fleetKeys.changes(p)],
        [version, textOf(record), uid, CHANGES_LENGTH, present === undefined ? "*" : textOf(present)],
      );
      const [written, gateway = ""] = reply as readonly [number, string?]; // the script's header
      if (written !== 1) return written === 0 ? "stale" : "moved";
      return gateway === "" ? null : (gateway as GatewayId); // written by that gateway
    },
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
    async settle(uid, version) {
      await run(fleet, settleUnassigned, [fleetKeys.unassigned(partitionOf(uid, partitions))], [uid, version]);
    },
    async assignedVersion(partition) {
      return Number((await fleet.get(fleetKeys.assignedVersion(partition))) ?? 0);
    },
    async setAssignedVersion(partition, version) {
      await fleet.set(fleetKeys.assignedVersion(partition), String(version));
    },
  };
}

/** A record as it is stored; what was read comes out as it went in, byte for byte. */
function textOf(record: DesiredRecord | null): string {
  return record === null ? "" : JSON.stringify(record);
}
