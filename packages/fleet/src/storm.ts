// Storms: a failure domain or a gateway that goes dark as a whole says nothing about the revision. Pure; a rollout pauses
// in one and does not take itself back.
//
// A bad config that kills agents looks alike where all agents of a domain were offered it. Then the others tell: where
// agents elsewhere that were offered it are still there, it is a storm; where they went dark too, it is the config.

import type { CohortAgent } from "./assess.ts";
import { isConnected, labelsOf } from "./facts.ts";
import type { RolloutId } from "./ids.ts";

/** What tells the storm that an agent is in. */
type StormGroups = Pick<StormRule, "domainKey">;

/** A domain, a gateway or the fleet that is dark. */
export interface Storm {
  /** `domain <name>`, `gateway <id>` or `fleet`. */
  readonly name: string;
  readonly darkCount: number;
  readonly totalCount: number;
}

/** What tells a storm. */
export interface StormRule {
  readonly rolloutId: RolloutId;
  /** Attribute that tells the failure domain; "": there are none but the gateways. */
  readonly domainKey: string;
  /** Agents that left since then count as dark; who left before was away. */
  readonly sinceMs: number;
  /** How long an agent must be away: those of a gateway that restarts are back in seconds. */
  readonly afterMs: number;
}

/** Smaller groups are no evidence. */
const MIN_AGENTS = 5;
/** But a domain that people named is, where all of its agents are dark: a small zone is a zone. */
const MIN_DOMAIN_AGENTS = 3;
/** Agents of a gateway that went away come back at another: those left are a storm only where they are many of the fleet. */
const GATEWAY_SHARE = 0.1;
/** Share of a group that must be dark. */
const DARK_SHARE = 0.5;
/** Share of the agents elsewhere with the revision up to which these are well. */
const ELSEWHERE_SHARE = 0.1;

interface Tally {
  total: number;
  dark: number;
  untouched: number;
  untouchedDark: number;
  touched: number;
  touchedDark: number;
}

/** The storms at this moment, and who is in them. */
export function findStorms(
  cohort: readonly CohortAgent[],
  rule: StormRule,
  nowMs: number,
): ReadonlyMap<CohortAgent, Storm> {
  if (!cohort.some((agent) => wentDark(agent, rule, nowMs))) return new Map();
  const groups = new Map<string, Tally>();
  const all = anEmptyTally();
  for (const agent of cohort) {
    const isTouched = hasRevision(agent, rule);
    const isDark = wentDark(agent, rule, nowMs);
    if (!isDark && !isConnected(agent.view)) continue; // it was away before
    count(all, isTouched, isDark);
    for (const name of groupsOf(agent, rule)) {
      const tally = groups.get(name) ?? anEmptyTally();
      count(tally, isTouched, isDark);
      groups.set(name, tally);
    }
  }
  const storms = [...groups].filter(([name, tally]) => isStorm(name, tally, all));
  return inStorms(
    cohort,
    rule,
    storms.map(([name, tally]) => stormOf(name, tally)),
  );
}

/** Who of these agents is in which of the storms that were found in the whole cohort. */
export function inStorms(
  agents: readonly CohortAgent[],
  groups: StormGroups,
  storms: readonly Storm[],
): ReadonlyMap<CohortAgent, Storm> {
  const members = new Map<CohortAgent, Storm>();
  if (storms.length === 0) return members;
  const byName = new Map(storms.map((storm) => [storm.name, storm]));
  for (const agent of agents) {
    const name = groupsOf(agent, groups).find((each) => byName.has(each));
    const storm = name === undefined ? undefined : byName.get(name);
    if (storm !== undefined && !isConnected(agent.view)) members.set(agent, storm);
  }
  return members;
}

function isStorm(name: string, tally: Tally, all: Tally): boolean {
  if (name.startsWith("gateway ") && tally.total < all.total * GATEWAY_SHARE) return false;
  if (!isEvidence(name, tally)) return false;
  if (tally.untouched > 0) return tally.untouchedDark >= tally.untouched * DARK_SHARE;
  const elsewhere = all.touched - tally.touched;
  return elsewhere > 0 && all.touchedDark - tally.touchedDark <= elsewhere * ELSEWHERE_SHARE;
}

function isEvidence(name: string, { total, dark }: Tally): boolean {
  if (total >= MIN_AGENTS) return dark >= total * DARK_SHARE;
  return name.startsWith("domain ") && total >= MIN_DOMAIN_AGENTS && dark === total;
}

function hasRevision({ desired }: CohortAgent, { rolloutId }: StormRule): boolean {
  return desired?.contributions.some((part) => part.rolloutId === rolloutId) ?? false;
}

function wentDark({ view }: CohortAgent, { sinceMs, afterMs }: StormRule, nowMs: number): boolean {
  const endedAtMs = view.connection?.value.ended?.atMs;
  if (endedAtMs === undefined) return false;
  return endedAtMs >= sinceMs && nowMs >= endedAtMs + afterMs;
}

function groupsOf({ view }: CohortAgent, { domainKey }: StormGroups): readonly string[] {
  const domain = domainKey === "" ? undefined : labelsOf(view).get(domainKey);
  const gateway = view.connection?.value.gateway;
  const named = [...(domain === undefined ? [] : [`domain ${domain}`]), "fleet"];
  return typeof gateway === "string" ? [...named, `gateway ${gateway}`] : named;
}

function count(tally: Tally, isTouched: boolean, isDark: boolean): void {
  tally.total += 1;
  tally[isTouched ? "touched" : "untouched"] += 1;
  if (!isDark) return;
  tally.dark += 1;
  tally[isTouched ? "touchedDark" : "untouchedDark"] += 1;
}

function anEmptyTally(): Tally {
  return { total: 0, dark: 0, untouched: 0, untouchedDark: 0, touched: 0, touchedDark: 0 };
}

function stormOf(name: string, { dark, total }: Tally): Storm {
  return { name, darkCount: dark, totalCount: total };
}
