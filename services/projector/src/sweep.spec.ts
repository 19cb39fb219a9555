import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type InstanceUid, parseSelector } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { createSweep, SWEEP_LIMIT } from "./sweep.ts";

/** Agents by partition, from 1. */
function aWalk(...counts: readonly number[]) {
  const fleet = counts.map((count, p) => Array.from({ length: count }, (_, i) => aUid(10_000 * (p + 1) + i)));
  const visits: number[] = [];
  const seen: InstanceUid[] = [];
  let asked = 0;
  const pass = createSweep({
    partitions: counts.length,
    selector: parseSelector("connected=false"),
    async pageOf(p, after, limit) {
      asked += 1;
      return (fleet[p] ?? []).filter((uid) => uid > after).slice(0, limit);
    },
    async visit(uids) {
      visits.push(uids.length);
      seen.push(...uids);
    },
  });
  return { pass, visits, seen, all: fleet.flat(), asked: () => asked };
}

describe("a sweep", () => {
  it("looks at everybody once in a round, a few with each pass", async () => {
    const { pass, visits, seen, all } = aWalk(600, 0, 10);
    for (let i = 0; i < 4; i++) await pass();
    assert.deepEqual(visits, [SWEEP_LIMIT, SWEEP_LIMIT, 100, 10]);
    assert.deepEqual(seen, all);
    await pass();
    assert.equal(visits.at(-1), SWEEP_LIMIT, "and round again");
  });

  it("asks each partition once where there is nobody", async () => {
    const { pass, visits, asked } = aWalk(0, 0, 0, 0);
    await pass();
    assert.deepEqual([asked(), visits], [4, []]);
  });
});
