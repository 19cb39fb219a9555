// What one agent should run, and how it is decided: one pure function for newcomers, rollouts, rollbacks and
// rebuilds alike, so that any worker gives the same answer at any time.
//
// Each config line has *layers*, newest first: the rollouts that still count. A layer says whom it reaches, by selectors
// and ranks, and on what terms (its mode); the first layer that takes an agent decides the revision. Nothing here is a
// list of members: who was assigned what is read off the agent's present desired config, and where that was lost, off what
// the agent says that it runs.

import { BLANK, type Contribution, type Desired, desiredOf } from "./compose.ts";
import type { ConfigHash, ConfigId, InstanceUid, RolloutId } from "./ids.ts";
import { isNewcomer, type Place, placeIn, type Rank } from "./rank.ts";
import type { StageOrder } from "./rollout.ts";
import { matches, parseSelector, type Selector } from "./selector.ts";
import { valuesFor } from "./variables.ts";

/** On what terms a layer takes the agents that it reaches. */
export type LayerMode =
  /** All of them. */
  | "open"
  /** Those that were admitted, one by one. */
  | "paced"
  /** Those that have it, and have had it: its rollout ended half-way. Never what agents are taken back to. */
  | "frozen"
  /** Those that have it and were not taken back yet. */
  | "withdrawing"
  /** Nobody any more. */
  | "withdrawn"
  /** Everybody that its selector matches: its rollout succeeded. */
  | "stable"
  /** As stable, for those that the stable layer above it does not take. */
  | "fallback";

/** Whom a stage of a rollout reaches. */
export interface Reach {
  /** Of those that the rollout is for; "": all of them. */
  readonly selector: string;
  readonly order: StageOrder;
  /** Agents with a rank up to this one. */
  readonly cutoff: Rank;
}

/** What one rollout contributes to one config line. */
export interface Layer {
  readonly rolloutId: RolloutId;
  readonly revision: number;
  readonly hash: ConfigHash;
  /** Who the rollout is for, as it was when the rollout started. */
  readonly selector: string;
  /** Merge position, as it was when the rollout started. */
  readonly order: number;
  readonly mode: LayerMode;
  readonly seed: string;
  /** When its rollout started; absent: long ago. */
  readonly sinceMs?: number;
  readonly reach: readonly Reach[];
  /** Components that an agent needs for it, and variables (variables.ts, requirementOf). */
  readonly components: readonly string[];
  /** Variables that the revision uses; absent where it uses none. */
  readonly variables?: readonly string[];
  /** What becomes of agents that are newer than the rollout; absent: as their ranks say. */
  readonly newAgents?: { readonly policy: "stable" | "hold"; readonly sinceMs: number };
  /** It leaves agents alone that said before this time, milliseconds since 1970, that they failed its content. */
  readonly sparesFailedBeforeMs?: number;
  /**
   * What a stable layer does with agents that were there when its rollout started, and away when it succeeded: it takes
   * those that are admitted, one by one, or leaves them alone. Absent: it takes them as everybody else.
   */
  readonly latecomers?: "paced" | "none";
}

/**
 * A rollout that does not count for one agent any more, because what it brought failed there: the agent has what it
 * would have without that rollout.
 */
export interface Exclusion {
  readonly rolloutId: RolloutId;
  /** What failed: the hash that the agent was offered under. */
  readonly hash: ConfigHash;
  /** How. */
  readonly state: FailureState;
  /** In the agent's words or ours. */
  readonly error: string;
  readonly atMs: number;
}

/** How a config fails an agent. */
export type FailureState = "failed" | "self_rolled_back" | "timed_out" | "went_dark" | "unhealthy";

/** The layers of one config, newest first. */
export interface Assignment {
  readonly configId: ConfigId;
  readonly layers: readonly Layer[];
}

