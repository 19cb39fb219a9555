// When a rollout is to be looked at again although nothing was reported: the soonest of everything that time alone brings. Pure.

import { UNSETTLED_MS } from "./pace.ts";
import type { Pass } from "./pass.ts";
import { nextMeasurement } from "./plan-gate.ts";
import { askedAgainOf } from "./plan-restore.ts";
import { type Hold, REBUILD_MS, startsAtMs } from "./plan-start.ts";

/** A rollout that admits agents is looked at this often even when nothing is expected: agents come back without a word to it. */
const BUSY_SLEEP_MS = 30_000;
/** Any other, this often. */
const QUIET_SLEEP_MS = 120_000;
/** Always later than now: a status that nothing changed must not be looked at again at once. */
export function wakeAt(pass: Pass, hold: Hold | null): number {
  const { judged, input, status } = pass;
  const { nowMs, spec, fleetLostAtMs } = input;
  const at = status.stages[status.stageIndex];
  const stage = spec.stages[status.stageIndex];
  const { finalBakeMs, endAtMs, stageDeadlineMs, darkTimeoutMs } = spec.timing;
  const isBusy = status.isPaced && status.phase === "running" && at?.state !== "baking";
  const leftAtMs = judged.map(
    ({ agent, isDispatched }) => (isDispatched ? agent.view.connection?.value.ended?.atMs : undefined) ?? 0,
  );
  const lastLeftAtMs = leftAtMs.reduce((a, b) => Math.max(a, b), 0);
  const times: readonly (number | null)[] = [
    nowMs + (isBusy ? BUSY_SLEEP_MS : QUIET_SLEEP_MS),
    ...judged.map(({ changesAtMs }) => changesAtMs),
    ...judged.map(({ retry }) => retry?.dueAtMs ?? null),
    ...askedAgainOf(pass).map(({ fromMs }) => fromMs),
    input.peers.isUnsettled && judged.some(({ state }) => state === "held") ? nowMs + UNSETTLED_MS : null,
    startsAtMs(pass),
    hold?.untilMs ?? null,
    fleetLostAtMs + REBUILD_MS,
    at?.state === "baking" && stage !== undefined ? (at.convergedAtMs ?? nowMs) + stage.bakeMs : null,
    status.passedAtMs === null ? null : status.passedAtMs + finalBakeMs,
    endAtMs,
    at?.startedAtMs == null || stageDeadlineMs === null
      ? null
      : Math.max(at.startedAtMs, status.resumedAtMs ?? 0) + stageDeadlineMs,
    status.dispatches[0] === undefined ? null : status.dispatches[0][0] + 60_000,
    nextMeasurement(pass)?.dueAtMs ?? null,
    lastLeftAtMs + darkTimeoutMs / 3,
  ];
  const due = times.filter((ms) => ms !== null && ms > nowMs) as readonly number[]; // the filter
  return Math.max(
    nowMs + 1,
    due.reduce((a, b) => Math.min(a, b), nowMs + QUIET_SLEEP_MS),
  );
}
