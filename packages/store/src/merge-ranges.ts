// One list in the order of the uids over all partitions. Uids are spread evenly, so each partition is asked for its share of
// a page and a little more, and again only where that was not enough.

import type { InstanceUid } from "@muster/fleet";
import type { Partition } from "./keys.ts";

/** A piece of a partition's list. */
export interface Range {
  /** In any order. */
  readonly uids: readonly InstanceUid[];
  /** All of the partition's up to here are told; null: there are no more. */
  readonly upTo: InstanceUid | null;
}

/** Up to `limit` uids above `after`. @param read about `count` of a partition above a uid, or what there is */
export async function mergeRanges(
  partitions: readonly Partition[],
  after: string,
  limit: number,
  read: (p: Partition, after: string, count: number) => Promise<Range>,
): Promise<readonly InstanceUid[]> {
  const share = Math.min(limit, Math.ceil((1.25 * limit) / partitions.length) + 4);
  const uids = new Map<Partition, readonly InstanceUid[]>();
  const ends = new Map<Partition, string>(partitions.map((p) => [p, after])); // of those that have more
  let behind = partitions;
  for (;;) {
    const ranges = await Promise.all(behind.map((p) => read(p, ends.get(p) ?? after, share)));
    for (const [i, { uids: more, upTo }] of ranges.entries()) {
      const p = behind[i] ?? 0;
      uids.set(p, [...(uids.get(p) ?? []), ...more]);
      if (upTo === null) ends.delete(p);
      else ends.set(p, upTo);
    }
    const known = [...uids.values()].flat().sort();
    // The page ends here at the latest: what is above, nobody has to know.
    const last = known[limit - 1];
    behind = [...ends].filter(([, end]) => last === undefined || end < last).map(([p]) => p);
    if (behind.length === 0) return known.slice(0, limit);
  }
}
