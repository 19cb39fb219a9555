// Configs and their revisions: control state, written by management only, on disk before it is answered.

import {
  type Config,
  type ConfigFile,
  type ConfigHash,
  type ConfigId,
  FleetError,
  type Revision,
  type RolloutId,
} from "@muster/fleet";
import type { Redis } from "ioredis";
import { listById } from "./by-id.ts";
import { createConfig, deleteConfig, publishRevision, updateConfig } from "./gen/scripts.ts";
import { controlKeys } from "./keys.ts";
import { run } from "./redis.ts";

/** How long a request id makes a repeat harmless. */
export const REQUEST_TTL_S = 24 * 3_600;

/** A config with what rollouts made of it. */
export interface StoredConfig {
  readonly config: Config;
  /** 0: none yet. */
  readonly stableRevision: number;
  readonly activeRollout: RolloutId | null;
}

/** The part of a config that people change. */
export type ConfigHead = Pick<
  Config,
  "id" | "description" | "selector" | "order" | "isFragment" | "createdAtMs" | "updatedAtMs"
>;

/** Configs. `requestId` is "" when the caller gave none. */
export interface Configs {
  /** @throws FleetError `already_exists` */
  create(head: ConfigHead, requestId: string): Promise<StoredConfig>;
  /** @throws FleetError `conflict` when `generation` is not the present one */
  update(head: ConfigHead, generation: number, requestId: string): Promise<StoredConfig>;
  get(id: ConfigId): Promise<StoredConfig | undefined>;
  /** Ids above `after`, in order. */
  list(after: string, limit: number): Promise<readonly StoredConfig[]>;
  /**
   * Deletes a config with its revisions; with `isDry` it is only looked whether that may be.
   * @throws FleetError `not_found`, `conflict` when `generation` is not the present one, `failed_precondition` while a rollout
   *   is at work on it or has brought it to agents
   */
  delete(id: ConfigId, generation: number, isDry: boolean): Promise<void>;
  /**
   * Stores the next revision; content equal to the latest answers that one. @param expectedLatest 0: it does not matter
   * @throws FleetError `not_found`, `conflict` when the latest revision is another than the expected one
   */
  publish(revision: Omit<Revision, "number">, requestId: string, expectedLatest?: number): Promise<Revision>;
  /** `number` 0 is the latest. */
  revision(id: ConfigId, number: number): Promise<Revision | undefined>;
  /** Newest first, below `before` (0: from the latest). */
  revisions(id: ConfigId, before: number, limit: number): Promise<readonly Revision[]>;
}

interface Context {
  readonly control: Redis;
  /** Resolves when what was written is on disk. */
  readonly settle: () => Promise<void>;
}

/** @param settle resolves when what was written is on disk; no write is answered before */
export function createConfigs(control: Redis, settle: () => Promise<void>): Configs {
  const context = { control, settle };
  return {
    create: (head, requestId) => create(context, head, requestId),
    update: (head, generation, requestId) => update(context, head, generation, requestId),
    get: (id) => load(control, id),
    list: (after, limit) => listById(control, controlKeys.configs, after, limit, (id: ConfigId) => load(control, id)),
    delete: (id, generation, isDry) => remove(context, id, generation, isDry),
    publish: (revision, requestId, expectedLatest = 0) => publish(context, revision, requestId, expectedLatest),
    revision: (id, number) => loadRevision(control, id, number),
    revisions: (id, before, limit) => listRevisions(control, id, before, limit),
  };
}

async function load(control: Redis, id: ConfigId): Promise<StoredConfig | undefined> {
  const [fields, status] = await Promise.all([
    control.hgetall(controlKeys.config(id)),
    control.hgetall(controlKeys.configStatus(id)),
  ]);
  const { json, generation, latest } = fields;
  if (json === undefined) return undefined;
  // Written below; what is missing in it did not exist then.
  const head = { isFragment: false, ...(JSON.parse(json) as Omit<ConfigHead, "isFragment">) };
  const activeRollout = (status["active"] as RolloutId | undefined) ?? null; // written by start-rollout
  return {
    config: { ...head, generation: Number(generation), latestRevision: Number(latest) },
    stableRevision: Number(status["stable"] ?? 0),
    activeRollout,
  };
}

