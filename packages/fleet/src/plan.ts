// The next step of a rollout: plan(spec, status, cohort, ..., now) → status, whom to assign, what to log, when to look
// again. Pure: the worker loads, calls this, and writes what it answers (services/rollout). Safe to run any number of times.
//
// Order of work, each part on what the parts before it decided:
//   1. judge every agent (judge.ts)          2. what operators said (plan-wish.ts)
//   3. the way to the start (plan-start.ts)  4. what must stop it (plan-watch.ts)
//   5. the stage at work (plan-stage.ts, plan-gate.ts) or the way back (plan-back.ts)
//   6. whom to assign now (pace.ts), and whom to give back what they had
//
// Invariants of the whole: a failed agent is made safe whatever else is decided; nobody is admitted beyond a limit; a
// rollout that does not move says why; every change of phase, stage or gate is in the decision log.

import type { InstanceUid } from "./ids.ts";
import { countStates, failureKind, isOnItsWay, type Judged, type WaveEntry } from "./judge.ts";
import {
  type Admission,
  admit,
  dueRetries,
  hasBackLimits,
  isCatchingUp,
  mustPace,
  nextWave,
  recentDispatches,
} from "./pace.ts";
import {
  agentsText,
  beginPass,
  type Decision,
  end,
  enter,
  isGoing,
  log,
  type Pass,
  type PlanInput,
  withJudged,
  withStatus,
} from "./pass.ts";
import { logWaveBack, waveBack, withWayBack } from "./plan-back.ts";
import { type Measurement, nextMeasurement } from "./plan-gate.ts";
import {
  askedAgainOf,
  forgivenOf,
  isStillOnItsWay,
  logFailures,
  type Restore,
  restoresOf,
  untoldOf,
} from "./plan-restore.ts";
import { withProgress } from "./plan-stage.ts";
import { type Hold, holdAt, isRebuilding, withStart } from "./plan-start.ts";
import { wakeAt } from "./plan-wake.ts";
import { withFailureList, withWatch } from "./plan-watch.ts";
import { withWish } from "./plan-wish.ts";
import type { RolloutStatus } from "./rollout.ts";
import { isBeforeStart, isEnded, isPassing, isTakingBack, type RolloutReason } from "./rollout-states.ts";

/** What a pass decided. */
export interface Plan {
  /** The very status that went in when nothing changed. */
  readonly status: RolloutStatus;
  /** Agents that are admitted, or while the rollout is taken back, relieved. The very wave that went in when nothing changed. */
  readonly wave: readonly WaveEntry[];
  /** Agents that the revision failed and that are to be given back what they had, at once and whatever else is decided. */
  readonly restores: readonly Restore[];
  /** Agents that an operator wants tried again: what excluded them is to be forgotten. */
  readonly forgiven: readonly InstanceUid[];
  /** Agents that were assigned and left before they could be told: they are to be decided anew. */
  readonly untold: readonly InstanceUid[];
  /** New lines of the decision log. */
  readonly decisions: readonly Decision[];
  /** The measurement that a gate needs next; it is due at `dueAtMs`. */
  readonly measurement: Measurement | null;
  /** When to look again although nothing was reported; null once nothing is to be expected. */
  readonly wakeAtMs: number | null;
}

/** Decides the next step of a rollout. */
export function plan(input: PlanInput): Plan {
  const { status } = input;
  if (isOver(input)) return nothing(input);
  const moved = move(beginPass(input));
  const { pass, wave } = withWaves(moved.pass, moved.hold);
  const isBusy = askedAgainOf(pass).length > 0 || pass.judged.some((one) => isStillOnItsWay(one, pass));
  const isSettled = isEnded(pass.status.phase) && !isBusy;
  const hasSettled = isSettled || pass.status.hasSettled;
  const counts = { ...pass.status.counts, removed: input.removedCount };
  const settled = withStatus(pass, { counts, isSettled, hasSettled, acceptedFailures: withoutForgiven(pass) });
  const restores = restoresOf(settled);
  const logged = logFailures(settled, restores);
  // A decision is one with the status that it led to: who cannot write that must not log it.
  const isSame = logged.decisions.length === 0 && isSameStatus(status, logged.status);
  const next = isSame ? status : { ...logged.status, updatedAtMs: input.nowMs };
  return {
    status: next,
    wave: isSameWave(input.wave, wave) ? input.wave : wave,
    restores,
    forgiven: forgivenOf(logged),
    untold: untoldOf(logged),
    decisions: logged.decisions,
    measurement: nextMeasurement(logged),
    wakeAtMs: next.isSettled ? null : wakeAt(logged, moved.hold),
  };
}