/** One agent, as the decision sees it. */
export interface Candidate extends Place {
  /** Rollouts that failed it, and count for it no more. */
  readonly excluded: ReadonlySet<RolloutId>;
  /** What its present desired config consists of, but for what it could not be told of. */
  readonly holds: ReadonlyMap<RolloutId, Contribution>;
  /** Rollouts that were taken back from it. */
  readonly returned: ReadonlySet<RolloutId>;
  /** Rollouts whose present wave names it: to be assigned, or while they are taken back, to be relieved. */
  readonly waved: ReadonlySet<RolloutId>;
  /** What it says that it has or works at, or never says and was offered last; "" where nobody knows. */
  readonly reported: ConfigHash | "";
  /** When it was offered what it said that it failed, by the hash of that; as far as that is remembered. */
  readonly failedAtMs: ReadonlyMap<ConfigHash, number>;
  /** What it ever said that it applied, as far as that is remembered. */
  readonly applied: ReadonlySet<ConfigHash>;
  /**
   * When a loss of the fleet state took what it was assigned, and it never says what it has: nobody can know what rollouts
   * from before brought it. Null: there was none, or it has been assigned something since.
   */
  readonly forgottenAtMs: number | null;
  /** Whether it takes no configs at all. */
  readonly isIncapable: boolean;
  /** The uid that it has now; `uid` is the one that it had first. */
  readonly presentUid: InstanceUid;
  /** Whether it is known to lack some of these. */
  lacks(components: readonly string[]): boolean;
}

/** A decision. */
export interface Wanted {
  /** Null: no opinion, and such an agent is offered nothing at all. */
  readonly desired: Desired | null;
  /** Rollouts that the agent had and is without now because they are taken back. */
  readonly returned: readonly RolloutId[];
  /** Rollouts that succeeded and have to admit the agent first. */
  readonly awaited: readonly RolloutId[];
  /** Rollouts under way that reached the agent and are for it no more: its labels changed. */
  readonly left: readonly RolloutId[];
}

/** What the layers say, without what the agent left. */
type Answer = Omit<Wanted, "left">;

interface Line {
  readonly configId: ConfigId;
  readonly layers: readonly ParsedLayer[];
}

interface ParsedLayer extends Layer {
  readonly target: Selector;
  readonly stages: readonly { readonly reach: Reach; readonly selector: Selector }[];
}

/** What became of one line. */
interface LineDecision {
  readonly contribution: Contribution | null;
  /** Something that the agent had was taken from it. */
  readonly isRelieved: boolean;
  /** Nobody knows what it has, and it is left alone until its turn comes. */
  readonly isHeld: boolean;
  readonly returned: readonly RolloutId[];
  readonly awaited: readonly RolloutId[];
}

/**
 * Prepares the decision for many agents: parses every selector once.
 * @returns a function candidate → what it should run, or no opinion when no config reaches it: absence means no opinion.
 *   Where a rollout failed the agent or was taken back, the next older layer counts, and where there is none, the blank config.
 */
export function createWanted(assignments: readonly Assignment[]): (candidate: Candidate) => Wanted {
  const lines = assignments.map(({ configId, layers }): Line => ({ configId, layers: layers.map(parseLayer) }));
  return (candidate) => {
    if (candidate.isIncapable) return { desired: null, returned: [], awaited: [], left: [] };
    const relevant = lines.filter(({ layers }) => layers.some(({ target }) => matches(target, candidate.labels)));
    const answer = knownAlready(relevant, candidate) ?? decideSparing(relevant, candidate, new Set());
    return { ...answer, left: leftBy(lines, candidate) };
  };
}

function leftBy(lines: readonly Line[], { holds, excluded, labels }: Candidate): readonly RolloutId[] {
  if (holds.size === 0 && excluded.size === 0) return [];
  const isReached = ({ rolloutId }: Layer): boolean => holds.has(rolloutId) || excluded.has(rolloutId);
  return lines
    .flatMap(({ layers }) => layers.filter((layer) => isUnderWay(layer) && isReached(layer)))
    .filter(({ target }) => !matches(target, labels))
    .map(({ rolloutId }) => rolloutId);
}

function isUnderWay({ mode }: Layer): boolean {
  return mode === "open" || mode === "paced" || mode === "withdrawing";
}

function parseLayer(layer: Layer): ParsedLayer {
  const stages = layer.reach.map((reach) => ({ reach, selector: parseSelector(reach.selector) }));
  return { ...layer, target: parseSelector(layer.selector), stages };
}

/**
 * After a loss of the fleet state nobody knows who was admitted, but an agent that says that it runs what it would run with
 * a rollout was. Tried with all rollouts that admit one by one, then with each of them alone.
 */
function knownAlready(lines: readonly Line[], candidate: Candidate): Answer | null {
  if (candidate.reported === "") return null;
  const open = lines.flatMap(({ layers }) =>
    layers
      .filter((layer) => isSticky(layer) && !candidate.holds.has(layer.rolloutId))
      .map(({ rolloutId }) => rolloutId),
  );
  if (open.length === 0) return null;
  for (const granted of [new Set(open), ...(open.length > 1 ? open.map((id) => new Set([id])) : [])]) {
    const wanted = decideSparing(lines, candidate, granted);
    if (wanted.desired?.hash === candidate.reported) return wanted;
  }
  return null;
}

