// What rollouts leave behind beside their status: whom they failed, what their gates measured, what they decided, which
// content is quarantined, and what was planned. Control state, each with one writer.

import type {
  ConfigHash,
  ConfigId,
  Decision,
  Exclusion,
  InstanceUid,
  Reading,
  RolloutId,
  WaveEntry,
} from "@muster/fleet";
import type { Redis } from "ioredis";
import { controlKeys } from "./keys.ts";

/** Content that must not be rolled out again without a word. */
export interface Quarantined {
  readonly hash: ConfigHash;
  /** The rollout that was taken back or ended for it. */
  readonly rolloutId: RolloutId;
  readonly reason: string;
  readonly atMs: number;
}

/** Records of rollouts. */
export interface RolloutRecords {
  /** Lets a rollout no longer count for agents that it failed; the first word on each counts. */
  exclude(id: RolloutId, exclusions: ReadonlyMap<InstanceUid, Exclusion>): Promise<void>;
  /** Lets it count for agents again that are to be tried once more. */
  forgive(id: RolloutId, uids: readonly InstanceUid[]): Promise<void>;
  /** Agents that a rollout failed and does not count for any more. */
  exclusions(id: RolloutId): Promise<ReadonlyMap<InstanceUid, Exclusion>>;
  /** Notes agents that it had reached and is for no more; the first word on each counts. */
  remove(id: RolloutId, uids: readonly InstanceUid[], atMs: number): Promise<void>;
  /** Those of them, with when that was noted, milliseconds since 1970; one that its labels brought back is among them still. */
  removed(id: RolloutId): Promise<ReadonlyMap<InstanceUid, number>>;
  /** Agents that rollouts have admitted, and not necessarily assigned yet. */
  waves(ids: readonly RolloutId[]): Promise<ReadonlyMap<RolloutId, readonly WaveEntry[]>>;
  /** Keeps a measurement; the first under its number counts. */
  record(id: RolloutId, reading: Reading): Promise<void>;
  readings(id: RolloutId): Promise<readonly Reading[]>;
  /** Lines of the decision log, oldest first, from line `from` on (0 is the oldest that is kept). */
  log(id: RolloutId, from: number, limit: number): Promise<readonly Decision[]>;
  quarantined(configId: ConfigId): Promise<readonly Quarantined[]>;
  /** Keeps a plan (any JSON) for a day, or reads it; null when there is none any more. */
  savePlan(id: string, plan: unknown): Promise<void>;
  loadPlan(id: string): Promise<unknown>;
}

const PLAN_TTL_S = 86_400;

/** @param settle resolves when what was written is on disk; no write is answered before */
export function createRolloutRecords(control: Redis, settle: () => Promise<void>): RolloutRecords {
  return {
    async exclude(id, exclusions) {
      const key = controlKeys.excluded(id);
      await Promise.all([...exclusions].map(([uid, each]) => control.hsetnx(key, uid, JSON.stringify(each))));
      await settle();
    },
    async forgive(id, uids) {
      await control.hdel(controlKeys.excluded(id), ...uids);
      await settle();
    },
    async exclusions(id) {
      const found = Object.entries(await control.hgetall(controlKeys.excluded(id)));
      // Both written above.
      return new Map(found.map(([uid, text]) => [uid as InstanceUid, JSON.parse(text) as Exclusion]));
    },
    async remove(id, uids, atMs) {
      const key = controlKeys.removed(id);
      await Promise.all(uids.map((uid) => control.hsetnx(key, uid, String(atMs))));
      await settle();
    },
    async removed(id) {
      const found = Object.entries(await control.hgetall(controlKeys.removed(id)));
      return new Map(found.map(([uid, atMs]) => [uid as InstanceUid, Number(atMs)])); // written above
    },
    async waves(ids) {
      const texts = await Promise.all(ids.map((id) => control.hget(controlKeys.status(id), "wave")));
      // Written by rollouts.ts.
      return new Map(ids.map((id, i) => [id, JSON.parse(texts[i] ?? "[]") as readonly WaveEntry[]]));
    },
    async record(id, reading) {
      const { stage, gate, n } = reading;
      await control.hsetnx(controlKeys.readings(id), `${stage}.${gate}.${n}`, JSON.stringify(reading));
      await settle();
    },
    async readings(id) {
      return (await control.hvals(controlKeys.readings(id))).map((text) => JSON.parse(text) as Reading); // written above
    },
    async log(id, from, limit) {
      const lines = await control.lrange(controlKeys.log(id), from, from + limit - 1);
      return lines.map((line) => JSON.parse(line) as Decision); // written by rollouts.ts
    },
    async quarantined(configId) {
      const found = Object.entries(await control.hgetall(controlKeys.quarantine(configId)));
      return found.map(([hash, text]) => ({
        hash: hash as ConfigHash,
        ...(JSON.parse(text) as Omit<Quarantined, "hash">),
      })); // written by rollouts.ts
    },
    async savePlan(id, plan) {
      await control.set(controlKeys.plan(id), JSON.stringify(plan), "EX", PLAN_TTL_S);
      await settle();
    },
    async loadPlan(id) {
      const text = await control.get(controlKeys.plan(id));
      return text === null ? null : (JSON.parse(text) as unknown);
    },
  };
}