async function loadSurely(control: Redis, id: ConfigId): Promise<StoredConfig> {
  const stored = await load(control, id);
  if (stored === undefined) throw configNotFound(id);
  return stored;
}

async function create({ control, settle }: Context, head: ConfigHead, requestId: string): Promise<StoredConfig> {
  const { keys, ttl } = requestKey("create-config", requestId, controlKeys.config(head.id));
  const scriptKeys = [controlKeys.config(head.id), controlKeys.configs, ...keys];
  const code = await run(control, createConfig, scriptKeys, [head.id, JSON.stringify(head), ttl]);
  if (code === 0) {
    const message = `A config "${head.id}" exists; choose another id, or publish a revision of it.`;
    throw new FleetError("already_exists", message, { reason: "CONFIG_EXISTS", details: { config_id: head.id } });
  }
  await settle();
  return await loadSurely(control, head.id);
}

async function update(
  { control, settle }: Context,
  head: ConfigHead,
  generation: number,
  requestId: string,
): Promise<StoredConfig> {
  const { keys, ttl } = requestKey(`update-config:${head.id}`, requestId, controlKeys.config(head.id));
  const scriptKeys = [controlKeys.config(head.id), ...keys];
  const code = await run(control, updateConfig, scriptKeys, [generation, JSON.stringify(head), ttl]);
  const stored = await loadSurely(control, head.id);
  if (code === 0) throw generationConflict(stored.config, generation);
  await settle();
  return stored;
}

async function remove({ control, settle }: Context, id: ConfigId, generation: number, isDry: boolean): Promise<void> {
  const keys = [
    controlKeys.config(id),
    controlKeys.configs,
    controlKeys.revisions(id),
    controlKeys.configStatus(id),
    controlKeys.assignments,
    controlKeys.assignmentsVersion,
    controlKeys.quarantine(id),
    controlKeys.configRollouts(id),
    controlKeys.activeRollouts,
  ];
  const reply = await run(control, deleteConfig, keys, [id, generation, isDry ? "1" : "0"]);
  const [code, rolloutId] = reply as readonly [number, string]; // the script's header
  if (code === 0) throw configNotFound(id);
  if (code === 2) throw generationConflict((await loadSurely(control, id)).config, generation);
  if (code >= 3) throw configInUse(id, rolloutId, code === 3);
  await settle();
}

async function publish(
  { control, settle }: Context,
  fresh: Omit<Revision, "number">,
  requestId: string,
  expectedLatest: number,
): Promise<Revision> {
  const id = fresh.configId;
  const { keys, ttl } = requestKey(`publish-revision:${id}`, requestId, controlKeys.config(id));
  const scriptKeys = [controlKeys.config(id), controlKeys.revisions(id), ...keys];
  const args = [fresh.hash, encodeRevision(fresh), ttl, expectedLatest === 0 ? "" : expectedLatest];
  const number = Number(await run(control, publishRevision, scriptKeys, args));
  if (number === 0) throw configNotFound(id);
  if (number === -1) throw revisionConflict(id, await latestRevision(control, id), expectedLatest);
  await settle();
  const stored = await loadRevision(control, id, number);
  if (stored === undefined) throw new FleetError("internal", `revision ${number} of ${id} vanished as it was written`);
  return stored;
}

async function loadRevision(control: Redis, id: ConfigId, number: number): Promise<Revision | undefined> {
  const wanted = number === 0 ? await latestRevision(control, id) : number;
  const text = await control.hget(controlKeys.revisions(id), String(wanted));
  return text === null ? undefined : decodeRevision(id, wanted, text);
}

