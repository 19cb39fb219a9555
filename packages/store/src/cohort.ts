// The agents that a rollout is for, with all that judging them needs: what they reported, what they were assigned, how the
// rollout failed them, and which components they lack. Read a page at a time, by workers and by those who explain.

import {
  type CohortAgent,
  type Exclusion,
  type InstanceUid,
  labelsOf,
  lacking,
  matches,
  parseSelector,
  type RolloutSpec,
} from "@muster/fleet";
import { LRUCache } from "lru-cache";
import { type Agents, type Candidates, candidatesFor } from "./agents.ts";
import type { DesiredConfigs } from "./desired.ts";
import type { Inventories } from "./inventories.ts";
import type { RolloutRecords } from "./rollout-records.ts";

/** What a cohort is read for. */
export type CohortSpec = Pick<RolloutSpec, "id" | "selector" | "components">;

/** Cohorts of rollouts. */
export interface Cohorts {
  /** Every agent that the rollout is for now. Agents that have not described themselves are in none. */
  load(spec: CohortSpec): Promise<readonly CohortAgent[]>;
  /** Those with uids above `after`, looking at `limit` agents at most; `next` is where to go on, null at the end. */
  page(
    spec: CohortSpec,
    after: string,
    limit: number,
  ): Promise<{ readonly agents: readonly CohortAgent[]; readonly next: string | null }>;
  /** Components that an inventory names; null when nobody told it, or when it names none in the way of Collectors. */
  componentsAt(address: string): Promise<ReadonlySet<string> | null>;
}

/** What it reads. */
export interface CohortDeps {
  readonly agents: Pick<Agents, "page" | "load">;
  readonly desired: Pick<DesiredConfigs, "load">;
  readonly inventories: Pick<Inventories, "components">;
  readonly exclusions: RolloutRecords["exclusions"];
}

const PAGE = 1_000;
/** Inventories that are remembered: which components they name never changes. */
const MAX_INVENTORIES = 1_000;

type Excluded = ReadonlyMap<InstanceUid, Exclusion>;

/** Reads cohorts. */
export function createCohorts(deps: CohortDeps): Cohorts {
  const known = new LRUCache<string, ReadonlySet<string>>({ max: MAX_INVENTORIES });
  async function componentsAt(address: string): Promise<ReadonlySet<string> | null> {
    const before = known.get(address);
    if (before !== undefined) return before;
    const names = await deps.inventories.components(address);
    if (names === undefined || names.length === 0) return null;
    const components = new Set(names);
    known.set(address, components);
    return components;
  }
  async function page(
    spec: CohortSpec,
    excluded: Excluded,
    candidates: Candidates | undefined,
    after: string,
    limit: number,
  ) {
    const selector = parseSelector(spec.selector);
    const uids = await deps.agents.page(after, limit, candidates);
    const last = uids.at(-1);
    if (last === undefined) return { agents: [], next: null };
    const [views, desired] = await Promise.all([deps.agents.load(uids), deps.desired.load(uids)]);
    const desiredOf = new Map(uids.map((uid, i) => [uid, desired[i] ?? null]));
    const agents: CohortAgent[] = [];
    for (const { view } of views) {
      if (view.description === null || !matches(selector, labelsOf(view))) continue;
      const address = view.components?.value.address;
      const has = typeof address === "string" && spec.components.length > 0 ? await componentsAt(address) : null;
      // An agent that goes on under another uid is still the one that it was.
      const uid = [view.uid, ...view.previousUids].find((each) => excluded.has(each));
      const exclusion = uid === undefined ? undefined : excluded.get(uid);
      agents.push({
        view,
        desired: desiredOf.get(view.uid) ?? null,
        exclusion,
        lacking: lacking(spec.components, has),
      });
    }
    return { agents, next: last };
  }
  return {
    componentsAt,
    async page(spec, after, limit) {
      return await page(
        spec,
        await deps.exclusions(spec.id),
        candidatesFor(parseSelector(spec.selector)),
        after,
        limit,
      );
    },
    async load(spec) {
      const excluded = await deps.exclusions(spec.id);
      const candidates = candidatesFor(parseSelector(spec.selector));
      const all: CohortAgent[] = [];
      for (let after: string | null = ""; after !== null; ) {
        const found: { readonly agents: readonly CohortAgent[]; readonly next: string | null } = await page(
          spec,
          excluded,
          candidates,
          after,
          PAGE,
        );
        for (const agent of found.agents) all.push(agent);
        after = found.next;
      }
      return all;
    },
  };
}
