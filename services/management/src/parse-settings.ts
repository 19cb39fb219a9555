// The settings of a rollout, from the API's words, with every default. Pure; everything that is wrong is told at once.

import { create } from "@bufbuild/protobuf";
import { type Duration, durationMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import {
  type ApprovalPolicy,
  assessWindow,
  type Criterion,
  DEFAULT_APPROVAL,
  DEFAULT_BUDGET,
  DEFAULT_POLICIES,
  DEFAULT_RETRY,
  DEFAULT_TIMING,
  FAILURE_KINDS,
  type FailureBudget,
  type FailureKind,
  FleetError,
  MIN_APPLY_TIMEOUT_MS,
  type Pace,
  type Policies,
  type RetryPolicy,
  type RolloutSpec,
  type Timing,
  type Violation,
  type Window,
} from "@muster/fleet";
import {
  ApprovalPolicySchema,
  BreachAction,
  ConflictPolicy,
  FailureBudgetSchema,
  NewAgentsPolicy,
  OfflinePolicy,
  type FailureBudget as ProtoBudget,
  RetryPolicySchema,
  type RolloutPace,
  RolloutPaceSchema,
  type RolloutSettings,
  RolloutSettingsSchema,
  RolloutTimingSchema,
  type RolloutWindow,
} from "@muster/protocol/muster/rollouts";
import { invalid } from "./checked.ts";
import { createSpans, type Spans } from "./parse-span.ts";

const MAX_APPLY_TIMEOUT_MS = 86_400_000;

/** How long an agent may take. @throws FleetError `invalid` */
export function parseApplyTimeout(duration: Duration | undefined): number {
  const ms = duration === undefined ? DEFAULT_TIMING.applyTimeoutMs : durationMs(duration);
  if (ms > MAX_APPLY_TIMEOUT_MS) throw invalid("apply_timeout", `${ms / 1_000} s is more than a day.`);
  if (ms >= MIN_APPLY_TIMEOUT_MS) return ms;
  const reason = "a supervisor alone takes 5 s to answer";
  throw invalid("apply_timeout", `${ms / 1_000} s is less than ${MIN_APPLY_TIMEOUT_MS / 1_000} s; ${reason}.`);
}

/** What settings make of a spec. */
export type ParsedSettings = Pick<
  RolloutSpec,
  "pace" | "budget" | "retry" | "approval" | "policies" | "onConflict" | "weight" | "seed"
> & { readonly timing: Omit<Timing, "applyTimeoutMs"> };

const MAX_WINDOWS = 50;
const MAX_CALENDARS = 20;
const MAX_CRITERIA = 20;
const MAX_TEXT_CHARS = 256;

/** Reads settings; an absent message is every default. @throws FleetError `invalid` */
export function parseSettings(message: RolloutSettings | undefined): ParsedSettings {
  const settings = message ?? create(RolloutSettingsSchema);
  const violations: Violation[] = [];
  const spans = createSpans(violations);
  const parsed: ParsedSettings = {
    pace: parsePace(settings.pace ?? create(RolloutPaceSchema), spans, violations),
    budget: parseBudget(settings.failureBudget, "settings.failure_budget", violations),
    timing: parseTiming(settings, spans, violations),
    retry: parseRetry(settings, spans, violations),
    approval: parseApproval(settings, spans),
    policies: parsePolicies(settings, spans),
    onConflict: spans.choice("settings.on_conflict", CONFLICTS, settings.onConflict),
    weight: spans.number("settings.weight", settings.weight, 0, -1_000_000, 1_000_000),
    seed: settings.seed,
  };
  if (settings.seed.length > MAX_TEXT_CHARS)
    violations.push({ field: "settings.seed", description: `is longer than ${MAX_TEXT_CHARS} characters.` });
  if (violations.length > 0) throw FleetError.invalid(violations);
  return parsed;
}

const CONFLICTS = {
  [ConflictPolicy.UNSPECIFIED]: "reject",
  [ConflictPolicy.REJECT]: "reject",
  [ConflictPolicy.QUEUE]: "queue",
  [ConflictPolicy.SUPERSEDE]: "supersede",
} as const;
const NEW_AGENTS = {
  [NewAgentsPolicy.UNSPECIFIED]: "by_rank",
  [NewAgentsPolicy.BY_RANK]: "by_rank",
  [NewAgentsPolicy.STABLE]: "stable",
  [NewAgentsPolicy.HOLD]: "hold",
} as const;
const OFFLINE = {
  [OfflinePolicy.UNSPECIFIED]: "defer",
  [OfflinePolicy.DEFER]: "defer",
  [OfflinePolicy.FAIL]: "fail",
  [OfflinePolicy.EXCLUDE]: "exclude",
} as const;
const BREACHES = {
  [BreachAction.UNSPECIFIED]: "default",
  [BreachAction.PAUSE]: "pause",
  [BreachAction.HALT]: "halt",
  [BreachAction.ROLLBACK]: "rollback",
} as const;

function parsePace(pace: RolloutPace, spans: Spans, violations: Violation[]): Pace {
  const field = "settings.pace";
  const { ramp } = pace;
  const maxPerMinute = spans.limit(`${field}.max_per_minute`, pace.maxPerMinute);
  const maxUnavailablePerDomain = spans.limit(`${field}.max_unavailable_per_domain`, pace.maxUnavailablePerDomain);
  if (ramp !== undefined && (!(ramp.factor > 1 && ramp.factor <= 1_000) || ramp.afterVerified < 1n)) {
    violations.push({
      field: `${field}.ramp`,
      description: "give a factor above 1, up to 1000, and after_verified from 1 on.",
    });
  }
  if (ramp !== undefined && maxPerMinute === null) {
    violations.push({ field: `${field}.ramp`, description: "multiplies max_per_minute; give that too." });
  }
  if (maxUnavailablePerDomain !== null && pace.failureDomainKey === "") {
    violations.push({ field: `${field}.failure_domain_key`, description: "say which attribute tells the domain." });
  }
  return {
    maxPerMinute,
    maxInFlight: spans.limit(`${field}.max_in_flight`, pace.maxInFlight),
    ramp:
      ramp === undefined
        ? null
        : {
            factor: ramp.factor,
            afterVerified: Number(ramp.afterVerified),
            maxPerMinute: spans.limit(`${field}.ramp.max_per_minute`, ramp.maxPerMinute) ?? Number.MAX_SAFE_INTEGER,
          },
    domainKey: pace.failureDomainKey,
    maxUnavailablePerDomain,
  };
}

/** Reads a failure budget; an absent one is the default. */
export function parseBudget(message: ProtoBudget | undefined, field: string, violations: Violation[]): FailureBudget {
  const { criteria, onBreach } = message ?? create(FailureBudgetSchema);
  if (criteria.length > MAX_CRITERIA)
    violations.push({ field: `${field}.criteria`, description: `${criteria.length} are more than ${MAX_CRITERIA}.` });
  const parsed = criteria.slice(0, MAX_CRITERIA).map((criterion, i): Criterion => {
    const { types, percent, absolute, minSample = 5, stageOnly } = criterion;
    const at = `${field}.criteria[${i}]`;
    if (percent === 0 && absolute === 0n)
      violations.push({ field: at, description: "give a percent, an absolute number or both." });
    if (!(percent >= 0 && percent <= 100))
      violations.push({ field: `${at}.percent`, description: `${percent} is not from 0 to 100.` });
    if (absolute < 0n)
      violations.push({ field: `${at}.absolute`, description: `${absolute} is not a number from 0 on.` });
    if (minSample < 1)
      violations.push({ field: `${at}.min_sample`, description: `${minSample} is not a number from 1 on.` });
    return {
      kinds: parseKinds(types, `${at}.types`, FAILURE_KINDS, violations),
      percent: percent === 0 ? null : percent,
      absolute: absolute === 0n ? null : Number(absolute),
      minSample,
      window: stageOnly ? "stage" : "rollout",
    };
  });
  return {
    criteria: parsed.length === 0 ? DEFAULT_BUDGET.criteria : parsed,
    onBreach: createSpans(violations).choice(`${field}.on_breach`, BREACHES, onBreach),
  };
}

function parseKinds<Kind extends FailureKind>(
  words: readonly string[],
  field: string,
  known: readonly Kind[],
  violations: Violation[],
): readonly Kind[] {
  return words.flatMap((word) => {
    const kind = known.find((each) => each === word);
    if (kind !== undefined) return [kind];
    violations.push({ field, description: `"${word}" is none of ${known.join(", ")}.` });
    return [];
  });
}

function parseTiming(
  { timing: message }: RolloutSettings,
  spans: Spans,
  violations: Violation[],
): ParsedSettings["timing"] {
  const timing = message ?? create(RolloutTimingSchema);
  const field = "settings.timing";
  const span = (name: string, value: Parameters<Spans["read"]>[1], missing: number) =>
    spans.read(`${field}.${name}`, value, missing);
  const startAtMs = timeOf(timing.startTime, `${field}.start_time`, violations);
  const endAtMs = timeOf(timing.endTime, `${field}.end_time`, violations);
  if (startAtMs !== null && endAtMs !== null && endAtMs <= startAtMs) {
    violations.push({ field: `${field}.end_time`, description: "is not after the start time." });
  }
  if (timing.calendarIds.length > MAX_CALENDARS)
    violations.push({
      field: `${field}.calendar_ids`,
      description: `${timing.calendarIds.length} are more than ${MAX_CALENDARS}.`,
    });
  const endBehavior = spans.choice(`${field}.end_behavior`, BREACHES, timing.endBehavior);
  return {
    soakMs: span("soak", timing.soak, DEFAULT_TIMING.soakMs),
    darkTimeoutMs: span("dark_timeout", timing.darkTimeout, DEFAULT_TIMING.darkTimeoutMs),
    unhealthyGraceMs: span("unhealthy_grace", timing.unhealthyGrace, DEFAULT_TIMING.unhealthyGraceMs),
    stageDeadlineMs: spans.read(`${field}.stage_deadline`, timing.stageDeadline, null, 1_000),
    finalBakeMs: span("final_bake", timing.finalBake, DEFAULT_TIMING.finalBakeMs),
    revertWindowMs: span("revert_window", timing.revertWindow, DEFAULT_TIMING.revertWindowMs),
    startAtMs,
    endAtMs,
    endBehavior: endBehavior === "default" ? DEFAULT_TIMING.endBehavior : endBehavior,
    windows: parseWindows(timing.windows, `${field}.windows`, spans, violations),
    calendarIds: timing.calendarIds,
  };
}

/** The first and the last moment that a date can be written for. */
const [FIRST_MS, LAST_MS] = [Date.parse("0001-01-01T00:00:00Z"), Date.parse("9999-12-31T23:59:59Z")];

/** A moment in milliseconds since 1970; null where there is none. */
export function timeOf(time: Timestamp | undefined, field: string, violations: Violation[]): number | null {
  if (time === undefined) return null;
  const ms = Number(time.seconds) * 1_000 + time.nanos / 1e6;
  if (ms >= FIRST_MS && ms <= LAST_MS) return Math.floor(ms);
  violations.push({ field, description: "is not within the years 1 to 9999." });
  return null;
}

/** Recurring spans of time, of a rollout or a calendar. */
export function parseWindows(
  windows: readonly Pick<RolloutWindow, "cron" | "duration" | "timeZone">[],
  field: string,
  spans: Spans,
  violations: Violation[],
): readonly Window[] {
  if (windows.length > MAX_WINDOWS)
    violations.push({ field, description: `${windows.length} are more than ${MAX_WINDOWS}.` });
  return windows.slice(0, MAX_WINDOWS).map(({ cron, duration, timeZone }, i) => {
    const window = {
      cron,
      durationMs: spans.read(`${field}[${i}].duration`, duration, 0),
      timeZone: timeZone || "UTC",
    };
    violations.push(...assessWindow(window).map((each) => ({ ...each, field: `${field}[${i}].${each.field}` })));
    return window;
  });
}

/** What may be tried again: never what an agent said that it failed. */
const RETRIABLE = ["timed_out", "went_dark"] as const;

function parseRetry({ retry: message }: RolloutSettings, spans: Spans, violations: Violation[]): RetryPolicy {
  const retry = message ?? create(RetryPolicySchema);
  const field = "settings.retry";
  const retryOn = parseKinds(retry.retryOn, `${field}.retry_on`, RETRIABLE, violations);
  const { backoff } = DEFAULT_RETRY;
  return {
    maxAttempts: spans.number(
      `${field}.max_attempts`,
      retry.maxAttempts || undefined,
      DEFAULT_RETRY.maxAttempts,
      1,
      10,
    ),
    retryOn: retry.retryOn.length === 0 ? DEFAULT_RETRY.retryOn : retryOn,
    backoff: {
      baseMs: spans.read(`${field}.backoff`, retry.backoff, backoff.baseMs),
      factor: spans.number(`${field}.backoff_factor`, retry.backoffFactor || undefined, backoff.factor, 1, 100),
      capMs: spans.read(`${field}.backoff_cap`, retry.backoffCap, backoff.capMs),
    },
    requeueFailedHash: retry.requeueFailedHash,
  };
}

function parseApproval({ approval: message }: RolloutSettings, spans: Spans): ApprovalPolicy {
  const approval = message ?? create(ApprovalPolicySchema);
  return {
    required: spans.number("settings.approval.required", approval.required, DEFAULT_APPROVAL.required, 0, 100),
    approverRole: approval.approverRole.slice(0, MAX_TEXT_CHARS),
    notAuthor: !approval.authorCounts,
  };
}

function parsePolicies(settings: RolloutSettings, spans: Spans): Policies {
  const { minReachedPercent } = DEFAULT_POLICIES;
  return {
    newAgents: spans.choice("settings.new_agents", NEW_AGENTS, settings.newAgents),
    offline: spans.choice("settings.offline", OFFLINE, settings.offline),
    incapable: settings.incapableFails ? "fail" : "ignore",
    minReachedPercent: spans.number(
      "settings.min_reached_percent",
      settings.minReachedPercent,
      minReachedPercent,
      0,
      100,
    ),
    catchUpAfterSuccess: !settings.noCatchUp,
  };
}