/**
 * Who is tried again fails anew if it does: the failure that was accepted was the one before. It counts as accepted until
 * it is forgotten, which is written after the status.
 */
function withoutForgiven({ judged, status, input }: Pass): RolloutStatus["acceptedFailures"] {
  const { acceptedFailures } = status;
  const asked = new Set(input.spec.retries.map(({ uid }) => uid));
  if (asked.size === 0 || acceptedFailures.length === 0) return acceptedFailures;
  const isForgotten = (one: Judged): boolean =>
    one.agent.exclusion === undefined && failureKind(one, input.spec) === null;
  const forgotten = new Set(judged.filter(isForgotten).map(({ agent }) => agent.view.uid));
  return acceptedFailures.filter((uid) => !(asked.has(uid) && forgotten.has(uid)));
}

/** Whether nothing can come of looking: it ended, nobody is on the way, and nobody can be caught up with it any more. */
export function isOver({ spec, status }: Pick<PlanInput, "spec" | "status">): boolean {
  if (!status.isSettled || spec.generation > status.observedGeneration) return false;
  return status.phase !== "succeeded" && status.phase !== "halted" && status.phase !== "superseded";
}

function nothing({ status, wave }: PlanInput): Plan {
  const none = { restores: [], forgiven: [], untold: [], decisions: [], measurement: null };
  return { status, wave, ...none, wakeAtMs: null };
}

/** Steps 2 to 5. */
function move(begun: Pass): { readonly pass: Pass; readonly hold: Hold | null } {
  const hold = holdAt(begun);
  const wished = withWish(begun);
  const superseded = wished.input.peers.supersededBy;
  if (superseded !== null && mayBeSuperseded(wished.status)) {
    const message = `Rollout ${superseded} of the same config took its place; agents that have this revision keep it until then.`;
    return { pass: end(wished, "superseded", "superseded", message), hold };
  }
  const started = isBeforeStart(wished.status.phase) ? withStart(wished) : wished;
  const { phase } = started.status;
  if (isBeforeStart(phase) || isEnded(phase)) return { pass: withFailureList(started), hold };
  if (isTakingBack(phase)) return { pass: withWayBack(withBackPace(started)), hold };
  return { pass: advance(started, hold), hold };
}

function mayBeSuperseded({ phase }: RolloutStatus): boolean {
  return !isEnded(phase) && !isTakingBack(phase);
}

/** A rollout that is under way: what stops it, and how far it gets. */
function advance(pass: Pass, hold: Hold | null): Pass {
  const before = pass.status;
  const wasHeld = before.phase === "paused" && isPassing(before.reason);
  const going = wasHeld ? withStatus(pass, { phase: before.passedAtMs === null ? "running" : "baking_final" }) : pass;
  const paced = withJudged(withStatus(going, { isPaced: mustPace(going.input.spec, going.status, going.input.peers) }));
  const watched = withWatch(paced);
  const moved = withProgressIfFree(watched, hold);
  const isOver = wasHeld && moved.status.phase !== "paused";
  const told = isOver ? withProgressIfFree(saidOver(watched, before.reason), hold) : moved;
  return isTakingBack(told.status.phase) ? withWayBack(withBackPace(told)) : told;
}

function withProgressIfFree(pass: Pass, hold: Hold | null): Pass {
  return isGoing(pass) ? withProgress(pass, hold) : pass;
}

/** What held the rollout back is over: said before what it does next. */
function saidOver(pass: Pass, held: RolloutReason): Pass {
  const reason = held === "storm" ? "storm_over" : "window_open";
  return isGoing(pass)
    ? enter(pass, pass.status.phase, reason, "What held the rollout back is over; it goes on.")
    : pass;
}

/** The way back keeps to limits where the way there did. */
function withBackPace(pass: Pass): Pass {
  return withStatus(pass, { isPaced: hasBackLimits(pass.input.spec) });
}

