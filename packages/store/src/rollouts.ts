// Rollouts: specs written by management, statuses by the rollout worker, each under its own version. A status is
// committed together with the layers that follow from it, so that what agents should run never disagrees with it.

import {
  type Assignment,
  type ConfigId,
  type Exclusion,
  FleetError,
  type InstanceUid,
  initialStatus,
  isEnded,
  type Layer,
  layersAfter,
  type Rollout,
  type RolloutId,
  type RolloutSpec,
  type RolloutStatus,
} from "@muster/fleet";
import type { Redis } from "ioredis";
import { requestKey } from "./configs.ts";
import type { Incarnation } from "./gateways.ts";
import { commitStatus, startRollout, wishRollout } from "./gen/scripts.ts";
import { controlKeys, ROLLOUT_CHANNEL } from "./keys.ts";
import { closeRedis, type OnRedisError, openPatient, run } from "./redis.ts";

/** A rollout with the version of its status, for `commit`. */
export interface StoredRollout extends Rollout {
  readonly version: number;
}

/** Rollouts. */
export interface Rollouts {
  /** Records a rollout; the repeat of a request answers the first. @throws FleetError `failed_precondition` when another is at work on the config */
  start(spec: RolloutSpec, requestId: string): Promise<StoredRollout>;
  get(id: RolloutId): Promise<StoredRollout | undefined>;
  /** Newest first, below `before` ("": from the newest); of one config, or of all. */
  list(before: string, limit: number, configId?: ConfigId): Promise<readonly StoredRollout[]>;
  /** Those that have not ended. */
  active(): Promise<readonly RolloutId[]>;
  /** Records an operator's wish as the next generation of the spec. Answers false when the generation moved. */
  wish(spec: RolloutSpec): Promise<boolean>;
  /** Replaces a status and the layers that follow from it. Answers false when the version moved: somebody else was faster. */
  commit(rollout: StoredRollout, next: RolloutStatus): Promise<boolean>;
  /** Lets a rollout no longer count for an agent that it failed; the first word counts. */
  exclude(uid: InstanceUid, exclusion: Exclusion): Promise<void>;
  /** Agents that a rollout failed and does not count for any more. */
  exclusions(id: RolloutId): Promise<ReadonlyMap<InstanceUid, Exclusion>>;
  /** When the fleet state was last lost, milliseconds since 1970; 0: never. Control state remembers which one it knew. */
  fleetLostAtMs(): Promise<number>;
  /** Calls back with the id of each rollout that changed, until the signal aborts. A hint: callers also look by themselves. */
  watch(onChange: (id: RolloutId) => void, signal: AbortSignal): void;
}

interface Context {
  readonly control: Redis;
  /** Resolves when what was written is on disk. */
  readonly settle: () => Promise<void>;
}

/**
 * Watchers listen on connections of their own to `url`, whose trouble `onError` is told; they end with their signal.
 * @param settle resolves when what was written is on disk; no write is answered before
 * @param incarnation tells the present fleet state from those that were lost
 */
export function createRollouts(
  control: Redis,
  url: string,
  settle: () => Promise<void>,
  incarnation: () => Promise<Incarnation>,
  onError: OnRedisError,
): Rollouts {
  const context = { control, settle };
  return {
    start: (spec, requestId) => start(context, spec, requestId),
    get: (id) => load(control, id),
    list: (before, limit, configId) => list(control, before, limit, configId),
    // Only start adds members.
    active: async () => (await control.smembers(controlKeys.activeRollouts)) as RolloutId[],
    wish: (spec) => wish(context, spec),
    async exclude(uid, exclusion) {
      await control.hsetnx(controlKeys.excluded(exclusion.rolloutId), uid, JSON.stringify(exclusion));
      await settle();
    },
    async exclusions(id) {
      const found = Object.entries(await control.hgetall(controlKeys.excluded(id)));
      // Both written above.
      return new Map(found.map(([uid, text]) => [uid as InstanceUid, JSON.parse(text) as Exclusion]));
    },
    fleetLostAtMs: () => fleetLostAtMs(control, incarnation),
    commit: (rollout, next) => commit(context, rollout, next),
    watch(onChange, signal) {
      const subscriber = openPatient(url, onError);
      subscriber.on("message", (_, id) => onChange(id as RolloutId)); // published below
      // Subscribed again by itself after a reconnect.
      subscriber.subscribe(ROLLOUT_CHANNEL).catch(onError);
      signal.addEventListener("abort", () => closeRedis(subscriber), { once: true });
    },
  };
}

