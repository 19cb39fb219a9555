// The tables of states, as the machines that they are.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  AGENT_STATES,
  AGENT_TRANSITIONS,
  isBeforeStart,
  isEnded,
  isPassing,
  isTakingBack,
  ROLLOUT_PHASES,
  ROLLOUT_REASONS,
  ROLLOUT_TRANSITIONS,
  type RolloutPhase,
  STAGE_STATES,
  STAGE_TRANSITIONS,
} from "./rollout-states.ts";

interface Machine {
  readonly name: string;
  readonly first: string;
  readonly states: Readonly<Record<string, string>>;
  readonly table: Readonly<Record<string, readonly string[]>>;
}

const machines: readonly Machine[] = [
  { name: "phases of a rollout", first: "draft", states: ROLLOUT_PHASES, table: ROLLOUT_TRANSITIONS },
  { name: "states of a stage", first: "pending", states: STAGE_STATES, table: STAGE_TRANSITIONS },
  { name: "states of an agent", first: "queued", states: AGENT_STATES, table: AGENT_TRANSITIONS },
];

for (const { name, first, states, table } of machines) {
  describe(name, () => {
    it("have a row each, and rows name nothing else", () => {
      assert.deepEqual(Object.keys(table).sort(), Object.keys(states).sort());
      for (const [state, followers] of Object.entries(table)) {
        for (const each of followers) assert.ok(each in states, `${each} follows ${state}`);
        assert.equal(new Set(followers).size, followers.length, `${state} names each follower once`);
        assert.ok(!followers.includes(state), `${state} does not follow itself`);
      }
    });

    it(`are all reached from ${first}`, () => {
      const seen = new Set([first]);
      for (const state of seen) for (const next of table[state] ?? []) seen.add(next);
      assert.deepEqual([...seen].sort(), Object.keys(states).sort());
    });

    it("lead to an end from everywhere, or back", () => {
      const isEnd = (state: string): boolean => (table[state] ?? []).length === 0;
      for (const state of Object.keys(states)) {
        const seen = new Set([state]);
        for (const each of seen) for (const next of table[each] ?? []) seen.add(next);
        assert.ok([...seen].some(isEnd), `${state} leads to an end`);
      }
    });

    it("say what they mean in a sentence", () => {
      for (const meaning of Object.values(states)) assert.match(meaning, /^[A-Z].*\.$/);
    });
  });
}

describe("what is said of a phase", () => {
  const cases: readonly { phase: RolloutPhase; is: readonly string[] }[] = [
    { phase: "draft", is: ["before start"] },
    { phase: "scheduled", is: ["before start"] },
    { phase: "invalid", is: ["before start", "ended"] },
    { phase: "running", is: [] },
    { phase: "paused", is: [] },
    { phase: "succeeded", is: ["ended"] },
    { phase: "reverting", is: ["taking back"] },
    { phase: "rolling_back", is: ["taking back"] },
    { phase: "rollback_incomplete", is: ["ended"] },
    { phase: "superseded", is: ["ended"] },
  ];
  for (const { phase, is } of cases) {
    it(`${phase} is ${is.join(" and ") || "none of it"}`, () => {
      const said = [
        ...(isBeforeStart(phase) ? ["before start"] : []),
        ...(isEnded(phase) ? ["ended"] : []),
        ...(isTakingBack(phase) ? ["taking back"] : []),
      ];
      assert.deepEqual(said, is);
    });
  }

  it("has reasons in sentences, and some pauses end by themselves", () => {
    for (const meaning of Object.values(ROLLOUT_REASONS)) assert.match(meaning, /^[A-Z].*\.$/);
    assert.ok(isPassing("window") && isPassing("storm") && isPassing("dependency"));
    assert.ok(!isPassing("manual") && !isPassing("error_budget") && !isPassing("gate"));
  });
});
