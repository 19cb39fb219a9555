// What holds of a rollout where nobody says otherwise, with the bounds of what may be said, and the growth shortcut. Pure.

import type { ApprovalPolicy, Pace, Policies, RetryPolicy, Stage, Timing } from "./rollout.ts";

/** A supervisor needs five seconds before it says APPLIED; a shorter patience would fail every agent. */
export const MIN_APPLY_TIMEOUT_MS = 10_000;
/** Stages a rollout may have. */
export const MAX_STAGES = 50;

/** What holds when nobody says otherwise. */
export const DEFAULT_STAGE: Omit<Stage, "size"> = {
  name: "",
  order: "sticky_hash",
  maxInFlight: null,
  successMinPercent: 100,
  bakeMs: 10 * 60_000,
  gates: [],
  promotions: 0,
};
/** No limits. */
export const DEFAULT_PACE: Pace = {
  maxPerMinute: null,
  maxInFlight: null,
  ramp: null,
  domainKey: "",
  maxUnavailablePerDomain: null,
};
/** The dark timeout is three heartbeats of 30 s and a minute. */
export const DEFAULT_TIMING: Timing = {
  applyTimeoutMs: 5 * 60_000,
  soakMs: 2 * 60_000,
  darkTimeoutMs: 150_000,
  unhealthyGraceMs: 30_000,
  stageDeadlineMs: null,
  finalBakeMs: 30 * 60_000,
  revertWindowMs: 72 * 3_600_000,
  startAtMs: null,
  endAtMs: null,
  endBehavior: "halt",
  windows: [],
  calendarIds: [],
};
export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 2,
  retryOn: ["timed_out"],
  backoff: { baseMs: 10_000, factor: 2, capMs: 5 * 60_000 },
  requeueFailedHash: false,
};
export const DEFAULT_APPROVAL: ApprovalPolicy = { required: 0, approverRole: "", notAuthor: true };
export const DEFAULT_POLICIES: Policies = {
  newAgents: "by_rank",
  offline: "defer",
  incapable: "ignore",
  minReachedPercent: 90,
  catchUpAfterSuccess: true,
};

/** More stages than anybody may have: whoever asks for them is told so, and not given a last one that is larger. */
const MAX_GROWTH = 10 * MAX_STAGES;

/** The stages that a growth shortcut stands for: `initial` agents, then `factor` times as many, up to `max` more at a time. */
export function growthStages(
  { initial, factor, max }: { readonly initial: number; readonly factor: number; readonly max: number },
  stage: Omit<Stage, "size">,
  fleetSize: number,
): readonly Stage[] {
  const sizes: number[] = [];
  let step = initial;
  for (let reached = step; reached < fleetSize && sizes.length < MAX_GROWTH; reached += step) {
    sizes.push(reached);
    step = Math.min(max, Math.max(step, Math.floor(step * factor)));
  }
  const counted = sizes.map((count, i): Stage => ({ ...stage, name: `${i + 1}`, size: { kind: "count", count } }));
  return [...counted, { ...stage, name: `${counted.length + 1}`, size: { kind: "percent", percent: 100 } }];
}
