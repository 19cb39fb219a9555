// What a fleet is: agents, events, configs, selectors, desired state, rollouts. Pure: no I/O, no clock, no
// randomness. Every decision Muster makes is a function in here; services only load, call, and write.

export { adopt, apply, MAX_ACTIONS, MAX_CUSTOM_MESSAGES } from "./agent.ts";
export {
  type Assessment,
  assess,
  CLOCK_SKEW_MS,
  type CohortAgent,
  type DesiredRecord,
  isSettled,
} from "./assess.ts";
export { type Attempt, latestAttempt, MAX_ATTEMPTS } from "./attempt.ts";
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
  type Assignment,
  BLANK,
  type Contribution,
  composeFiles,
  createWanted,
  type Desired,
  desiredOf,
  EVERYONE,
  type Exclusion,
  type FailureState,
  isSameDesired,
  type Layer,
  NOBODY,
  type Rank,
  rankOf,
} from "./desired.ts";
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
export { bodiesOf, factsOf, hasCapability, isConnected, labelsOf, originOf, updatedAtMs } from "./facts.ts";
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
  type RolloutId,
} from "./ids.ts";
export { layersAfter } from "./layers.ts";
export { MIN_REACHED_PERCENT, type Plan, type PlanInput, plan, REBUILD_MS, type Restore } from "./plan.ts";
export {
  AGENT_STATES,
  type AgentRolloutState,
  DEFAULT_APPLY_TIMEOUT_MS,
  initialStatus,
  isEnded,
  MAX_STAGES,
  MIN_APPLY_TIMEOUT_MS,
  ROLLOUT_REASONS,
  ROLLOUT_TRANSITIONS,
  type Rollout,
  type RolloutCounts,
  type RolloutFailure,
  type RolloutPhase,
  type RolloutReason,
  type RolloutSpec,
  type RolloutStatus,
  type RolloutWish,
  STAGE_TRANSITIONS,
  type Stage,
  type StageSize,
  type StageState,
  type StageStatus,
  stageSize,
  targetedCount,
} from "./rollout.ts";
export { FACT_KEYS, matches, parseSelector, parseTargetSelector, type Requirement, type Selector } from "./selector.ts";
export {
  type Acknowledgement,
  type AgentView,
  type Connection,
  type CustomMessage,
  type Description,
  type EffectiveConfigRef,
  type Facet,
  type InventoryRef,
  type PackagesReport,
  type SentAction,
  type SettingsAcknowledgement,
  type UnrecognizedPart,
  unknownAgent,
} from "./view.ts";
