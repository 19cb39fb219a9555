// A slow walk over those agents that a selector matches, a few with each pass, one partition after the other and round again:
// for what no event brings about. The index finds them, so all others cost nothing. Called by the projector every two seconds.

import type { InstanceUid, Selector } from "@muster/fleet";
import type { Partition } from "@muster/store";

/** What it walks over. */
export interface SweepDeps {
  readonly partitions: number;
  readonly selector: Selector;
  pageOf(partition: Partition, after: string, limit: number, selector: Selector): Promise<readonly InstanceUid[]>;
  /** Looks at some of them; they may not match any more. */
  visit(uids: readonly InstanceUid[]): Promise<void>;
}

/** Agents of one pass. */
export const SWEEP_LIMIT = 250;

/** Answers what makes one pass. */
export function createSweep({ partitions, selector, pageOf, visit }: SweepDeps): () => Promise<void> {
  let partition = 0;
  let after = "";
  return async () => {
    // Partitions with nobody are passed over, but no more than all of them.
    for (let looked = 0; looked < partitions; looked++) {
      const uids = await pageOf(partition, after, SWEEP_LIMIT, selector);
      if (uids.length > 0) await visit(uids);
      after = uids.length < SWEEP_LIMIT ? "" : (uids.at(-1) ?? "");
      if (after === "") partition = (partition + 1) % partitions;
      if (uids.length > 0) return;
    }
  };
}
