import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type InstanceUid, parseSelector } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { createSweep, REST_MS, SWEEP_LIMIT } from "./sweep.ts";

/** Agents by partition, from 1. */
function aWalk(...counts: readonly number[]) {
  const fleet = counts.map((count, p) => Array.from({ length: count }, (_, i) => aUid(10_000 * (p + 1) + i)));
  const visits: number[] = [];
  const seen: InstanceUid[] = [];
  const clock = { ms: 0, asked: 0 };
  const pass = createSweep({
    partitions: counts.length,
    selector: parseSelector("connected=false"),
    async pageOf(p, after, limit) {
      clock.asked += 1;
      return (fleet[p] ?? []).filter((uid) => uid > after).slice(0, limit);
    },
    async visit(uids) {
      visits.push(uids.length);
      seen.push(...uids);
    },
    nowMs: () => clock.ms,
  });
  return { pass, visits, seen, all: fleet.flat(), clock };
}

describe("a sweep", () => {
  it("looks at everybody once in a round, a few with each pass, and rests then", async () => {
    const { pass, visits, seen, all, clock } = aWalk(600, 0, 10);
    clock.ms = REST_MS;
    for (let i = 0; i < 9; i++) await pass();
    assert.deepEqual(visits, [SWEEP_LIMIT, SWEEP_LIMIT, 100, 10]);
    assert.deepEqual(seen, all);
    clock.ms += REST_MS;
    await pass();
    assert.equal(visits.length, 5, "and round again");
  });

  it("asks nothing while it rests, and each partition once where there is nobody", async () => {
    const { pass, visits, clock } = aWalk(0, 0, 0, 0);
    for (const [ms, asked] of [
      [0, 0],
      [REST_MS - 1, 0],
      [REST_MS, 4],
      [REST_MS + 1, 4],
      [2 * REST_MS, 8],
    ] as const) {
      clock.ms = ms;
      await pass();
      assert.equal(clock.asked, asked, `at ${ms}`);
    }
    assert.deepEqual(visits, []);
  });
});
