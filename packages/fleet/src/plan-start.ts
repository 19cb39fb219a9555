// From the asking to the start: checks, approvals, the time to begin, and the turn among rollouts of the same config. Pure.

import type { CohortAgent } from "./assess.ts";
import { activeFreeze, isOpen, nextOpening } from "./calendar.ts";
import { end, enter, type Pass, withStatus } from "./pass.ts";
import { previewStages } from "./reach.ts";
import type { RolloutSpec } from "./rollout.ts";
import { isBeforeStart } from "./rollout-states.ts";

/** Share by which the fleet may have changed since the plan that a rollout was started with. */
export const PLAN_DRIFT_PERCENT = 10;

/** Brings a rollout that has not begun as far as it can go now. */
export function withStart(pass: Pass): Pass {
  const { spec } = pass.input;
  switch (pass.status.phase) {
    case "draft":
      return withStart(
        enter(
          pass,
          "validating",
          "started",
          `Rollout of ${spec.configId} revision ${spec.revision} to ${target(spec)}.`,
        ),
      );
    case "validating":
      return withStart(validated(pass));
    case "awaiting_approval":
      return approvalsOf(spec) < spec.approval.required ? pass : withStart(approved(pass));
    case "scheduled":
      return scheduled(pass);
    default:
      return pass;
  }
}

function approved(pass: Pass): Pass {
  const { spec } = pass.input;
  const inputs = { approvals: approvalsOf(spec), required: spec.approval.required };
  return enter(pass, "scheduled", "approved", `Approved by ${approvers(spec).join(", ")}.`, inputs);
}

function target({ selector }: RolloutSpec): string {
  return selector === "" ? "every agent" : `agents that match ${selector}`;
}

/** Its content was taken back or ended, maybe while this one waited, and nobody overrode that; null: it may go on. */
function quarantined(pass: Pass): Pass | null {
  const { spec, quarantine } = pass.input;
  if (quarantine === null || spec.quarantineOverride !== "") return null;
  const message = `Its content is quarantined: ${quarantine} Start it again with a reason to override that.`;
  return end(pass, "invalid", "quarantined", message);
}

function validated(pass: Pass): Pass {
  const { spec, cohort } = pass.input;
  const barred = quarantined(pass);
  if (barred !== null) return barred;
  const drift = spec.planned === null ? null : driftOf(spec.planned, spec, cohort);
  if (drift !== null) {
    const inputs = { planned: spec.planned?.targeted ?? null, targeted: cohort.length };
    return end(pass, "invalid", "plan_outdated", `Its plan does not hold any more: ${drift}; plan it again.`, inputs);
  }
  const unable = unableAll(pass);
  if (unable !== null) return unable;
  const { required } = spec.approval;
  if (approvalsOf(spec) < required) {
    const message = `Waits for ${required === 1 ? "an approval" : `${required} approvals`}${spec.approval.notAuthor ? " of others than the author" : ""}.`;
    const inputs = { approvals: approvalsOf(spec), required };
    return enter(pass, "awaiting_approval", "approval_needed", message, inputs);
  }
  return enter(pass, "scheduled", "checked", `${cohort.length} agents are targeted.`, { targeted: cohort.length });
}

/** A revision that uses what nobody has would pass every stage by reaching nobody. */
function unableAll(pass: Pass): Pass | null {
  const { cohort } = pass.input;
  if (cohort.length === 0 || cohort.some(({ lacking = [] }) => lacking.length === 0)) return null;
  const lacking = [...new Set(cohort.flatMap((agent) => agent.lacking ?? []))].sort();
  const message = `Not one of ${cohort.length} agents can run the revision: they lack ${lacking.slice(0, 5).join(", ")}.`;
  return end(pass, "invalid", "incapable", message, { targeted: cohort.length });
}

/**
 * How the fleet has moved too far from what was planned for, as a clause; null: it has not. As many agents as before may be
 * others, or in other stages: a canary that everybody was moved into is not the one that somebody looked at.
 */
export function driftOf(
  planned: NonNullable<RolloutSpec["planned"]>,
  spec: RolloutSpec,
  cohort: readonly CohortAgent[],
): string | null {
  if (isFarFrom(planned.targeted, cohort.length, 0))
    return `it was made for ${planned.targeted} agents, and ${cohort.length} match now`;
  const sizes = previewStages(cohort, spec).map(({ target }) => target.size);
  const moved = sizes.findIndex((size, i) => isFarFrom(planned.stages[i] ?? 0, size, 1));
  return moved < 0
    ? null
    : `stage ${moved + 1} was to be done with ${planned.stages[moved] ?? 0} agents, and would be with ${sizes[moved]} now`;
}

/** Shares are rounded up to whole agents, so a stage may be off by `slack` where hardly anything moved. */
function isFarFrom(planned: number, now: number, slack: number): boolean {
  return Math.abs(now - planned) > Math.max(slack, (planned * PLAN_DRIFT_PERCENT) / 100);
}

