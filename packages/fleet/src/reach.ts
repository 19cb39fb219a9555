// Whom the stages of a rollout reach: exact sizes, from ranks. The same arithmetic serves the stage that starts now, the
// preview of stages that have not started, and the question in which stage an agent is. Pure.

import type { CohortAgent } from "./assess.ts";
import { isIncapable } from "./candidate.ts";
import { labelsOf, originOf } from "./facts.ts";
import { EVERYONE, isNewcomer, NOBODY, type Place, placeIn, type Rank } from "./rank.ts";
import type { RolloutSpec, RolloutStatus, Stage, StageSize } from "./rollout.ts";
import { matches, parseSelector, type Selector } from "./selector.ts";

/** An agent of the cohort with where it stands. */
export interface Placed {
  readonly agent: CohortAgent;
  readonly place: Place;
  /** The first stage that reaches it, from 0; null: none that has started. */
  readonly stage: number | null;
  /** Its rank in the order of that stage; "" without one. */
  readonly rank: Rank;
  /** Its failure domain; "" when the rollout has none. */
  readonly domain: string;
}

/** What a stage that starts is to reach. */
export interface Target {
  readonly cutoff: Rank;
  /** Agents that have the revision when it is done, those of the stages before it included. */
  readonly size: number;
  /** Those among them that no stage before it reached. */
  readonly newCount: number;
}

/** A stage with its selector parsed. */
interface ParsedStage {
  readonly stage: Stage;
  readonly selector: Selector;
}

/** Where every agent of the cohort stands, by the stages that have started. */
export function placeCohort(
  cohort: readonly CohortAgent[],
  spec: RolloutSpec,
  status: RolloutStatus,
): readonly Placed[] {
  const parsed = spec.stages.map(parseStage);
  const cutoffs = status.stages.map(({ cutoff }) => cutoff);
  return cohort.map((agent) => placeAgent(agent, spec, parsed, cutoffs, status.startedAtMs));
}

function parseStage(stage: Stage): ParsedStage {
  return { stage, selector: parseSelector(stage.size.kind === "selector" ? stage.size.selector : "") };
}

function placeAgent(
  agent: CohortAgent,
  spec: RolloutSpec,
  stages: readonly ParsedStage[],
  cutoffs: readonly Rank[],
  startedAtMs: number | null,
): Placed {
  const { domainKey } = spec.pace;
  const place = { uid: originOf(agent.view), labels: labelsOf(agent.view) };
  const domain = domainKey === "" ? "" : (place.labels.get(domainKey) ?? "");
  const isNew = spec.policies.newAgents !== "by_rank" && startedAtMs !== null && isNewcomer(place.uid, startedAtMs);
  if (!isNew) {
    for (const [i, { stage, selector }] of stages.entries()) {
      const cutoff = cutoffs[i] ?? NOBODY;
      if (cutoff === NOBODY || !matches(selector, place.labels)) continue;
      const rank = placeIn(stage.order, spec.seed, place);
      if (rank <= cutoff) return { agent, place, stage: i, rank, domain };
    }
  }
  return { agent, place, stage: null, rank: "", domain };
}

/** What stage `index` is to reach, when the stages before it reach those that are placed in one. */
export function targetOf(placed: readonly Placed[], spec: RolloutSpec, index: number): Target {
  const stage = spec.stages[index];
  const capable = placed.filter(({ agent }) => isCapable(agent));
  const reachedCount = capable.filter((one) => one.stage !== null).length;
  if (stage === undefined) return { cutoff: NOBODY, size: reachedCount, newCount: 0 };
  const { selector } = parseStage(stage);
  const isMember = ({ place }: Placed): boolean => matches(selector, place.labels);
  const open = capable.filter((one) => one.stage === null && isMember(one));
  const isLast = index === spec.stages.length - 1;
  // A selector is whoever matches it, and the last stage whoever there is: also agents that have not come yet.
  if (isLast || stage.size.kind === "selector") {
    return { cutoff: EVERYONE, size: reachedCount + open.length, newCount: open.length };
  }
  const newCount = Math.max(0, stageSize(stage.size, capable.length) - reachedCount);
  if (newCount === 0) return { cutoff: NOBODY, size: reachedCount, newCount };
  const ranks = open.map(({ place }) => placeIn(stage.order, spec.seed, place)).sort();
  return { cutoff: ranks[newCount - 1] ?? NOBODY, size: reachedCount + newCount, newCount };
}

/** Every stage with whom it would reach if it started now, one after the other. */
export function previewStages(
  cohort: readonly CohortAgent[],
  spec: RolloutSpec,
): readonly { readonly target: Target; readonly members: readonly Placed[] }[] {
  const parsed = spec.stages.map(parseStage);
  let cutoffs: readonly Rank[] = spec.stages.map(() => NOBODY);
  const place = (): readonly Placed[] => cohort.map((agent) => placeAgent(agent, spec, parsed, cutoffs, null));
  return spec.stages.map((_, i) => {
    const target = targetOf(place(), spec, i);
    cutoffs = cutoffs.with(i, target.cutoff);
    return { target, members: place().filter(({ stage }) => stage === i) };
  });
}

/** Whether an agent can take the revision at all. */
export function isCapable({ view, lacking }: CohortAgent): boolean {
  return !isIncapable(view) && (lacking?.length ?? 0) === 0;
}

/** How many agents have the revision at the end of a stage: a share is rounded up, neither exceeds the fleet. */
export function stageSize(size: Exclude<StageSize, { kind: "selector" }>, fleetSize: number): number {
  switch (size.kind) {
    case "percent":
      // The tiny term keeps 7 % of 100 at 7, though 0.07 * 100 is a hair more than 7 in binary.
      return Math.max(0, Math.min(fleetSize, Math.ceil((fleetSize * size.percent) / 100 - 1e-9)));
    case "count":
      return Math.min(fleetSize, size.count);
  }
}
