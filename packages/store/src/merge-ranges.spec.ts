import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aUid } from "@muster/fleet/builders";
import fc from "fast-check";
import { type Direction, mergeRanges } from "./merge-ranges.ts";

describe("ranges of partitions", () => {
  it("make one list in order, however uneven they are and however much is read at a time", async () => {
    const property = fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 0, max: 60 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
      fc.constantFrom<Direction>("up", "down"),
      async (places, limit, start, counts, direction) => {
        const upwards = places.map((place, i) => ({ place, uid: aUid(i + 1) }));
        const all = direction === "up" ? upwards : upwards.toReversed();
        const after = start === 0 ? "" : aUid(start);
        const isRest = (uid: string, from: string) => from === "" || (direction === "up" ? uid > from : uid < from);
        const read: Parameters<typeof mergeRanges>[3] = async (p, from) => {
          const rest = all.filter(({ uid, place }) => place === p && isRest(uid, from)).map(({ uid }) => uid);
          const count = counts.next().value ?? 1;
          const walked = rest.slice(0, count);
          return { uids: walked, upTo: rest.length <= count ? null : (walked.at(-1) ?? null) };
        };
        const merged = await mergeRanges([0, 1, 2, 3], after, limit, read, direction);
        const expected = all.map(({ uid }) => uid).filter((uid) => isRest(uid, after));
        assert.deepEqual(merged, expected.slice(0, limit));
      },
    );
    await fc.assert(property, { numRuns: 500 });
  });

  it("are read on where one that told little may have what comes first", async () => {
    const lists = [
      [1, 2, 3],
      [5, 6, 7],
    ].map((list) => list.map((n) => aUid(n)));
    const merged = await mergeRanges([0, 1], "", 3, async (p, above) => {
      const [first, ...more] = (lists[p] ?? []).filter((uid) => uid > above);
      const uids = [first, ...(p === 1 ? more : [])].filter((uid) => uid !== undefined);
      return { uids, upTo: more.length > 0 ? (uids.at(-1) ?? null) : null };
    });
    assert.deepEqual(
      merged,
      [1, 2, 3].map((n) => aUid(n)),
    );
  });

  it("are asked for their share of a page only", async () => {
    const asked: number[] = [];
    const partitions = Array.from({ length: 16 }, (_, p) => p);
    await mergeRanges(partitions, "", 500, async (p, _after, count) => {
      asked.push(count);
      return { uids: Array.from({ length: count }, (_, i) => aUid(16 * i + p)), upTo: aUid(16 * count + p) };
    });
    assert.deepEqual(asked, new Array(16).fill(44));
  });
});
