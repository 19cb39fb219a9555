// The cohort, judged, and what it adds up to.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CohortAgent } from "./assess.ts";
import { type AgentTraits, aCohortAgent, aHash, anAgent, aRollout, aUid, ROLLOUT_ID, stages } from "./builders.ts";
import { parseRolloutId } from "./ids.ts";
import { countStates, failureKind, isBusyElsewhere, isUnavailable, type Judged, judge, progressOf } from "./judge.ts";
import { EVERYONE } from "./rank.ts";
import { initialStatus, type RolloutSpec, targetedCount } from "./rollout.ts";

const NEW = aHash();
const APPLIED: AgentTraits = {
  offered: { hash: NEW, atMs: 0, answer: "applied" },
  ack: { hash: NEW, state: "applied" },
};
const FAILED: AgentTraits = { ack: { hash: NEW, state: "failed" } };
const AWAY: AgentTraits = { connected: false };
const UNABLE: AgentTraits = { capabilities: [] };
const UNSPOKEN: AgentTraits = {
  capabilities: ["ReportsStatus", "AcceptsRemoteConfig", "ReportsHealth"],
  offered: { hash: NEW, atMs: 0 },
};
const SPEC = aRollout(stages(100));
const EXCLUSION = { rolloutId: ROLLOUT_ID, hash: NEW, state: "failed", error: "", atMs: 0 } as const;

function cohortOf(spec: RolloutSpec, many: readonly AgentTraits[]): readonly CohortAgent[] {
  return many.map((traits, i) => aCohortAgent(spec, anAgent({ uid: aUid(i + 1), ...traits })));
}

function judged(spec: RolloutSpec, cohort: readonly CohortAgent[], nowMs = 0): readonly Judged[] {
  const begun = initialStatus(spec);
  const reached = begun.stages.map((stage) => ({ ...stage, state: "converging" as const, cutoff: EVERYONE }));
  return judge({ spec, cohort, wave: [], nowMs }, { ...begun, phase: "running", startedAtMs: 0, stages: reached });
}

describe("counts", () => {
  it("add up to the cohort", () => {
    const counts = countStates(judged(SPEC, cohortOf(SPEC, [APPLIED, FAILED, AWAY, UNABLE, {}])));
    assert.equal(targetedCount(counts), 5);
    assert.deepEqual(
      [counts.verified, counts.failed, counts.offline_deferred, counts.incapable, counts.assigned],
      [1, 1, 1, 1, 1],
    );
  });
});

describe("progress", () => {
  const policies = (change: Partial<RolloutSpec["policies"]>): RolloutSpec => ({
    ...SPEC,
    policies: { ...SPEC.policies, ...change },
  });
  const cases = [
    {
      name: "is through when all are good",
      of: [APPLIED, APPLIED],
      is: { capableCount: 2, goodCount: 2, failedCount: 0, isSettled: true },
    },
    { name: "waits for those on their way", of: [APPLIED, {}], is: { goodCount: 1, isSettled: false } },
    {
      name: "does not wait for those that are away",
      of: [APPLIED, AWAY],
      is: { capableCount: 2, goodCount: 1, failedCount: 0, isSettled: true },
    },
    {
      name: "leaves those out that are away where told",
      spec: policies({ offline: "exclude" }),
      of: [APPLIED, AWAY],
      is: { capableCount: 1 },
    },
    {
      name: "takes those that are away for failures where told",
      spec: policies({ offline: "fail" }),
      of: [APPLIED, AWAY],
      is: { capableCount: 2, failedCount: 1 },
    },
    { name: "leaves those out that cannot take it", of: [APPLIED, UNABLE], is: { capableCount: 1, failedCount: 0 } },
    {
      name: "takes those that cannot for failures where told",
      spec: policies({ incapable: "fail" }),
      of: [APPLIED, UNABLE],
      is: { capableCount: 2, failedCount: 1 },
    },
    {
      name: "waits until who failed is given back what it had",
      of: [APPLIED, FAILED],
      is: { failedCount: 1, isSettled: false },
    },
  ] as const satisfies readonly { name: string; spec?: RolloutSpec; of: readonly AgentTraits[]; is: object }[];
  for (const { name, of, is, ...rest } of cases) {
    it(name, () => {
      const spec: RolloutSpec = "spec" in rest ? rest.spec : SPEC;
      const progress = progressOf(judged(spec, cohortOf(spec, of)), spec, new Set());
      assert.deepEqual({ ...progress, ...is }, progress);
    });
  }

  it("counts accepted failures apart", () => {
    const progress = progressOf(judged(SPEC, cohortOf(SPEC, [APPLIED, FAILED])), SPEC, new Set([aUid(2)]));
    assert.deepEqual([progress.acceptedCount, progress.failedCount], [1, 0]);
  });

  it("does not wait for one that failed and is away", () => {
    const cohort = cohortOf(SPEC, [AWAY]).map((agent) => ({ ...agent, desired: null, exclusion: EXCLUSION }));
    assert.equal(progressOf(judged(SPEC, cohort), SPEC, new Set()).isSettled, true);
  });
});