function isSticky({ mode, latecomers }: Layer): boolean {
  const isForAll = mode === "open" || mode === "withdrawn" || mode === "fallback";
  return !isForAll && (mode !== "stable" || latecomers !== undefined);
}

/**
 * Decides, and again without the newest rollout that would bring it together with other configs what it failed as a whole
 * before: each part alone may be well known to it.
 */
function decideSparing(lines: readonly Line[], candidate: Candidate, granted: ReadonlySet<RolloutId>): Answer {
  const spared = new Set<RolloutId>();
  for (;;) {
    const wanted = decide(lines, candidate, granted, spared);
    const failedAtMs = wanted.desired === null ? undefined : candidate.failedAtMs.get(wanted.desired.hash);
    if (failedAtMs === undefined) return wanted;
    const spares = ({ rolloutId }: Contribution): boolean =>
      !candidate.holds.has(rolloutId) && !spared.has(rolloutId) && failedAtMs < sparesBeforeMs(lines, rolloutId);
    const newest = wanted.desired?.contributions.filter(spares).sort(byRollout).at(-1);
    if (newest === undefined) return wanted;
    spared.add(newest.rolloutId);
  }
}

function byRollout(a: Contribution, b: Contribution): number {
  return a.rolloutId < b.rolloutId ? -1 : 1;
}

function sparesBeforeMs(lines: readonly Line[], id: RolloutId): number {
  const layer = lines.flatMap(({ layers }) => layers).find(({ rolloutId }) => rolloutId === id);
  return layer?.sparesFailedBeforeMs ?? 0;
}

function decide(
  lines: readonly Line[],
  candidate: Candidate,
  granted: ReadonlySet<RolloutId>,
  spared: ReadonlySet<RolloutId>,
): Answer {
  const decisions = lines.map((line) => decideLine(line, candidate, granted, spared));
  const contributions = decisions.flatMap(({ contribution }) => (contribution === null ? [] : [contribution]));
  const returned = decisions.flatMap((each) => each.returned);
  const awaited = decisions.flatMap((each) => each.awaited);
  if (decisions.some(({ isHeld }) => isHeld)) return { desired: null, returned, awaited };
  if (contributions.length > 0) return { desired: desiredOf(contributions), returned, awaited };
  // It may still run what was taken from it; no opinion would leave it there.
  return { desired: decisions.some(({ isRelieved }) => isRelieved) ? BLANK : null, returned, awaited };
}

function decideLine(
  line: Line,
  candidate: Candidate,
  granted: ReadonlySet<RolloutId>,
  spared: ReadonlySet<RolloutId>,
): LineDecision {
  const returned: RolloutId[] = [];
  const awaited: RolloutId[] = [];
  const none: LineDecision = { contribution: null, isRelieved: false, isHeld: false, returned, awaited };
  let isPassedOver = false;
  for (const layer of line.layers) {
    const { rolloutId, revision, hash, order, mode } = layer;
    if (!matches(layer.target, candidate.labels)) continue;
    if (mode === "fallback" && !isPassedOver) continue;
    // Taken back: only what is stable counts below.
    if (returned.length > 0 && mode !== "stable" && mode !== "fallback") continue;
    const isNew = layer.newAgents !== undefined && isNewcomer(candidate.uid, layer.newAgents.sinceMs);
    if (isNew && layer.newAgents?.policy === "hold") return none;
    if (isNew) continue;
    if (!candidate.excluded.has(rolloutId)) {
      const isLeftAlone = isSpared(layer, candidate) || spared.has(rolloutId) || candidate.lacks(layer.components);
      const isAwaited = !isLeftAlone && mode === "stable" && layer.latecomers === "paced";
      const isHeld = isHeldBack(layer, candidate);
      if (!isHeld && wasReturned(layer, candidate)) returned.push(rolloutId);
      else if (!isHeld && !isLeftAlone && takes(layer, candidate, granted)) {
        const part = { configId: line.configId, revision, hash, order, rolloutId };
        return { ...none, contribution: withValues(part, layer.variables, candidate) };
      } else if (isAwaited) awaited.push(rolloutId);
      if (mode === "stable" && layer.latecomers !== undefined && !isHeld) {
        const kept = keptOf(line, candidate, returned);
        if (kept !== null) return { ...none, contribution: kept };
      }
      if (isHeld) return { ...none, isHeld };
    }
    isPassedOver ||= mode === "stable";
  }
  return { ...none, isRelieved: isRelieved(line, candidate) || returned.length > 0 };
}

