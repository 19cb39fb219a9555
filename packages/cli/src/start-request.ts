// What `rollouts start` and `rollouts plan` ask for: a file, if there is one, and over it what was typed. Pure.

import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ApprovalPolicySchema,
  BreachAction,
  ConflictPolicy,
  FailureBudgetSchema,
  FailureCriterionSchema,
  RolloutPaceSchema,
  type RolloutSettings,
  RolloutSettingsSchema,
  RolloutTimingSchema,
  type StartRolloutRequest,
  StartRolloutRequestSchema,
} from "@muster/protocol/muster/rollouts";
import { CommandError } from "./failure.ts";
import { type StageText, toStages } from "./input.ts";

/** Options that say what a rollout is to be. Spans in milliseconds. */
export interface RolloutOptions {
  readonly file?: string;
  /** What the policy of this name does not say is said here. */
  readonly policy?: string;
  readonly revision?: number;
  readonly stages?: readonly StageText[];
  readonly bake?: number;
  readonly soak?: number;
  readonly finalBake?: number;
  readonly applyTimeout?: number;
  readonly maxInFlight?: number;
  readonly maxPerMinute?: number;
  readonly domain?: string;
  readonly maxUnavailable?: number;
  readonly maxFailures?: number;
  readonly onBreach?: keyof typeof BREACHES;
  readonly onConflict?: keyof typeof CONFLICTS;
  readonly approvals?: number;
  readonly at?: number;
  readonly calendar?: readonly string[];
  readonly overrideQuarantine?: string;
  readonly commit?: string;
  readonly reason?: string;
}

/** What --on-breach may say. */
export const BREACHES = {
  pause: BreachAction.PAUSE,
  halt: BreachAction.HALT,
  rollback: BreachAction.ROLLBACK,
} as const;
/** What --on-conflict may say. */
export const CONFLICTS = {
  reject: ConflictPolicy.REJECT,
  queue: ConflictPolicy.QUEUE,
  supersede: ConflictPolicy.SUPERSEDE,
} as const;

/** The request: `base` is what the file said. @throws CommandError for options that do not go together */
export function startRequest(
  configId: string,
  options: RolloutOptions,
  base: StartRolloutRequest = create(StartRolloutRequestSchema),
): StartRolloutRequest {
  const { revision, stages, bake, applyTimeout, reason, overrideQuarantine, commit } = options;
  const request = create(StartRolloutRequestSchema, { ...base, configId });
  if (revision !== undefined) request.revision = BigInt(revision);
  if (options.policy !== undefined) request.policyId = options.policy;
  // Without stages in the file, typed or in a policy there is one, for everybody.
  const isUnsaid = request.stages.length === 0 && request.growth === undefined && request.policyId === "";
  if (bake !== undefined && stages === undefined && request.stages.length === 0 && request.policyId !== "") {
    throw new CommandError("--bake is for --stages; the stages of a policy have bake times of their own.");
  }
  if (stages !== undefined || isUnsaid) request.stages = toStages(stages, bake);
  else if (bake !== undefined) for (const stage of request.stages) stage.bake ??= durationFromMs(bake);
  if (applyTimeout !== undefined) request.applyTimeout = durationFromMs(applyTimeout);
  if (reason !== undefined) request.reason = reason;
  if (overrideQuarantine !== undefined) request.quarantineOverride = overrideQuarantine;
  if (commit !== undefined) request.commit = commit;
  if (request.source === "") request.source = "cli";
  request.settings = settingsOf(options, request.settings);
  return request;
}

function settingsOf(options: RolloutOptions, base: RolloutSettings = create(RolloutSettingsSchema)): RolloutSettings {
  const { onConflict, approvals } = options;
  const settings = create(RolloutSettingsSchema, base);
  setTiming(settings, options);
  setPace(settings, options);
  setBudget(settings, options);
  if (onConflict !== undefined) settings.onConflict = CONFLICTS[onConflict];
  if (approvals !== undefined) {
    settings.approval ??= create(ApprovalPolicySchema);
    settings.approval.required = approvals;
  }
  return settings;
}

function setTiming(settings: RolloutSettings, { soak, finalBake, at, calendar }: RolloutOptions): void {
  const timing = create(RolloutTimingSchema, settings.timing);
  if (soak !== undefined) timing.soak = durationFromMs(soak);
  if (finalBake !== undefined) timing.finalBake = durationFromMs(finalBake);
  if (at !== undefined) timing.startTime = timestampFromMs(at);
  if (calendar !== undefined) timing.calendarIds = [...timing.calendarIds, ...calendar];
  settings.timing = timing;
}

function setPace(
  settings: RolloutSettings,
  { maxInFlight, maxPerMinute, domain, maxUnavailable }: RolloutOptions,
): void {
  const pace = create(RolloutPaceSchema, settings.pace);
  if (maxInFlight !== undefined) pace.maxInFlight = BigInt(maxInFlight);
  if (maxPerMinute !== undefined) pace.maxPerMinute = BigInt(maxPerMinute);
  if (domain !== undefined) pace.failureDomainKey = domain;
  if (maxUnavailable !== undefined) pace.maxUnavailablePerDomain = BigInt(maxUnavailable);
  settings.pace = pace;
}

/** So many failures are borne, and one more is not. */
function setBudget(settings: RolloutSettings, { maxFailures, onBreach }: RolloutOptions): void {
  if (maxFailures === undefined && onBreach === undefined) return;
  const budget = create(FailureBudgetSchema, settings.failureBudget);
  if (maxFailures !== undefined) {
    budget.criteria = [create(FailureCriterionSchema, { absolute: BigInt(maxFailures + 1) })];
  }
  if (onBreach !== undefined) budget.onBreach = BREACHES[onBreach];
  settings.failureBudget = budget;
}
