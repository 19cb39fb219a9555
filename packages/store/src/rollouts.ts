// Rollouts: specs written by management, statuses by the rollout worker, each under its own version. A status is
// committed together with the layers, the wave, the log and whatever else follows from it, so that what agents should run
// never disagrees with it. What rollouts leave behind beside that (exclusions, readings) is rollout-records.ts.

import {
  type ConfigId,
  type Decision,
  entriesBeyond,
  FleetError,
  initialStatus,
  isEnded,
  isTakingBack,
  type Layer,
  layersAfter,
  quarantineAfter,
  type Rollout,
  type RolloutId,
  type RolloutSpec,
  type RolloutStatus,
  type WaveEntry,
} from "@muster/fleet";
import type { Redis } from "ioredis";
import { configNotFound, requestKey } from "./configs.ts";
import { forgetRollouts } from "./forget-rollouts.ts";
import type { Incarnation } from "./gateways.ts";
import { commitStatus, startRollout, wishRollout } from "./gen/scripts.ts";
import { controlKeys, ROLLOUT_CHANNEL } from "./keys.ts";
import { closeRedis, type OnRedisError, openPatient, run } from "./redis.ts";
import { createRolloutRecords, type RolloutRecords } from "./rollout-records.ts";

/** A rollout with the version of its status, for `commit`, and the agents that are admitted. */
export interface StoredRollout extends Rollout {
  readonly version: number;
  readonly wave: readonly WaveEntry[];
}

/** What a worker writes in one piece. */
export interface Commit {
  readonly status: RolloutStatus;
  readonly wave: readonly WaveEntry[];
  /** New lines of the log. */
  readonly decisions: readonly Decision[];
}

/** Rollouts. */
export interface Rollouts extends RolloutRecords {
  /** Records a rollout; the repeat of a request answers the first. @throws FleetError `failed_precondition` when another is at work on the config and this one may not wait, `not_found` when it needs the config and that is gone */
  start(spec: RolloutSpec, requestId: string, needsConfig?: boolean): Promise<StoredRollout>;
  get(id: RolloutId): Promise<StoredRollout | undefined>;
  /** Newest first, below `before` ("": from the newest); of one config, or of all. */
  list(before: string, limit: number, configId?: ConfigId): Promise<readonly StoredRollout[]>;
  /** Forgets old ones that count for nothing any more (forget-rollouts.ts). Answers how many. */
  forgetOld(): Promise<number>;
  /** Those that somebody has to look after. */
  active(): Promise<readonly RolloutId[]>;
  /** The one that has a config; null when none has. */
  holder(configId: ConfigId): Promise<RolloutId | null>;
  /**
   * Records an operator's wish as the next generation of the spec. One that wakes an ended rollout needs its config.
   * Answers "moved" when the generation did, and "busy" when another rollout has the config.
   */
  wish(spec: RolloutSpec, wakes?: boolean): Promise<"recorded" | "moved" | "busy">;
  /**
   * Answers "conflict" when somebody else was faster, and "busy" when another rollout has the config that this one claims.
   * Of what takes more agents, somebody is faster who took any since `admissionCount` was read; default: it does not matter.
   */
  commit(rollout: StoredRollout, next: Commit, admissionCount?: number): Promise<"committed" | "conflict" | "busy">;
  /** How often rollouts took more agents. Read before it is looked at whom they have. */
  admissionCount(): Promise<number>;
  /** When the fleet state was last lost, milliseconds since 1970; 0: never. Control state remembers which one it knew. */
  fleetLostAtMs(): Promise<number>;
  /** Calls back with the id of each rollout that changed, until the signal aborts. A hint: callers also look by themselves. */
  watch(onChange: (id: RolloutId) => void, signal: AbortSignal): void;
}

/** Lines of a rollout's decision log that are kept. */
export const MAX_LOG_LINES = 5_000;

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
    ...createRolloutRecords(control, settle),
    start: (spec, requestId, needsConfig = false) => start(context, spec, requestId, needsConfig),
    get: (id) => load(control, id),
    list: (before, limit, configId) => list(control, before, limit, configId),
    forgetOld: () => forgetRollouts(control),
    // Only start adds members.
    active: async () => (await control.smembers(controlKeys.activeRollouts)) as RolloutId[],
    holder: async (configId) => (await control.hget(controlKeys.configStatus(configId), "active")) as RolloutId | null,
    wish: (spec, wakes = false) => wish(context, spec, wakes),
    fleetLostAtMs: () => fleetLostAtMs(control, incarnation),
    commit: (rollout, next, admissionCount) => commit(context, rollout, next, admissionCount),
    admissionCount: async () => Number((await control.get(controlKeys.admissions)) ?? 0),
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
  const [spec, [version, status, wave]] = await Promise.all([
    control.hget(controlKeys.spec(id), "json"),
    control.hmget(controlKeys.status(id), "version", "json", "wave"),
  ]);
  if (spec === null || typeof status !== "string") return undefined;
  // All written below.
  return {
    spec: JSON.parse(spec) as RolloutSpec,
    status: JSON.parse(status) as RolloutStatus,
    version: Number(version),
    wave: typeof wave === "string" ? (JSON.parse(wave) as readonly WaveEntry[]) : [],
  };
}

