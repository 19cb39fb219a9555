// Opens the store: every part of it over the connections it needs, and what is fixed at install.

import { type Calendar, FleetError, type Group, type RolloutPolicy } from "@muster/fleet";
import type { Redis } from "ioredis";
import { type Actions, createActions } from "./actions.ts";
import { type Agents, createAgents } from "./agents.ts";
import { type Answers, createAnswers } from "./answers.ts";
import { type Audit, createAudit } from "./audit.ts";
import { type Bodies, createBodies } from "./bodies.ts";
import { type Changes, createChanges } from "./changes.ts";
import { type Cohorts, createCohorts } from "./cohort.ts";
import { type ComponentsAt, createComponentsAt } from "./components.ts";
import { type Configs, createConfigs } from "./configs.ts";
import { createDesired, type DesiredConfigs } from "./desired.ts";
import { createDocuments, type Documents } from "./documents.ts";
import { type Durability, detectDurability, settle } from "./durable.ts";
import { createEvents, type Events } from "./events.ts";
import { createGateways, type Gateways } from "./gateways.ts";
import { createHistories, type Histories } from "./history.ts";
import { createInventories, type Inventories } from "./inventories.ts";
import { controlKeys } from "./keys.ts";
import { createMetadata, type MetadataStore } from "./metadata.ts";
import { closeRedis, type OnRedisError, openHot } from "./redis.ts";
import { createRollouts, type Rollouts } from "./rollouts.ts";
import { createSecrets, type Secrets } from "./secrets.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import { createSettings, type Settings } from "./settings.ts";
import { type Comparison, createComparison } from "./shown.ts";
import { createUsages, type Usages } from "./usages.ts";

/** Where the store is and how it is laid out. */
export interface StoreOptions {
  /** Redis of the fleet state. */
  readonly redisUrl: string;
  /** Redis of the control state; may be the same. */
  readonly controlUrl: string;
  /** Fixed at install; a store that was laid out otherwise refuses to open. */
  readonly partitions: number;
  /** The installation's 32-byte key. */
  readonly encryptionKey: Uint8Array;
  /** Told about trouble with connections, which go on trying. */
  readonly onError: OnRedisError;
  /** How long a Redis may take to answer at first; default 10 s. */
  readonly connectTimeoutMs?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;

/** Everything Muster keeps. */
export interface Store {
  readonly sessions: Sessions;
  readonly events: Events;
  readonly usages: Usages;
  readonly agents: Agents;
  readonly bodies: Bodies;
  readonly actions: Actions;
  readonly inventories: Inventories;
  readonly settings: Settings;
  readonly metadata: MetadataStore;
  readonly desired: DesiredConfigs;
  readonly changes: Changes;
  readonly gateways: Gateways;
  readonly configs: Configs;
  readonly rollouts: Rollouts;
  readonly calendars: Documents<Calendar>;
  readonly groups: Documents<Group>;
  readonly policies: Documents<RolloutPolicy>;
  readonly audit: Audit;
  readonly answers: Answers;
  readonly secrets: Secrets;
  readonly cohorts: Cohorts;
  readonly componentsAt: ComponentsAt;
  readonly comparison: Comparison;
  readonly histories: Histories;
  readonly partitions: number;
  /** How safe an answered control write is; "eventually" deserves a warning. */
  readonly durability: Durability;
  /** Whether both Redis answer. */
  isReady(): boolean;
  close(): void;
}

/** Opens the store. @throws FleetError `unavailable` when a Redis does not answer, `failed_precondition` when it is laid out otherwise */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { redisUrl, controlUrl, partitions, encryptionKey, onError } = options;
  const { fleet, control } = await connect(options);
  try {
    await checkInstall(control, partitions);
  } catch (error) {
    closeRedis(fleet);
    closeRedis(control);
    throw error;
  }
  const durability = await detectDurability(control);
  const gateways = createGateways(fleet, redisUrl, onError);
  const settled = (): Promise<void> => settle(control, durability);
  const bodies = createBodies(fleet, encryptionKey);
  const inventories = createInventories(fleet, encryptionKey);
  const componentsAt = createComponentsAt(inventories);
  const metadata = createMetadata(control, settled);
  const settings = createSettings(control, encryptionKey, settled);
  const desired = createDesired(fleet, control, partitions);
  const sessions = createSessions(fleet, partitions);
  const configs = createConfigs(control, settled);
  const comparison = createComparison({ bodies, configs, partitionOf: sessions.partitionOf });
  const agents = createAgents({
    fleet,
    partitions,
    copyBody: bodies.copy,
    componentsAt,
    metadata,
    settings,
    desired,
    comparison,
  });
  const rollouts = createRollouts(control, controlUrl, settled, gateways.incarnation, onError);
  return {
    sessions,
    events: createEvents(fleet, redisUrl, partitions, onError),
    usages: createUsages(fleet, partitions),
    agents,
    bodies,
    inventories,
    actions: createActions(fleet, encryptionKey, partitions),
    settings,
    metadata,
    desired,
    changes: createChanges(fleet, redisUrl, partitions, onError),
    gateways,
    configs,
    rollouts,
    calendars: createDocuments(control, { key: controlKeys.calendars, noun: "calendar" }, settled),
    groups: createDocuments(control, { key: controlKeys.groups, noun: "group" }, settled),
    policies: createDocuments(control, { key: controlKeys.policies, noun: "policy" }, settled),
    audit: createAudit(control, encryptionKey),
    answers: createAnswers(control, encryptionKey),
    secrets: createSecrets(control, encryptionKey, settled),
    cohorts: createCohorts({ agents, desired, componentsAt, exclusions: rollouts.exclusions, shown: comparison.shown }),
    componentsAt,
    comparison,
    histories: createHistories(fleet, partitions),
    partitions,
    durability,
    isReady: () => fleet.status === "ready" && control.status === "ready",
    close() {
      closeRedis(fleet);
      closeRedis(control);
    },
  };
}

async function connect(options: StoreOptions): Promise<{ readonly fleet: Redis; readonly control: Redis }> {
  const { redisUrl, controlUrl, onError, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  const fleet = await openHot(redisUrl, onError, connectTimeoutMs);
  if (controlUrl === redisUrl) return { fleet, control: fleet };
  try {
    return { fleet, control: await openHot(controlUrl, onError, connectTimeoutMs) };
  } catch (error) {
    closeRedis(fleet);
    throw error;
  }
}

async function checkInstall(control: Redis, partitions: number): Promise<void> {
  await control.hsetnx(controlKeys.install, "partitions", partitions);
  const installed = await control.hget(controlKeys.install, "partitions");
  if (installed === String(partitions)) return;
  const message = `This installation has ${installed} partitions, not ${partitions}; set MUSTER_PARTITIONS=${installed}.`;
  throw new FleetError("failed_precondition", message, { reason: "PARTITIONS_FIXED" });
}