async function latestRevision(control: Redis, id: ConfigId): Promise<number> {
  return Number((await control.hget(controlKeys.config(id), "latest")) ?? 0);
}

async function listRevisions(
  control: Redis,
  id: ConfigId,
  before: number,
  limit: number,
): Promise<readonly Revision[]> {
  const top = before === 0 ? await latestRevision(control, id) : before - 1;
  const numbers = Array.from({ length: Math.max(0, Math.min(limit, top)) }, (_, i) => top - i);
  const found = await Promise.all(numbers.map((number) => loadRevision(control, id, number)));
  return found.filter((revision) => revision !== undefined);
}

/** The error for a config that does not exist. */
export function configNotFound(id: string): FleetError {
  const message = `There is no config "${id}"; create it first, or list those there are.`;
  return new FleetError("not_found", message, { reason: "CONFIG_NOT_FOUND", details: { config_id: id } });
}

/** The error for a change that rests on another generation than the present one. */
export function generationConflict({ id, generation }: Config, expected: number): FleetError {
  const message = `Config "${id}" is at generation ${generation}, not ${expected}; read it again and repeat the change.`;
  const details = { config_id: id, expected_generation: String(expected), generation: String(generation) };
  return new FleetError("conflict", message, { reason: "GENERATION_MISMATCH", details });
}

/** The error for a revision that rests on another than the latest one. */
export function revisionConflict(id: ConfigId, latest: number, expected: number): FleetError {
  const message = `The latest revision of "${id}" is ${latest}, not ${expected}; look at what it changes and repeat yours.`;
  const details = { config_id: id, expected_latest_revision: String(expected), latest_revision: String(latest) };
  return new FleetError("conflict", message, { reason: "REVISION_MISMATCH", details });
}

function configInUse(id: ConfigId, rolloutId: string, isAtWork: boolean): FleetError {
  const message = isAtWork
    ? `Rollout ${rolloutId} is at work on config "${id}"; wait until it has ended and every agent is where it is to be, or abort it first.`
    : `Agents have config "${id}" from rollout ${rolloutId}; revert that rollout first, so that it is for none of them.`;
  const details = { config_id: id, rollout_id: rolloutId };
  return new FleetError("failed_precondition", message, { reason: "CONFIG_IN_USE", details });
}

/** The key that remembers a request, and for how long; `unused` stands in where there is no request id. */
export function requestKey(
  method: string,
  requestId: string,
  unused: string,
): { readonly keys: readonly string[]; readonly ttl: number } {
  if (requestId === "") return { keys: [unused], ttl: 0 };
  return { keys: [controlKeys.request(`${method}:${requestId}`)], ttl: REQUEST_TTL_S };
}

function encodeRevision(revision: Omit<Revision, "number">): string {
  const { hash, files, message, author, variables, secrets, createdAtMs } = revision;
  const encoded = files.map((file) => ({ ...file, body: Buffer.from(file.body).toString("base64") }));
  return JSON.stringify({ hash, files: encoded, message, author, variables, secrets, createdAtMs });
}

function decodeRevision(configId: ConfigId, number: number, text: string): Revision {
  // Written by encodeRevision.
  const {
    hash,
    files,
    message,
    author = "",
    variables = [],
    secrets = [],
    createdAtMs,
  } = JSON.parse(text) as {
    readonly hash: ConfigHash;
    readonly files: readonly { readonly name: string; readonly contentType: string; readonly body: string }[];
    readonly message: string;
    /** Absent in old records. */
    readonly author?: string;
    readonly variables?: Revision["variables"];
    readonly secrets?: Revision["secrets"];
    readonly createdAtMs: number;
  };
  const decoded: ConfigFile[] = files.map((file) => ({ ...file, body: Buffer.from(file.body, "base64") }));
  return { configId, number, hash, files: decoded, message, author, variables, secrets, createdAtMs };
}
