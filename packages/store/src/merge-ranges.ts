// One list in the order of the uids over all partitions. Uids are spread evenly, so each partition is asked for its share of
// a page and a little more, and again only where that was not enough.

import type { InstanceUid } from "@muster/fleet";
import type { Partition } from "./keys.ts";

/** Which way a list is walked: up, or from its end down. */
export type Direction = "up" | "down";

/** A piece of a partition's list. */
export interface Range {
  /** In any order. */
  readonly uids: readonly InstanceUid[];
  /** All of the partition's up to here are told; null: there are no more. */
  readonly upTo: InstanceUid | null;
}

/** Whether the first uid comes after the second on the way; "" is where the way begins. */
export function isBeyond(uid: string, other: string, direction: Direction): boolean {
  if (other === "") return uid !== "";
  return direction === "up" ? uid > other : uid < other;
}

/** Up to `limit` uids beyond `after`. @param read about `count` of a partition beyond a uid, or what there is */
export async function mergeRanges(
  partitions: readonly Partition[],
  after: string,
  limit: number,
  read: (p: Partition, after: string, count: number) => Promise<Range>,
  direction: Direction = "up",
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
    const sorted = [...uids.values()].flat().sort();
    const known = direction === "up" ? sorted : sorted.reverse();
    // The page ends here at the latest: what is beyond, nobody has to know.
    const last = known[limit - 1];
    behind = [...ends].filter(([, end]) => last === undefined || isBeyond(last, end, direction)).map(([p]) => p);
    if (behind.length === 0) return known.slice(0, limit);
  }
}
