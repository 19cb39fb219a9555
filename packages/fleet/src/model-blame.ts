// One cause for every failure: no agent is taken by a rollout of one config while one of another has it on its way. Looked at
// from outside, at every change of what an agent should run. For plan-model.spec.ts only.

import assert from "node:assert/strict";
import { latestAttempt } from "./attempt.ts";
import type { DesiredRecord } from "./candidate.ts";
import { hasCapability, isConnected, originOf } from "./facts.ts";
import type { ModelRollout, ModelWorld } from "./model-world.ts";
import { catchUpOf } from "./pace.ts";
import { isNewcomer } from "./rank.ts";
import { isEnded } from "./rollout-states.ts";
import type { AgentView } from "./view.ts";

/** @throws AssertionError where a change gives an agent two causes to fail */
export function assertOneCause(
  world: ModelWorld,
  view: AgentView,
  before: DesiredRecord | null,
  after: DesiredRecord | null,
): void {
  if (after === null || (before === null && world.fleetLostAtMs > 0)) return;
  const atWork = world.rollouts.filter(isAtWork);
  const takers = atWork.filter((each) => !bring(before, each) && bring(after, each) && !isForAll(view, each));
  for (const taker of takers) {
    for (const other of atWork) {
      if (other.spec.configId === taker.spec.configId) continue;
      // What is taken from it in the same moment has failed it.
      const isBusy = bring(before, other) && bring(after, other) && isUnsure(view, before, other, world.nowMs);
      const what = `${taker.spec.configId} takes agent ${view.uid}, which ${other.spec.configId} has on its way`;
      assert.ok(!takers.includes(other) && !isBusy, what);
    }
  }
}

function bring(desired: DesiredRecord | null, { spec }: ModelRollout): desired is DesiredRecord {
  return desired?.contributions.some(({ rolloutId }) => rolloutId === spec.id) ?? false;
}

/** Who is new has what is stable from the beginning. */
function isForAll(view: AgentView, { status }: ModelRollout): boolean {
  return isEnded(status.phase) && isNewcomer(originOf(view), status.startedAtMs ?? 0);
}

/** Whether a rollout takes agents: it has begun and not ended, or catches up with those that were away. */
export function isAtWork({ spec, status }: ModelRollout): boolean {
  const catchesUp = status.phase === "succeeded" && !status.hasSettled && catchUpOf(spec) === "paced";
  return status.startedAtMs !== null && (!isEnded(status.phase) || catchesUp);
}

/** Whether an agent that is there was offered what a rollout brought it, and is not through with that. */
function isUnsure(view: AgentView, { hash }: DesiredRecord, { spec }: ModelRollout, nowMs: number): boolean {
  if (!isConnected(view)) return false;
  const offer = latestAttempt(view.attempts, hash);
  if (offer === null || offer.answer?.state === "failed") return false;
  if (!hasCapability(view, "ReportsRemoteConfig")) return nowMs < offer.offeredAtMs + spec.timing.soakMs;
  if (offer.answer?.state === "applied") return nowMs < offer.answer.atMs + spec.timing.soakMs;
  return nowMs < offer.offeredAtMs + spec.timing.applyTimeoutMs;
}