describe("an agent in a storm", () => {
  const zoned = { ...SPEC, pace: { ...SPEC.pace, domainKey: "zone" } };
  const cohort = [...Array(6)].flatMap((_, i) => [
    aCohortAgent(
      zoned,
      anAgent({ uid: aUid(i + 1), labels: { zone: "a" }, ...APPLIED, connected: false, disconnectedAtMs: 0 }),
    ),
    aCohortAgent(zoned, anAgent({ uid: aUid(i + 10), labels: { zone: "b" }, ...APPLIED })),
  ]);

  it("is dark, and that is no failure", () => {
    const [dark] = judged(zoned, cohort, 999_999);
    assert.deepEqual([dark?.state, dark?.failure, dark?.storm?.name], ["went_dark", null, "domain a"]);
    assert.equal(dark === undefined ? null : failureKind(dark, zoned), null);
  });

  it("fails as any other where an operator went on in spite of the storm", () => {
    const begun = initialStatus(zoned);
    const reached = begun.stages.map((stage) => ({ ...stage, cutoff: EVERYONE }));
    const status = {
      ...begun,
      phase: "running" as const,
      startedAtMs: 0,
      stages: reached,
      acceptedStorms: ["domain a"],
    };
    assert.equal(judge({ spec: zoned, cohort, wave: [], nowMs: 999_999 }, status)[0]?.failure?.state, "went_dark");
  });
});

describe("isUnavailable", () => {
  const cases: readonly (readonly [name: string, agent: CohortAgent, is: boolean])[] = [
    ["verified", aCohortAgent(SPEC, anAgent(APPLIED)), false],
    ["on its way", aCohortAgent(SPEC, anAgent()), true],
    ["failed", aCohortAgent(SPEC, anAgent(FAILED)), true],
    ["to be given back what it had", { ...aCohortAgent(SPEC, anAgent(FAILED), false), exclusion: EXCLUSION }, true],
    ["away before its turn", aCohortAgent(SPEC, anAgent(AWAY), false), false],
    ["not able to take it", aCohortAgent(SPEC, anAgent(UNABLE), false), false],
  ];
  for (const [name, agent, is] of cases) {
    it(`${name}: ${is}`, () => assert.equal(judged(SPEC, [agent]).every(isUnavailable), is));
  }
});

describe("isBusyElsewhere", () => {
  const other = { ...SPEC, id: parseRolloutId("01890a5d-0000-7000-8000-0000000000ff") };
  const busy = (traits: AgentTraits, soakMs = 0, nowMs = 10): boolean => {
    const [one] = judged(SPEC, [aCohortAgent(other, anAgent(traits))]);
    const terms = { ...other, timing: { ...other.timing, soakMs } };
    return one !== undefined && isBusyElsewhere(one, new Map([[other.id, terms]]), nowMs);
  };
  const [over] = judged(SPEC, [aCohortAgent(other, anAgent({}))]);
  const cases: readonly (readonly [name: string, is: boolean, busy: boolean])[] = [
    ["on its way to another's", true, busy({})],
    ["watched by another", true, busy(APPLIED, 60_000)],
    ["through with another's", false, busy(APPLIED)],
    ["failed by another", false, busy({ ...FAILED, offered: { hash: NEW, atMs: 0, answer: "failed" } })],
    ["away", false, busy(AWAY)],
    ["with what a rollout brought that is over", false, over !== undefined && isBusyElsewhere(over, new Map(), 10)],
    ["without a word, and watched by another", true, busy(UNSPOKEN, 60_000, 60_000)],
    ["without a word, and well for so long that another is through with it", false, busy(UNSPOKEN, 60_000, 75_000)],
  ];
  for (const [name, is, found] of cases) it(`${name}: ${is}`, () => assert.equal(found, is));
});
