// Domains and gateways that go dark.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CohortAgent } from "./assess.ts";
import { aCohortAgent, anAgent, aRollout, aUid, stages } from "./builders.ts";
import { findStorms } from "./storm.ts";

const SPEC = aRollout(stages(100));
const RULE = { rolloutId: SPEC.id, domainKey: "zone", sinceMs: 100, afterMs: 50 };
const NOW_MS = 1_000;

interface Group {
  readonly zone: string;
  readonly count: number;
  readonly dark?: number;
  readonly isAssigned?: boolean;
  readonly leftAtMs?: number;
}

function fleet(groups: readonly Group[]): readonly CohortAgent[] {
  return groups.flatMap(({ zone, count, dark = 0, isAssigned = true, leftAtMs = 200 }, g) =>
    Array.from({ length: count }, (_, i) => {
      const view = anAgent({
        uid: aUid(g * 100 + i + 1),
        labels: { zone },
        connected: i >= dark,
        disconnectedAtMs: leftAtMs,
      });
      return aCohortAgent(SPEC, view, isAssigned);
    }),
  );
}

describe("findStorms", () => {
  const cases: readonly { name: string; groups: readonly Group[]; is: string | null }[] = [
    { name: "finds none in a calm fleet", groups: [{ zone: "a", count: 10 }], is: null },
    {
      name: "finds a zone that went dark with the revision while others have it and are well",
      groups: [
        { zone: "a", count: 6, dark: 6 },
        { zone: "b", count: 6 },
      ],
      is: "domain a",
    },
    {
      name: "finds none where agents of every zone with the revision went dark: that is the config",
      groups: [
        { zone: "a", count: 6, dark: 6 },
        { zone: "b", count: 6, dark: 3 },
      ],
      is: null,
    },
    {
      name: "finds none where all with the revision are dark, and nobody else has it",
      groups: [{ zone: "a", count: 6, dark: 6 }],
      is: null,
    },
    {
      name: "finds one where those of the zone that have nothing of it went dark, too",
      groups: [
        { zone: "a", count: 3, dark: 3 },
        { zone: "a", count: 3, dark: 3, isAssigned: false },
        { zone: "b", count: 6, isAssigned: false },
      ],
      is: "domain a",
    },
    {
      name: "finds none where those of the zone that have nothing of it are well: that is the config",
      groups: [
        { zone: "a", count: 6, dark: 6 },
        { zone: "a", count: 4, isAssigned: false },
        { zone: "b", count: 6 },
      ],
      is: null,
    },
    {
      name: "takes few agents for no evidence",
      groups: [
        { zone: "a", count: 2, dark: 2 },
        { zone: "b", count: 60 },
      ],
      is: null,
    },
    {
      name: "takes a small zone for a zone where all of it is dark",
      groups: [
        { zone: "a", count: 3, dark: 3 },
        { zone: "b", count: 3 },
        { zone: "c", count: 3 },
      ],
      is: "domain a",
    },
    {
      name: "finds none in a small zone of which some are dark",
      groups: [
        { zone: "a", count: 4, dark: 3 },
        { zone: "b", count: 60 },
      ],
      is: null,
    },
    {
      name: "does not count those that left before the rollout",
      groups: [
        { zone: "a", count: 6, dark: 6, leftAtMs: 99 },
        { zone: "b", count: 6 },
      ],
      is: null,
    },
    {
      name: "waits a moment: a gateway that restarts is back in seconds",
      groups: [
        { zone: "a", count: 6, dark: 6, leftAtMs: NOW_MS - 49 },
        { zone: "b", count: 6 },
      ],
      is: null,
    },
  ];
  for (const { name, groups, is } of cases) {
    it(name, () => {
      const storms = findStorms(fleet(groups), RULE, NOW_MS);
      assert.deepEqual([...new Set([...storms.values()].map((storm) => storm.name))], is === null ? [] : [is]);
    });
  }

  it("has only those in it that are dark", () => {
    const storms = findStorms(
      fleet([
        { zone: "a", count: 6, dark: 5 },
        { zone: "b", count: 20 },
      ]),
      RULE,
      NOW_MS,
    );
    assert.equal(storms.size, 5);
    assert.deepEqual([...storms.values()][0], { name: "domain a", darkCount: 5, totalCount: 6 });
  });
});
