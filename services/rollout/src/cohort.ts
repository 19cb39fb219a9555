// Loads every agent that a rollout is for, with what it reported and what it was assigned, a page at a time.

import {
  type CohortAgent,
  type DesiredRecord,
  type InstanceUid,
  labelsOf,
  lacking,
  matches,
  parseSelector,
} from "@muster/fleet";
import { type Candidates, candidatesFor, type VersionedView } from "@muster/store";

/** What it needs. */
export interface CohortDeps {
  page(after: string, limit: number, candidates?: Candidates): Promise<readonly InstanceUid[]>;
  loadViews(uids: readonly InstanceUid[]): Promise<readonly VersionedView[]>;
  loadDesired(uids: readonly InstanceUid[]): Promise<readonly (DesiredRecord | null)[]>;
  /** Components that an inventory names; null when nobody told it. */
  componentsAt(address: string): Promise<ReadonlySet<string> | null>;
}

const PAGE = 1_000;

/** The cohort of a selector, for a revision that uses `components`. Agents that have not described themselves are in none. */
export async function loadCohort(
  text: string,
  components: readonly string[],
  deps: CohortDeps,
): Promise<readonly CohortAgent[]> {
  const selector = parseSelector(text);
  const candidates = candidatesFor(selector);
  const cohort: CohortAgent[] = [];
  let after = "";
  for (;;) {
    const uids = await deps.page(after, PAGE, candidates);
    const last = uids.at(-1);
    if (last === undefined) return cohort;
    const [views, desired] = await Promise.all([deps.loadViews(uids), deps.loadDesired(uids)]);
    const desiredOf = new Map(uids.map((uid, i) => [uid, desired[i] ?? null]));
    for (const { view } of views) {
      if (view.description === null || !matches(selector, labelsOf(view))) continue;
      const address = view.components?.value.address;
      const has = typeof address === "string" && components.length > 0 ? await deps.componentsAt(address) : null;
      cohort.push({ view, desired: desiredOf.get(view.uid) ?? null, lacking: lacking(components, has) });
    }
    after = last;
  }
}
