// What a fleet is: agents, events, configs, selectors, desired state, rollouts. Pure: no I/O, no clock, no
// randomness. Every decision Muster makes is a function in here; services only load, call, and write.

export { adopt, apply, MAX_ACTIONS, MAX_CUSTOM_MESSAGES, withMetadata } from "./agent.ts";
export {
  type Assessment,
  assess,
  type CohortAgent,
  type Intent,
  isInFlight,
  isInTrouble,
  isSettled,
} from "./assess.ts";
export { isUnproven } from "./assess-assigned.ts";
export { assessConfig, type JudgeBy } from "./assess-config.ts";
export { assessStructure } from "./assess-structure.ts";
export { type Attempt, type Baseline, latestAttempt, MAX_ATTEMPTS } from "./attempt.ts";
export { assessBudget, type Criterion, DEFAULT_BUDGET, type FailureBudget } from "./budget.ts";
export {
  type ActiveFreeze,
  activeFreeze,
  assessWindow,
  type Calendar,
  closesAt,
  type Freeze,
  isOpen,
  MAX_WINDOW_MS,
  nextOpening,
  type Window,
} from "./calendar.ts";
export {
  type CandidateContext,
  CLOCK_SKEW_MS,
  candidateOf,
  type DesiredRecord,
  isSameDesired,
  lacking,
  offerOf,
} from "./candidate.ts";
export { componentsUsed } from "./components.ts";
export { BLANK, type Contribution, composeFiles, type Desired, desiredOf } from "./compose.ts";
export {
  assessFiles,
  type Config,
  type ConfigFile,
  canonicalFiles,
  DEFAULT_CONTENT_TYPE,
  DEFAULT_ORDER,
  hashFiles,
  MAX_REVISION_BYTES,
  type Revision,
} from "./config.ts";
export {
  type ConfigDifference,
  diffConfigs,
  isDrift,
  showsConfig,
} from "./config-diff.ts";
export { type Conflict, findConflicts, type OwnedFile } from "./conflicts.ts";
export { type ContentChange, contentChanges } from "./content-changes.ts";
export {
  type Assignment,
  type Candidate,
  createWanted,
  type Exclusion,
  type FailureState,
  type Layer,
  type LayerMode,
  type Reach,
  type Wanted,
  withValues,
} from "./desired.ts";
export {
  type Claim,
  claimOf,
  claims,
  decodeEffective,
  encodeEffective,
  mustCompare,
  withDrift,
} from "./effective.ts";
export { assertNever, FleetError, type FleetErrorCode, type FleetErrorOptions, type Violation } from "./error.ts";
export {
  type AckState,
  type ActionKind,
  type AgentConnected,
  type AgentDisconnected,
  type AgentEvent,
  type Attributes,
  type AttributeValue,
  coalesce,
  type DisconnectReason,
  type Fence,
  type Health,
  isEventKind,
  isNewer,
  type PackageReport,
  type PackageState,
  type SettingsKind,
  type Transport,
} from "./event.ts";
export {
  bodiesOf,
  hasCapability,
  isConnected,
  labelsOf,
  lastSeenAtMs,
  originOf,
  selectableOf,
  updatedAtMs,
  VERSION_KEY,
} from "./facts.ts";
export type { Finding } from "./finding.ts";
export type {
  Condition,
  DependencyGate,
  Gate,
  GateVerdict,
  HealthGate,
  MetricGate,
  Reading,
  WebhookGate,
} from "./gate.ts";
export { AGENTS_PLACEHOLDER, MAX_QUERY_AGENTS, renderQuery } from "./gate-query.ts";
export { assessGates } from "./gate-rules.ts";
export { assessGate, judgeValue } from "./gate-verdict.ts";
export {
  assessGroup,
  byPriority,
  expandGroups,
  formatRequirement,
  GROUP_KEY,
  type Group,
  groupsNamed,
  parseTarget,
  type RolloutPolicy,
} from "./group.ts";
export { HISTORY_KINDS, type HistoryEntry, type HistoryKind, happenings } from "./history.ts";
export {
  type ConfigHash,
  type ConfigId,
  type GatewayId,
  type InstanceUid,
  parseConfigHash,
  parseConfigId,
  parseGatewayId,
  parseInstanceUid,
  parseRolloutId,
  parseSecretId,
  type RolloutId,
  type SecretId,
} from "./ids.ts";
export { type Judged, judge, type WaveEntry } from "./judge.ts";
export { layersAfter } from "./layers.ts";
export { type ConfigMap, mergeFiles } from "./merge.ts";
export {
  assessMetadata,
  changeMetadata,
  isMarked,
  joinMetadata,
  MAX_ANNOTATION_BYTES,
  MAX_ANNOTATIONS_BYTES,
  MAX_LABELS,
  type Metadata,
  type MetadataChange,
  NO_CHANGE,
  NO_METADATA,
  type OperatorLabels,
  operatorLabels,
  type Pairs,
  parseAnnotations,
  parseChange,
  parseLabels,
  replaceMetadata,
  sorted,
} from "./metadata.ts";
export { isUsageMetric, type MetricPoint, type OwnUsage } from "./own-metrics.ts";
export { entriesBeyond, ratePerMinute } from "./pace.ts";
export { type Decision, NO_PEERS, type Peers, type PlanInput } from "./pass.ts";
export { type Around, peersOf, type Standing } from "./peers.ts";
export { isOver, type Plan, plan } from "./plan.ts";
export type { Measurement } from "./plan-gate.ts";
export type { Restore } from "./plan-restore.ts";
export { approvers, driftOf, REBUILD_MS } from "./plan-start.ts";
export { quarantineAfter } from "./quarantine.ts";
export { bornAtMs, EVERYONE, NOBODY, type Place, placeIn, type Rank, rankOf } from "./rank.ts";
export { isCapable, type Placed, previewStages, stageSize, type Target } from "./reach.ts";
export {
  type Approval,
  type ApprovalPolicy,
  initialStatus,
  type Pace,
  type Policies,
  type RetryPolicy,
  type Rollout,
  type RolloutCounts,
  type RolloutFailure,
  type RolloutSpec,
  type RolloutStatus,
  type RolloutWish,
  type Stage,
  type StageOrder,
  type StageSize,
  type StageStatus,
  type Timing,
  targetedCount,
} from "./rollout.ts";
export {
  DEFAULT_APPROVAL,
  DEFAULT_PACE,
  DEFAULT_POLICIES,
  DEFAULT_RETRY,
  DEFAULT_STAGE,
  DEFAULT_TIMING,
  growthStages,
  MAX_STAGES,
  MIN_APPLY_TIMEOUT_MS,
} from "./rollout-defaults.ts";
export {
  AGENT_STATES,
  AGENT_TRANSITIONS,
  type AgentRolloutState,
  FAILURE_KINDS,
  FAILURE_WORDS,
  type FailureKind,
  isBeforeStart,
  isEnded,
  isPassing,
  isTakingBack,
  ROLLOUT_PHASES,
  ROLLOUT_REASONS,
  ROLLOUT_TRANSITIONS,
  type RolloutPhase,
  type RolloutReason,
  STAGE_STATES,
  STAGE_TRANSITIONS,
  type StageState,
} from "./rollout-states.ts";
export {
  hashRevision,
  MAX_SECRET_BYTES,
  MIN_SECRET_CHARS,
  type SecretPin,
  secretNamesIn,
} from "./secrets.ts";
export {
  FACT_KEYS,
  isMetBy,
  matches,
  parseSelector,
  parseTargetSelector,
  type Requirement,
  type Selectable,
  type Selector,
} from "./selector.ts";
export { fillFiles, MAX_REFERENCES, type Reference, type ValueOf } from "./template.ts";
export { type ResourceUsage, usageOf } from "./usage.ts";
export { hear, news, UNTOLD, type UsageState, wrote } from "./usage-news.ts";
export {
  requirementOf,
  UID_VARIABLE,
  type Variable,
  type VariableValues,
  valuesFor,
  variableIn,
  variablesIn,
} from "./variables.ts";
export {
  type Acknowledgement,
  type AgentView,
  type Connection,
  type CustomMessage,
  type Description,
  type Drift,
  type EffectiveConfigRef,
  type Facet,
  type InventoryRef,
  type PackagesReport,
  type Runs,
  type SentAction,
  type SettingsAcknowledgement,
  type UnrecognizedPart,
  unknownAgent,
} from "./view.ts";