async function load(control: Redis, id: RolloutId): Promise<StoredRollout | undefined> {
  const [spec, [version, status]] = await Promise.all([
    control.hget(controlKeys.spec(id), "json"),
    control.hmget(controlKeys.status(id), "version", "json"),
  ]);
  if (spec === null || typeof status !== "string") return undefined;
  // Both written below.
  return {
    spec: JSON.parse(spec) as RolloutSpec,
    status: JSON.parse(status) as RolloutStatus,
    version: Number(version),
  };
}

async function start({ control, settle }: Context, spec: RolloutSpec, requestId: string): Promise<StoredRollout> {
  const { keys, ttl } = requestKey(
    `start-rollout:${spec.configId}`,
    requestId,
    controlKeys.configStatus(spec.configId),
  );
  const scriptKeys = [
    controlKeys.configStatus(spec.configId),
    controlKeys.spec(spec.id),
    controlKeys.status(spec.id),
    controlKeys.rollouts,
    controlKeys.configRollouts(spec.configId),
    controlKeys.activeRollouts,
    ...keys,
  ];
  const args = [spec.id, JSON.stringify(spec), JSON.stringify(initialStatus(spec)), ttl];
  const [code, id] = (await run(control, startRollout, scriptKeys, args)) as readonly [number, RolloutId]; // its header
  if (code === 0) throw rolloutActive(spec.configId, id);
  await settle();
  await control.publish(ROLLOUT_CHANNEL, id);
  const stored = await load(control, id);
  if (stored === undefined) throw new FleetError("internal", `rollout ${id} vanished as it was written`);
  return stored;
}

async function list(
  control: Redis,
  before: string,
  limit: number,
  configId: ConfigId | undefined,
): Promise<readonly StoredRollout[]> {
  const key = configId === undefined ? controlKeys.rollouts : controlKeys.configRollouts(configId);
  const from = before === "" ? "+" : `(${before}`;
  const ids = await control.zrevrangebylex(key, from, "-", "LIMIT", 0, limit);
  const found = await Promise.all(ids.map((id) => load(control, id as RolloutId))); // only start adds members
  return found.filter((rollout) => rollout !== undefined);
}

async function wish({ control, settle }: Context, spec: RolloutSpec): Promise<boolean> {
  const args = [spec.generation - 1, JSON.stringify(spec)];
  if ((await run(control, wishRollout, [controlKeys.spec(spec.id)], args)) !== 1) return false;
  await settle();
  await control.publish(ROLLOUT_CHANNEL, spec.id);
  return true;
}

async function commit({ control, settle }: Context, rollout: StoredRollout, next: RolloutStatus): Promise<boolean> {
  const { spec, version } = rollout;
  const text = await control.hget(controlKeys.assignments, spec.configId);
  const layers = text === null ? [] : (JSON.parse(text) as readonly Layer[]); // written by the script below
  const committed = await run(control, commitStatus, commitKeys(spec), [
    version,
    JSON.stringify(next),
    spec.configId,
    changedLayers({ configId: spec.configId, layers }, spec, next),
    spec.id,
    isEnded(next.phase) ? "1" : "0",
    next.phase === "succeeded" ? spec.revision : "",
  ]);
  if (committed !== 1) return false;
  await settle();
  await control.publish(ROLLOUT_CHANNEL, spec.id);
  return true;
}

async function fleetLostAtMs(control: Redis, incarnation: () => Promise<Incarnation>): Promise<number> {
  const [{ id, sinceMs }, [knownId, lostAtMs]] = await Promise.all([
    incarnation(),
    control.hmget(controlKeys.fleet, "incarnation", "lostAtMs"),
  ]);
  if (knownId === id) return Number(lostAtMs);
  // The first fleet state of an installation replaces none.
  const nowLostAtMs = knownId === null || knownId === undefined ? 0 : sinceMs;
  await control.hset(controlKeys.fleet, { incarnation: id, lostAtMs: nowLostAtMs });
  return nowLostAtMs;
}

function commitKeys(spec: RolloutSpec): readonly string[] {
  return [
    controlKeys.status(spec.id),
    controlKeys.assignments,
    controlKeys.assignmentsVersion,
    controlKeys.configStatus(spec.configId),
    controlKeys.activeRollouts,
  ];
}

function changedLayers(before: Assignment, spec: RolloutSpec, next: RolloutStatus): string {
  const after = JSON.stringify(layersAfter(before, spec, next).layers);
  return after === JSON.stringify(before.layers) ? "" : after;
}

/** The error for a config that another rollout is at work on. */
export function rolloutActive(configId: ConfigId, id: RolloutId): FleetError {
  const message = `Rollout ${id} is at work on config "${configId}"; wait until it ends, or abort it first.`;
  return new FleetError("failed_precondition", message, {
    reason: "ROLLOUT_ACTIVE",
    details: { config_id: configId, rollout_id: id },
  });
}
