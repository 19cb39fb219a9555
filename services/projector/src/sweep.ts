// A slow walk over those agents that a selector matches, a few with each pass, one partition after the other; then a rest, and
// round again: for what no event brings about. The index finds them, so all others cost nothing, and an idle fleet next to
// nothing. Called by the projector every two seconds.

import type { InstanceUid, Selector } from "@muster/fleet";
import type { Partition } from "@muster/store";

/** What it walks over. */
export interface SweepDeps {
  readonly partitions: number;
  readonly selector: Selector;
  pageOf(partition: Partition, after: string, limit: number, selector: Selector): Promise<readonly InstanceUid[]>;
  /** Looks at some of them; they may not match any more. */
  visit(uids: readonly InstanceUid[]): Promise<void>;
  nowMs(): number;
}

/** Agents of one pass. */
export const SWEEP_LIMIT = 250;
/** Between two rounds, and before the first. */
export const REST_MS = 5 * 60_000;

/** Answers what makes one pass, if one is due. */
export function createSweep({ partitions, selector, pageOf, visit, nowMs }: SweepDeps): () => Promise<void> {
  let partition = 0;
  let after = "";
  let dueMs = nowMs() + REST_MS;
  return async () => {
    if (nowMs() < dueMs) return;
    while (partition < partitions) {
      const uids = await pageOf(partition, after, SWEEP_LIMIT, selector);
      if (uids.length > 0) await visit(uids);
      after = uids.length < SWEEP_LIMIT ? "" : (uids.at(-1) ?? "");
      if (after === "") partition += 1;
      if (uids.length > 0) return;
    }
    partition = 0;
    dueMs = nowMs() + REST_MS;
  };
}