/** A part with the values that its variables have for an agent now. */
export function withValues(
  part: Omit<Contribution, "variables">,
  keys: readonly string[] | undefined,
  { labels, presentUid }: Pick<Candidate, "labels" | "presentUid">,
): Contribution {
  return keys === undefined ? part : { ...part, variables: valuesFor(keys, labels, presentUid) };
}

/** What an agent keeps that comes too late for what is stable: what it has, whatever is stable below that. */
function keptOf(
  { configId }: Line,
  { holds, excluded }: Candidate,
  returned: readonly RolloutId[],
): Contribution | null {
  const kept = [...holds.values()].find((part) => part.configId === configId);
  return kept === undefined || excluded.has(kept.rolloutId) || returned.includes(kept.rolloutId) ? null : kept;
}

/** Whether it failed this very content under an earlier rollout. */
function isSpared({ hash, sparesFailedBeforeMs = 0 }: Layer, { failedAtMs }: Candidate): boolean {
  return (failedAtMs.get(hash) ?? Number.POSITIVE_INFINITY) < sparesFailedBeforeMs;
}

function isRelieved({ layers }: Line, { excluded }: Candidate): boolean {
  return layers.some(({ rolloutId }) => excluded.has(rolloutId));
}

/** Whether a rollout from before a loss of the fleet state may have brought it what it brings. */
function mayHaveIt(layer: ParsedLayer, candidate: Candidate): boolean {
  const { forgottenAtMs } = candidate;
  const isForIt = layer.mode === "stable" || reaches(layer, candidate);
  return forgottenAtMs !== null && (layer.sinceMs ?? 0) < forgottenAtMs && isForIt;
}

/** Whether it is left alone, with what it may have, until the rollout names it. */
function isHeldBack(layer: ParsedLayer, candidate: Candidate): boolean {
  const { mode, latecomers, rolloutId, sinceMs } = layer;
  const isLate = mode === "stable" && latecomers !== undefined && !isNewSince(sinceMs, candidate);
  const isOneByOne = mode === "paced" || mode === "withdrawing" || isLate;
  return isOneByOne && !candidate.waved.has(rolloutId) && mayHaveIt(layer, candidate);
}

function takes(layer: ParsedLayer, candidate: Candidate, granted: ReadonlySet<RolloutId>): boolean {
  const { rolloutId, mode, sinceMs, latecomers } = layer;
  switch (mode) {
    case "stable":
      if (latecomers === undefined || hasIt(layer, candidate, granted)) return true;
      if (latecomers === "paced" && candidate.waved.has(rolloutId)) return true;
      return isNewSince(sinceMs, candidate);
    case "fallback":
      return true;
    case "open":
      return reaches(layer, candidate);
    case "paced":
      if (!reaches(layer, candidate)) return false;
      return hasIt(layer, candidate, granted) || candidate.waved.has(rolloutId);
    case "frozen":
      return reaches(layer, candidate) && hasIt(layer, candidate, granted);
    case "withdrawing":
      return hasIt(layer, candidate, granted);
    case "withdrawn":
      return false;
  }
}

function isNewSince(sinceMs: number | undefined, { uid }: Candidate): boolean {
  return sinceMs !== undefined && isNewcomer(uid, sinceMs);
}

function hasIt({ rolloutId, mode, hash }: Layer, candidate: Candidate, granted: ReadonlySet<RolloutId>): boolean {
  if (candidate.holds.has(rolloutId) || granted.has(rolloutId)) return true;
  const isOver = mode === "frozen" || mode === "stable";
  return isOver && candidate.applied.has(hash);
}

/** Whether a rollout that is taken back was taken from this agent, or is to be now. */
function wasReturned(layer: ParsedLayer, candidate: Candidate): boolean {
  const { rolloutId, mode, hash } = layer;
  if (candidate.returned.has(rolloutId)) return mode === "withdrawing" || mode === "withdrawn";
  const had = candidate.holds.has(rolloutId) || candidate.reported === hash || mayHaveIt(layer, candidate);
  if (mode === "withdrawing") return had && candidate.waved.has(rolloutId);
  return mode === "withdrawn" && had;
}

function reaches(layer: ParsedLayer, candidate: Candidate): boolean {
  return layer.stages.some(
    ({ reach, selector }) =>
      matches(selector, candidate.labels) && placeIn(reach.order, layer.seed, candidate) <= reach.cutoff,
  );
}
