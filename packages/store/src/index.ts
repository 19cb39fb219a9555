// The only code that speaks Redis: verbs of the domain outside, keys and scripts inside. keys.ts is the map.

export { ACTION_LIFE_MS, type Actions, MAX_ACTION_BYTES, type QueuedAction } from "./actions.ts";
export type { VersionedView } from "./agent-record.ts";
export type { Agents } from "./agents.ts";
export { type Answers, type Claim, RENEW_MS } from "./answers.ts";
export type { Audit, AuditEntry } from "./audit.ts";
export type { Bodies } from "./bodies.ts";
export type { Changes, Position } from "./changes.ts";
export type { CohortSpec, Cohorts } from "./cohort.ts";
export type { ComponentsAt } from "./components.ts";
export {
  type ConfigHead,
  type Configs,
  configNotFound,
  generationConflict,
  revisionConflict,
  type StoredConfig,
} from "./configs.ts";
export type { Assignments, DesiredConfigs, DesiredOutcome, DesiredWrite, Unassigned, WantedConfig } from "./desired.ts";
export { type Documents, etagConflict, type Stored } from "./documents.ts";
export type { EventBatch, Events } from "./events.ts";
export type { Forgotten } from "./forget.ts";
export { type Gateways, type Hint, type Incarnation, LEASE_MS, type Renewal } from "./gateways.ts";
export type { Histories } from "./history.ts";
export type { Partition } from "./keys.ts";
export type { Direction } from "./merge-ranges.ts";
export type { MetadataPage, MetadataStore, MetadataWrite } from "./metadata.ts";
export type { Json } from "./packed.ts";
export { openQueue, openWorker, type WorkHandlers, type WorkQueue } from "./queue.ts";
export { isRedisAway, toFleetError } from "./redis.ts";
export type { Quarantined, RolloutRecords } from "./rollout-records.ts";
export { type Commit, MAX_LOG_LINES, type Rollouts, rolloutActive, type StoredRollout } from "./rollouts.ts";
export {
  type SecretHead,
  type Secrets,
  type StoredSecret,
  secretExists,
  secretNotFound,
  versionConflict,
} from "./secrets.ts";
export type { Checkpoint, FlushOutcome, OpenedSession, OpeningHeartbeat, SessionFlush, Sessions } from "./sessions.ts";
export type { Settings, SettingsRecord } from "./settings.ts";
export type { Comparison } from "./shown.ts";
export { openStore, type Store, type StoreOptions } from "./store.ts";
export type { Summary, Tally } from "./tally.ts";
export type { MeasuredUsage, UsageOutcome, Usages } from "./usages.ts";
