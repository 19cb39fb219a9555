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
  type Selector,
} from "@muster/fleet";
import type { Agents } from "./agents.ts";
import type { ComponentsAt } from "./components.ts";
import type { DesiredConfigs } from "./desired.ts";
import type { RolloutRecords } from "./rollout-records.ts";
import type { Shown } from "./shown.ts";

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
  /** One of them; undefined when it is not known, or the rollout is not for it. */
  find(spec: CohortSpec, uid: InstanceUid): Promise<CohortAgent | undefined>;
}

/** What it reads. */
export interface CohortDeps {
  readonly agents: Pick<Agents, "page" | "load">;
  readonly desired: Pick<DesiredConfigs, "load">;
  readonly componentsAt: ComponentsAt;
  readonly exclusions: RolloutRecords["exclusions"];
  readonly shown: Shown;
}

const PAGE = 1_000;

/** Agents of one page, before it is known whom the rollout failed. */
type Found = Omit<CohortAgent, "exclusion">;

/** Uids of a page that is being found. */
type Reading = Promise<readonly InstanceUid[]>;

/** Reads cohorts. */
export function createCohorts(deps: CohortDeps): Cohorts {
  function startReading(after: string, selector: Selector): Reading {
    const reading = deps.agents.page(after, PAGE, selector);
    reading.catch(() => undefined); // told to whoever waits for it
    return reading;
  }
  async function membersOf(
    spec: CohortSpec,
    selector: Selector,
    uids: readonly InstanceUid[],
  ): Promise<readonly Found[]> {
    const [views, desired] = await Promise.all([deps.agents.load(uids), deps.desired.load(uids)]);
    const desiredOf = new Map(uids.map((uid, i) => [uid, desired[i] ?? null]));
    const found: Found[] = [];
    for (const { view } of views) {
      const labels = labelsOf(view);
      if (view.description === null || !matches(selector, labels)) continue;
      const address = view.components?.value.address;
      const has = typeof address === "string" && spec.components.length > 0 ? await deps.componentsAt(address) : null;
      const wanted = desiredOf.get(view.uid) ?? null;
      const shows = await deps.shown(view, wanted);
      const lacks = lacking(spec.components, has, labels);
      found.push({ view, desired: wanted, lacking: lacks, ...(shows !== null && { shows }) });
    }
    return found;
  }
  return {
    async find(spec, uid) {
      const found = await membersOf(spec, parseSelector(spec.selector), [uid]);
      return withExclusions(found, await deps.exclusions(spec.id))[0];
    },
    async page(spec, after, limit) {
      const selector = parseSelector(spec.selector);
      const uids = await deps.agents.page(after, limit, selector);
      const found = await membersOf(spec, selector, uids);
      return { agents: withExclusions(found, await deps.exclusions(spec.id)), next: uids.at(-1) ?? null };
    },
    async load(spec) {
      const selector = parseSelector(spec.selector);
      const all: Found[] = [];
      for (let reading: Reading | null = startReading("", selector); reading !== null; ) {
        const uids: readonly InstanceUid[] = await reading;
        const last = uids.at(-1);
        // The next page is found while this one is read.
        reading = last === undefined ? null : startReading(last, selector);
        for (const agent of await membersOf(spec, selector, uids)) all.push(agent);
      }
      // Read last: an agent whose exclusion came in between must not look as if it had never failed.
      return withExclusions(all, await deps.exclusions(spec.id));
    },
  };
}

function withExclusions(
  found: readonly Found[],
  excluded: ReadonlyMap<InstanceUid, Exclusion>,
): readonly CohortAgent[] {
  if (excluded.size === 0) return found;
  return found.map((agent) => {
    // An agent that goes on under another uid is still the one that it was.
    const { uid, previousUids } = agent.view;
    const known = [uid, ...previousUids].find((each) => excluded.has(each));
    return known === undefined ? agent : { ...agent, exclusion: excluded.get(known) };
  });
}
