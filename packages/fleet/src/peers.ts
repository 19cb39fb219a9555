// The rollouts around one, as its plan sees them: who has its config, who waits for it too, and who is at work on other
// configs. Pure; the rollout worker reads what this rests on.

import type { RolloutId } from "./ids.ts";
import { termsOf, type WaveEntry } from "./judge.ts";
import { isCatchingUp } from "./pace.ts";
import type { Peers } from "./pass.ts";
import type { Rollout, RolloutSpec } from "./rollout.ts";
import { isEnded } from "./rollout-states.ts";

/** A rollout, with the agents that it has admitted. */
export interface Standing extends Rollout {
  readonly wave: readonly WaveEntry[];
}

/** What is around a rollout. */
export interface Around extends Pick<Peers, "holder" | "phases"> {
  /** Every other that somebody has to look after. */
  readonly others: readonly Standing[];
  /** The rollout that brought what is stable of its config; null: nothing is. */
  readonly stable: RolloutId | null;
  /** Whether everybody was decided on the layers as they are, after `others` were read. */
  readonly isAssigned: boolean;
}

/**
 * The peers of a rollout. Where no other takes agents at will, and everybody was decided on that, a cohort that is read
 * afterwards shows whom they have on their way.
 */
export function peersOf({ spec, status }: Rollout, { others, stable, isAssigned, holder, phases }: Around): Peers {
  const elsewhere = others.filter((each) => each.spec.configId !== spec.configId && takesAgents(each));
  const ofConfig = others.filter((each) => each.spec.configId === spec.configId);
  const waiting = ofConfig.filter((each) => each.status.phase === "scheduled" && each.status.reason === "queued");
  const successor = waiting.find((each) => each.spec.onConflict === "supersede" && each.spec.id > spec.id);
  return {
    others: new Map(elsewhere.map((each) => [each.spec.id, termsOf(each)])),
    waved: new Set(elsewhere.flatMap(({ wave }) => wave.map(({ uid }) => uid))),
    isUnsettled: elsewhere.length > 0 && (elsewhere.some(isOpen) || !isAssigned),
    holder,
    isReplaced: status.phase === "succeeded" && stable !== spec.id,
    isBehind: waiting.some((each) => goesBefore(each.spec, spec)),
    supersededBy: successor?.spec.id ?? null,
    phases,
  };
}

/** It has begun and not ended, or it succeeded and admits those that were away. */
function takesAgents({ spec, status }: Rollout): boolean {
  const catchesUp = isCatchingUp(spec, status, { isReplaced: false });
  return status.startedAtMs !== null && (!isEnded(status.phase) || catchesUp);
}

function isOpen({ status: { phase, isPaced } }: Rollout): boolean {
  return !isPaced && (phase === "running" || phase === "baking_final");
}

/** The heavier first, and of the same weight the older. */
function goesBefore(a: RolloutSpec, b: RolloutSpec): boolean {
  return a.weight === b.weight ? a.id < b.id : a.weight > b.weight;
}