/** Step 6: the wave, and the counts as they are with it. */
function withWaves(pass: Pass, hold: Hold | null): { readonly pass: Pass; readonly wave: readonly WaveEntry[] } {
  const { input, status } = pass;
  const { nowMs, peers, spec } = input;
  if (isTakingBack(status.phase)) return withWaveBack(pass);
  const catchesUp = isCatchingUp(spec, status, peers);
  const isPaced = catchesUp || mustPace(spec, status, peers);
  const isOver = isEnded(status.phase) && !catchesUp;
  const paced = isBeforeStart(status.phase) || isOver ? pass : withJudged(withStatus(pass, { isPaced }));
  if (!(isGoing(pass) || catchesUp) || hold !== null || isRebuilding(input.fleetLostAtMs, nowMs))
    return { pass: withHeld(paced, null), wave: [] };
  const retries = dueRetries(input.wave, paced.judged, spec, status, nowMs);
  const admission = isPaced
    ? admit(paced.judged, spec, status, peers, nowMs, retries.length)
    : { admitted: [], held: new Set<InstanceUid>(), moreAtMs: null };
  const admitted = admission.admitted.map((uid) => ({ uid, tries: 1 }));
  const wave = nextWave(input.wave, paced.judged, [...retries, ...admitted]);
  const counted = withJudged(paced, wave);
  const told = logWave(withHeld(counted, admission.held), admission.admitted, retries);
  return { pass: catchesUp ? told : withStandstill(told, admission), wave };
}

/** Nobody is on the way and nobody is admitted: that must not go unsaid. */
function withStandstill(pass: Pass, { admitted, held, moreAtMs }: Admission): Pass {
  const { judged, status, input } = pass;
  // While it cannot be told whom others have, what was said stands.
  const isSoonKnown = moreAtMs !== null && !(input.peers.isUnsettled && input.status.reason === "held_back");
  if (held.size === 0 || admitted.length > 0 || isSoonKnown || judged.some(isOnItsWay)) return pass;
  const message = `${agentsText(held.size)} of the stage are held back: too many of their failure domain are missing, or another rollout has them on their way.`;
  return enter(pass, status.phase, "held_back", message, { held: held.size });
}

/** While a rollout is taken back without limits, nobody need be named: its layer reaches nobody any more. */
function withWaveBack(pass: Pass): { readonly pass: Pass; readonly wave: readonly WaveEntry[] } {
  if (!pass.status.isPaced) return { pass, wave: [] };
  const wave = waveBack(pass);
  return { pass: logWaveBack(pass, wave), wave };
}

/** Those whose turn it is and that something holds back are told apart from those whose turn has not come. Null: all. */
function withHeld(pass: Pass, held: ReadonlySet<InstanceUid> | null): Pass {
  const judged = pass.judged.map((one): Judged => {
    const isHeld = one.state === "queued" && one.stage !== null && (held === null || held.has(one.agent.view.uid));
    return isHeld ? { ...one, state: "held" } : one;
  });
  return { ...pass, judged, status: { ...pass.status, counts: countStates(judged) } };
}

function logWave(pass: Pass, admitted: readonly InstanceUid[], retries: readonly WaveEntry[]): Pass {
  const { nowMs } = pass.input;
  const { dispatches, wave } = pass.status;
  const recent = recentDispatches(dispatches, nowMs);
  if (admitted.length + retries.length === 0)
    return recent.length === dispatches.length ? pass : withStatus(pass, { dispatches: recent });
  const number = wave + 1;
  const inputs = {
    wave: number,
    agents: admitted.length,
    retries: retries.length,
    inFlight: pass.judged.filter(isOnItsWay).length,
    verified: pass.status.counts.verified,
  };
  const again = retries.length === 0 ? "" : `, ${retries.length} tried again`;
  const message = `Wave ${number}: ${agentsText(admitted.length)} admitted${again}.`;
  const agents = [...admitted, ...retries.map(({ uid }) => uid)];
  const logged = log(pass, { kind: "wave", reason: "stage_started", message, agents, inputs });
  return withStatus(logged, { wave: number, dispatches: [...recent, [nowMs, agents.length]] });
}

function isSameStatus(a: RolloutStatus, b: RolloutStatus): boolean {
  return JSON.stringify({ ...a, updatedAtMs: 0 }) === JSON.stringify({ ...b, updatedAtMs: 0 });
}

function isSameWave(a: readonly WaveEntry[], b: readonly WaveEntry[]): boolean {
  return a.length === b.length && a.every(({ uid, tries }, i) => uid === b[i]?.uid && tries === b[i]?.tries);
}