/** People whose approval counts. */
export function approvers({ approvals, approval, author }: RolloutSpec): readonly string[] {
  return [...new Set(approvals.map(({ by }) => by))].filter((who) => !(approval.notAuthor && who === author));
}

/** How many people's approvals count. */
export function approvalsOf(spec: RolloutSpec): number {
  return approvers(spec).length;
}

function scheduled(pass: Pass): Pass {
  const { spec, nowMs } = pass.input;
  if (approvalsOf(spec) < spec.approval.required) {
    return enter(pass, "awaiting_approval", "approval_withdrawn", "An approval was withdrawn; it waits for another.");
  }
  const { startAtMs, endAtMs } = spec.timing;
  if (endAtMs !== null && nowMs >= endAtMs)
    return end(pass, "cancelled", "end_time", "Its end time came before it could begin.");
  if (startAtMs !== null && nowMs < startAtMs) {
    return enter(pass, "scheduled", "start_time", `Begins at ${new Date(startAtMs).toISOString()}.`);
  }
  // One that is to take another's place does so once it can begin; any other waits its turn first.
  const waits = spec.onConflict === "supersede" ? [inTime, inTurn] : [inTurn, inTime];
  for (const wait of waits) {
    const waiting = wait(pass);
    if (waiting !== null) return waiting;
  }
  const barred = quarantined(pass) ?? unableAll(pass);
  if (barred !== null) return barred;
  return withStatus(enter(pass, "running", "started", `Began, for ${pass.input.cohort.length} agents.`), {
    startedAtMs: nowMs,
  });
}

/** Its turn among the rollouts of the config has not come; null: it has. */
function inTurn(pass: Pass): Pass | null {
  const { spec, peers } = pass.input;
  if (peers.holder !== null && peers.holder !== spec.id) {
    return enter(pass, "scheduled", "queued", `Follows rollout ${peers.holder}, which is at work on ${spec.configId}.`);
  }
  if (!peers.isBehind) return null;
  return enter(pass, "scheduled", "queued", "Another rollout that waits for the config goes first.");
}

/** The time to begin has not come; null: it has. */
function inTime(pass: Pass): Pass | null {
  const { nowMs, fleetLostAtMs } = pass.input;
  const hold = holdAt(pass);
  if (hold !== null) return enter(pass, "scheduled", hold.reason, hold.message, { untilMs: hold.untilMs });
  if (!isRebuilding(fleetLostAtMs, nowMs)) return null;
  return enter(pass, "scheduled", "rebuilding", "The fleet state was lost; waiting for the agents to tell it again.");
}

/** How long agents are given to tell a lost fleet state again. */
export const REBUILD_MS = 60_000;

/** Whether the fleet state was lost a moment ago. */
export function isRebuilding(fleetLostAtMs: number, nowMs: number): boolean {
  return fleetLostAtMs > 0 && nowMs < fleetLostAtMs + REBUILD_MS;
}

/** What holds back every change now, by time: a freeze or the lack of a window; null: nothing. */
export interface Hold {
  readonly reason: "window" | "freeze";
  readonly message: string;
  /** When that may be over; null: nobody knows. */
  readonly untilMs: number | null;
}

/** Whether the time forbids to assign anybody. */
export function holdAt({ input }: Pick<Pass, "input">): Hold | null {
  const { spec, calendars, nowMs } = input;
  const freeze = activeFreeze(calendars, nowMs);
  if (freeze !== null) {
    const until = new Date(freeze.untilMs).toISOString();
    const why = freeze.reason === "" ? "" : ` (${freeze.reason})`;
    return {
      reason: "freeze",
      message: `Calendar ${freeze.calendarId} freezes changes until ${until}${why}.`,
      untilMs: freeze.untilMs,
    };
  }
  const { windows } = spec.timing;
  if (windows.length === 0 || isOpen(windows, nowMs)) return null;
  const untilMs = nextOpening(windows, nowMs);
  const when = untilMs === null ? "and none will" : `and the next does at ${new Date(untilMs).toISOString()}`;
  return { reason: "window", message: `No window is open, ${when}.`, untilMs };
}

/** When a rollout that has not begun is to be looked at again by time alone; infinity: when something is said. */
export function startsAtMs(pass: Pass): number {
  const { spec, nowMs, fleetLostAtMs } = pass.input;
  if (!isBeforeStart(pass.status.phase)) return Number.POSITIVE_INFINITY;
  const { startAtMs, endAtMs } = spec.timing;
  const times = [startAtMs, endAtMs, holdAt(pass)?.untilMs ?? null, fleetLostAtMs + REBUILD_MS];
  return times.reduce<number>(
    (soonest, ms) => (ms !== null && ms > nowMs ? Math.min(soonest, ms) : soonest),
    Number.POSITIVE_INFINITY,
  );
}
