// One agent as the decision of desired.ts sees it: read off its view and what it was assigned before. Pure.

import { latestAttempt } from "./attempt.ts";
import type { Desired } from "./compose.ts";
import type { Candidate, Exclusion } from "./desired.ts";
import { hasCapability, isConnected, labelsOf, originOf } from "./facts.ts";
import type { ConfigHash, RolloutId } from "./ids.ts";
import { UID_VARIABLE, variableIn } from "./variables.ts";
import type { AgentView } from "./view.ts";

/** A desired config as it is stored. */
export interface DesiredRecord extends Desired {
  readonly assignedAtMs: number;
  /** Which try of the config this is; absent: the first. */
  readonly tries?: number;
  /** Rollouts that would have brought it something else, and do not count for it any more. */
  readonly exclusions?: readonly Exclusion[];
  /** Rollouts that brought it something and were taken back. */
  readonly returned?: readonly RolloutId[];
}

/** What is known beside the agent's own view. */
export interface CandidateContext {
  readonly present: DesiredRecord | null;
  readonly excluded: readonly Exclusion[];
  /** Rollouts whose present wave names it. */
  readonly waved: ReadonlySet<RolloutId>;
  /** Components that it is known to have; null where it does not say. */
  readonly components: ReadonlySet<string> | null;
  /** When the fleet state was last lost; absent or 0: never. */
  readonly fleetLostAtMs?: number;
}

/** Clocks of gateways and workers may differ by this much. */
export const CLOCK_SKEW_MS = 5_000;

/** The agent as the decision sees it. */
export function candidateOf(view: AgentView, context: CandidateContext): Candidate {
  const { present, components, fleetLostAtMs = 0 } = context;
  const labels = labelsOf(view);
  const ack = view.acknowledgement?.value;
  const isTaken = ack?.state === "applied" || ack?.state === "applying";
  const applied = view.attempts.flatMap(({ hash, answer }) => (answer?.state === "applied" ? [hash] : []));
  return {
    uid: originOf(view),
    presentUid: view.uid,
    labels,
    excluded: new Set(context.excluded.map(({ rolloutId }) => rolloutId)),
    holds: new Map(isUntold(view, present) ? [] : present?.contributions.map((part) => [part.rolloutId, part])),
    returned: new Set(present?.returned),
    waved: context.waved,
    reported: isTaken ? ack.hash : hasCapability(view, "ReportsRemoteConfig") ? "" : (view.attempts.at(-1)?.hash ?? ""),
    failedAtMs: failedAtMs(view),
    applied: new Set(applied),
    isIncapable: isIncapable(view),
    forgottenAtMs: isForgotten(view, present, fleetLostAtMs) ? fleetLostAtMs : null,
    lacks: (wanted) => lacking(wanted, components, labels).length > 0,
  };
}

/** When an agent was offered what it said that it failed, by hash; the newest time counts. */
export function failedAtMs({ attempts }: Pick<AgentView, "attempts">): ReadonlyMap<ConfigHash, number> {
  const failed = attempts.filter(({ answer }) => answer?.state === "failed");
  return new Map(failed.map(({ hash, offeredAtMs }) => [hash, offeredAtMs]));
}

/** Seen first after a loss of the fleet state, by a gateway that never offered it anything, and it never says what it has. */
function isForgotten(view: AgentView, present: DesiredRecord | null, fleetLostAtMs: number): boolean {
  if (present !== null || fleetLostAtMs === 0 || hasCapability(view, "ReportsRemoteConfig")) return false;
  return view.attempts.length === 0 && view.firstSeenAtMs >= fleetLostAtMs - CLOCK_SKEW_MS;
}

/**
 * Assigned while it was there, gone before any gateway could offer it: it may be asked to wait again. Who is tried again was
 * offered it before.
 */
export function isUntold(view: AgentView, present: DesiredRecord | null): boolean {
  return (
    present !== null &&
    (present.tries ?? 1) === 1 &&
    !isConnected(view) &&
    offerOf(view, present) === null &&
    view.acknowledgement?.value.hash !== present.hash
  );
}

/** The offer of what an agent was assigned; null while there was none under this assignment. */
export function offerOf(view: AgentView, { hash, assignedAtMs, tries = 1 }: DesiredRecord) {
  const attempt = latestAttempt(view.attempts, hash);
  if (attempt === null || (attempt.tries ?? 1) < tries) return null;
  // An agent that never tells a status is offered a config once per process (gateway/offer.ts): its last offer stands.
  const isStanding = !hasCapability(view, "ReportsRemoteConfig") && attempt === view.attempts.at(-1);
  return isStanding || attempt.offeredAtMs >= assignedAtMs - CLOCK_SKEW_MS ? attempt : null;
}

/**
 * What an agent lacks of what it is to have: components that it does not say it has, unless it says nothing at all, and
 * variables without a value.
 */
export function lacking(
  wanted: readonly string[],
  components: ReadonlySet<string> | null,
  labels: ReadonlyMap<string, string>,
): readonly string[] {
  return wanted.filter((each) => {
    const key = variableIn(each);
    if (key !== null) return key !== UID_VARIABLE && !labels.has(key);
    return components !== null && !components.has(each);
  });
}

/** Whether it says that it takes no configs from here. */
export function isIncapable(view: AgentView): boolean {
  return view.capabilities !== null && !hasCapability(view, "AcceptsRemoteConfig");
}

/** Whether both say the same, down to the rollouts that brought it and those that do not count any more. */
export function isSameDesired(
  a: Omit<DesiredRecord, "assignedAtMs"> | null,
  b: Omit<DesiredRecord, "assignedAtMs"> | null,
): boolean {
  if (a === null || b === null) return a === b;
  if (a.hash !== b.hash || a.contributions.length !== b.contributions.length) return false;
  if ((a.exclusions?.length ?? 0) !== (b.exclusions?.length ?? 0)) return false;
  if ((a.returned?.length ?? 0) !== (b.returned?.length ?? 0) || (a.tries ?? 1) !== (b.tries ?? 1)) return false;
  return a.contributions.every((part, i) => {
    const other = b.contributions[i];
    return (
      other !== undefined &&
      part.configId === other.configId &&
      part.revision === other.revision &&
      part.rolloutId === other.rolloutId
    );
  });
}