async function start(
  { control, settle }: Context,
  spec: RolloutSpec,
  requestId: string,
  needsConfig: boolean,
): Promise<StoredRollout> {
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
    controlKeys.config(spec.configId),
  ];
  const mayWait = spec.onConflict === "reject" ? "0" : "1";
  const args = [
    spec.id,
    JSON.stringify(spec),
    JSON.stringify(initialStatus(spec)),
    ttl,
    mayWait,
    needsConfig ? "1" : "0",
  ];
  const [code, id] = (await run(control, startRollout, scriptKeys, args)) as readonly [number, RolloutId]; // its header
  if (code === 0) throw rolloutActive(spec.configId, id);
  if (code === 3) throw configNotFound(spec.configId);
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

async function wish({ control, settle }: Context, spec: RolloutSpec, wakes: boolean): ReturnType<Rollouts["wish"]> {
  const keys = [controlKeys.spec(spec.id), controlKeys.configStatus(spec.configId), controlKeys.activeRollouts];
  const code = await run(control, wishRollout, keys, [
    spec.generation - 1,
    JSON.stringify(spec),
    spec.id,
    wakes ? "1" : "0",
  ]);
  if (code !== 1) return code === 2 ? "busy" : "moved";
  await settle();
  await control.publish(ROLLOUT_CHANNEL, spec.id);
  return "recorded";
}

async function commit(
  { control, settle }: Context,
  rollout: StoredRollout,
  next: Commit,
  admissionCount: number | undefined,
): ReturnType<Rollouts["commit"]> {
  const { spec, status, version } = rollout;
  const text = await control.hget(controlKeys.assignments, spec.configId);
  const layers = text === null ? [] : (JSON.parse(text) as readonly Layer[]); // written by the script below
  const after = layersAfter({ configId: spec.configId, layers }, spec, next.status).layers;
  const isSame = JSON.stringify(after) === JSON.stringify(layers);
  const opens = !isSame && after.some(({ rolloutId, mode }) => rolloutId === spec.id && mode === "open");
  const takesMore = opens || entriesBeyond(rollout.wave, next.wave).length > 0;
  const code = await run(control, commitStatus, commitKeys(spec), [
    version,
    JSON.stringify(next.status),
    JSON.stringify(next.wave),
    spec.id,
    spec.configId,
    isSame ? "" : JSON.stringify(after),
    after.find(({ mode }) => mode === "stable")?.revision ?? "",
    claimOf(status, next.status),
    next.status.isSettled ? "1" : "0",
    ...quarantineArguments(rollout, next),
    text ?? "",
    takesMore ? (admissionCount ?? "*") : "",
    MAX_LOG_LINES,
    ...next.decisions.map((decision) => JSON.stringify(decision)),
  ]);
  if (code !== 1) return code === 2 ? "busy" : "conflict";
  await settle();
  await control.publish(ROLLOUT_CHANNEL, spec.id);
  return "committed";
}

/** A rollout that begins claims its config, and one that ended leaves it to the next. */
function claimOf(before: RolloutStatus, next: RolloutStatus): "claim" | "release" | "" {
  if (isEnded(next.phase)) return "release";
  const isAnew = next.phase === "reverting" && before.phase === "succeeded";
  return isAnew || (before.startedAtMs === null && next.startedAtMs !== null) ? "claim" : "";
}

/** The content, and why it is quarantined from now on; '' twice when nothing changes. */
function quarantineArguments({ spec, status: before }: StoredRollout, next: Commit): readonly [string, string] {
  const { phase, updatedAtMs } = next.status;
  if (phase === "succeeded" && before.phase !== "succeeded") return [spec.hash, ""];
  // What began the way back says why; how far that got by now, maybe to its end, does not.
  const isBackAlready = isTakingBack(before.phase) || (isEnded(before.phase) && before.phase !== "succeeded");
  if (isBackAlready) return ["", ""];
  const causes = next.decisions.filter(({ kind }) => kind === "phase").map(quarantineAfter);
  const reason = causes.find((cause) => cause !== null);
  if (reason === undefined) return ["", ""];
  return [spec.hash, JSON.stringify({ rolloutId: spec.id, reason, atMs: updatedAtMs })];
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
    controlKeys.quarantine(spec.configId),
    controlKeys.activeRollouts,
    controlKeys.log(spec.id),
    controlKeys.admissions,
  ];
}

/** The error for a config that another rollout is at work on. */
export function rolloutActive(configId: ConfigId, id: RolloutId): FleetError {
  const message = `Rollout ${id} is at work on config "${configId}"; wait until it ends, abort it first, or let this one queue or supersede it.`;
  return new FleetError("failed_precondition", message, {
    reason: "ROLLOUT_ACTIVE",
    details: { config_id: configId, rollout_id: id },
  });
}
