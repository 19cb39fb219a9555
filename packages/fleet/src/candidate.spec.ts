// How an agent looks to the decision what it should run.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentTraits, aCohortAgent, aHash, anAgent, aRollout, ROLLOUT_ID, stages } from "./builders.ts";
import {
  type CandidateContext,
  candidateOf,
  type DesiredRecord,
  isSameDesired,
  isUntold,
  offerOf,
} from "./candidate.ts";
import { requirementOf } from "./variables.ts";

const NEW = aHash();
const PASSIVE = ["ReportsStatus", "AcceptsRemoteConfig"];
const CONTEXT: CandidateContext = { present: null, excluded: [], waved: new Set(), components: null };
const PRESENT = aCohortAgent(aRollout(stages(100)), anAgent()).desired;
const at = (assignedAtMs: number): DesiredRecord => ({ hash: NEW, contributions: [], assignedAtMs });

describe("candidateOf", () => {
  const reported: readonly (readonly [name: string, traits: AgentTraits, is: string])[] = [
    ["what it applied", { ack: { hash: NEW, state: "applied" } }, NEW],
    ["what it is at work on", { ack: { hash: NEW, state: "applying" } }, NEW],
    ["not what it failed", { ack: { hash: NEW, state: "failed" } }, ""],
    ["nothing when it says nothing", {}, ""],
    ["what it was offered last when it never says", { capabilities: PASSIVE, offered: { hash: NEW, atMs: 0 } }, NEW],
  ];
  for (const [name, traits, is] of reported) {
    it(`knows ${name}`, () => assert.equal(candidateOf(anAgent(traits), CONTEXT).reported, is));
  }

  it("holds what it was assigned, unless it left before it could be told", () => {
    const context = { ...CONTEXT, present: PRESENT };
    assert.deepEqual([...candidateOf(anAgent(), context).holds.keys()], [ROLLOUT_ID]);
    assert.deepEqual([...candidateOf(anAgent({ connected: false }), context).holds.keys()], []);
  });

  const forgotten: readonly (readonly [
    name: string,
    traits: AgentTraits,
    context: Partial<CandidateContext>,
    is: boolean,
  ])[] = [
    ["who never says, after a loss", { capabilities: PASSIVE }, { fleetLostAtMs: 1 }, true],
    ["nobody without a loss", { capabilities: PASSIVE }, {}, false],
    ["nobody who says what it has", {}, { fleetLostAtMs: 1 }, false],
    [
      "nobody who was assigned something since",
      { capabilities: PASSIVE },
      { fleetLostAtMs: 1, present: PRESENT },
      false,
    ],
    [
      "nobody whose gateway knows what it was offered",
      { capabilities: PASSIVE, offered: { hash: NEW, atMs: 0 } },
      { fleetLostAtMs: 1 },
      false,
    ],
    ["nobody who was known before the loss already", { capabilities: PASSIVE }, { fleetLostAtMs: 10_000 }, false],
  ];
  for (const [name, traits, context, is] of forgotten) {
    it(`is a riddle: ${name}`, () =>
      assert.equal(candidateOf(anAgent(traits), { ...CONTEXT, ...context }).forgottenAtMs !== null, is));
  }

  it("lacks the components that it is known not to have", () => {
    const known = candidateOf(anAgent(), { ...CONTEXT, components: new Set(["receiver/otlp"]) });
    assert.deepEqual([known.lacks(["receiver/otlp"]), known.lacks(["exporter/otlp"])], [false, true]);
    assert.equal(candidateOf(anAgent(), CONTEXT).lacks(["exporter/otlp"]), false);
  });

  it("lacks the variables that it has no value for, whatever it says of components", () => {
    const agent = candidateOf(anAgent({ labels: { zone: "a" } }), CONTEXT);
    const lacks = (key: string) => agent.lacks([requirementOf({ key })]);
    assert.deepEqual([lacks("zone"), lacks("host.name"), lacks("instance_uid")], [false, true, false]);
  });

  it("takes no configs where it says so, and may where it does not say", () => {
    assert.ok(candidateOf(anAgent({ capabilities: [] }), CONTEXT).isIncapable);
    assert.ok(!candidateOf({ ...anAgent(), capabilities: null }, CONTEXT).isIncapable);
  });
});

describe("isUntold", () => {
  const cases: readonly (readonly [name: string, traits: AgentTraits, is: boolean])[] = [
    ["away, and never offered it", { connected: false }, true],
    ["there", {}, false],
    ["away after the offer", { connected: false, offered: { hash: NEW, atMs: 0 } }, false],
    ["away, and had it before", { connected: false, ack: { hash: NEW, state: "applied" } }, false],
  ];
  for (const [name, traits, is] of cases)
    it(`${name}: ${is}`, () => assert.equal(isUntold(anAgent(traits), PRESENT), is));

  it("away before it was tried again: false", () =>
    assert.equal(
      isUntold(anAgent({ connected: false }), { ...PRESENT, hash: NEW, contributions: [], assignedAtMs: 0, tries: 2 }),
      false,
    ));
});

describe("offerOf", () => {
  const offered = { hash: NEW, atMs: 0 };
  const cases: readonly (readonly [name: string, traits: AgentTraits, desired: DesiredRecord, isThere: boolean])[] = [
    ["an offer since the assignment", { offered }, at(0), true],
    ["an offer by a clock that is a little behind", { offered }, at(5_000), true],
    ["not one under an older assignment", { offered }, at(5_001), false],
    ["the last one to an agent that never says", { capabilities: PASSIVE, offered }, at(99_999), true],
    ["not one of an earlier try", { offered }, { ...at(0), tries: 2 }, false],
    ["not one of another config", { offered: { hash: aHash("0"), atMs: 0 } }, at(0), false],
  ];
  for (const [name, traits, desired, isThere] of cases) {
    it(`is ${name}`, () => assert.equal(offerOf(anAgent(traits), desired) !== null, isThere));
  }
});

describe("isSameDesired", () => {
  const exclusion = { rolloutId: ROLLOUT_ID, hash: NEW, state: "failed", error: "", atMs: 0 } as const;
  const cases: readonly (readonly [name: string, a: DesiredRecord | null, b: DesiredRecord | null, is: boolean])[] = [
    ["nothing and nothing", null, null, true],
    ["nothing and something", null, at(0), false],
    ["two times of assignment", at(0), at(9), true],
    ["another try", at(0), { ...at(0), tries: 2 }, false],
    ["the first try, said and unsaid", at(0), { ...at(0), tries: 1 }, true],
    ["another exclusion", at(0), { ...at(0), exclusions: [exclusion] }, false],
    ["something returned", at(0), { ...at(0), returned: [ROLLOUT_ID] }, false],
    ["other contributions", at(0), PRESENT, false],
  ];
  for (const [name, a, b, is] of cases) it(`${name}: ${is}`, () => assert.equal(isSameDesired(a, b), is));
});
