// What one agent is doing.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assess, type CohortAgent, isInFlight, isSettled } from "./assess.ts";
import { MAX_DROPS, SETTLE_MS } from "./assess-assigned.ts";
import { type AgentTraits, aCohortAgent, aHash, anAgent, aRollout, stages } from "./builders.ts";
import { parseRolloutId } from "./ids.ts";
import type { RolloutSpec } from "./rollout.ts";
import { DEFAULT_RETRY, DEFAULT_TIMING } from "./rollout-defaults.ts";
import type { AgentRolloutState } from "./rollout-states.ts";
import type { AgentView } from "./view.ts";

const NEW = aHash();
const OLD = aHash("0");
const LATE_MS = 400_000;
const DARK_MS = DEFAULT_TIMING.darkTimeoutMs;
const SPEC = aRollout(stages(100));
const INTENT = { isReached: true, hasPassed: false, isAdmitted: true };
const APPLIED: AgentTraits = {
  offered: { hash: NEW, atMs: 0, answer: "applied" },
  ack: { hash: NEW, state: "applied" },
};
const PASSIVE = ["ReportsStatus", "AcceptsRemoteConfig"];
const PASSIVE_TELLING = [...PASSIVE, "ReportsRemoteConfig"];
const SHOWING = [...PASSIVE, "ReportsEffectiveConfig"];

type Case = readonly [name: string, traits: AgentTraits, nowMs: number, expected: AgentRolloutState];

describe("an assigned agent", () => {
  const cases: readonly Case[] = [
    ["is not yet offered", {}, 0, "assigned"],
    ["is never offered anything", {}, LATE_MS, "timed_out"],
    ["was offline before the offer", { connected: false }, LATE_MS, "offline_deferred"],
    ["was offered", { offered: { hash: NEW, atMs: 0 } }, 0, "offered"],
    ["is silent after the offer", { offered: { hash: NEW, atMs: 0 } }, LATE_MS, "timed_out"],
    ["went dark after the offer", { connected: false, offered: { hash: NEW, atMs: 0 } }, LATE_MS, "went_dark"],
    ["went dark a moment ago", { connected: false, offered: { hash: NEW, atMs: 0 } }, DARK_MS - 1, "offered"],
    ["is applying", { ack: { hash: NEW, state: "applying" } }, 0, "applying"],
    ["says applying for ever", { ack: { hash: NEW, state: "applying" } }, LATE_MS, "timed_out"],
    ["applied and is healthy", APPLIED, 0, "verified"],
    ["applied and crashes", { ...APPLIED, healthy: false }, 0, "applied_unverified"],
    ["applied and crashes for long", { ...APPLIED, healthy: false }, DEFAULT_TIMING.unhealthyGraceMs, "unhealthy"],
    ["applied and vanished", { ...APPLIED, connected: false }, 1, "applied_unverified"],
    ["applied and stays away", { ...APPLIED, connected: false }, DARK_MS, "went_dark"],
    ["failed", { ack: { hash: NEW, state: "failed" } }, 0, "failed"],
    [
      "went back by itself",
      { offered: { hash: NEW, atMs: 0, answer: "failed" }, ack: { hash: OLD, state: "applied" } },
      0,
      "self_rolled_back",
    ],
    ["had it already", { ack: { hash: NEW, state: "applied" } }, 0, "verified"],
    ["accepts no configs", { capabilities: ["ReportsStatus"] }, 0, "incapable"],
    [
      "never tells a status, but shows the config",
      { capabilities: SHOWING, offered: { hash: NEW, atMs: 10 }, effectiveConfigAtMs: 20 },
      30,
      "verified",
    ],
    [
      "never tells a status, and shows the old config",
      { capabilities: SHOWING, offered: { hash: NEW, atMs: 10 }, effectiveConfigAtMs: 5 },
      30,
      "offered",
    ],
    [
      "tells nothing, and stays healthy",
      { capabilities: PASSIVE, offered: { hash: NEW, atMs: 0 } },
      SETTLE_MS,
      "verified",
    ],
    [
      "tells nothing, and is not healthy",
      { capabilities: PASSIVE, offered: { hash: NEW, atMs: 0 }, healthy: false },
      LATE_MS,
      "timed_out",
    ],
  ];
  for (const [name, traits, nowMs, expected] of cases) {
    it(`${name}: ${expected}`, () =>
      assert.equal(assess(aCohortAgent(SPEC, anAgent(traits)), INTENT, SPEC, nowMs).state, expected));
  }

  it("need not show again what it shows already, where it never tells a status", () => {
    const traits = { capabilities: SHOWING, offered: { hash: NEW, atMs: 10 }, effectiveConfigAtMs: 5 };
    const agent = aCohortAgent(SPEC, anAgent(traits));
    const stateOf = (shows: boolean | null) => assess({ ...agent, shows }, INTENT, SPEC, LATE_MS).state;
    assert.deepEqual([true, false, null].map(stateOf), ["verified", "timed_out", "timed_out"]);
  });

  describe("that says applied and shows an effective config from before the offer", () => {
    const telling = ["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsEffectiveConfig"];
    const claims: AgentTraits = {
      offered: { hash: NEW, atMs: 10, answer: "applied" },
      ack: { hash: NEW, state: "applied" },
      capabilities: telling,
      effectiveConfigAtMs: 5,
    };
    const cases = [
      ["has it there: only a comment changed", claims, true, INTENT, "verified"],
      ["and nobody can tell whether it has it there", claims, null, INTENT, "verified"],
      ["has it not there", claims, false, INTENT, "timed_out"],
      [
        "has it not there, and another one after the offer",
        { ...claims, effectiveConfigAtMs: 20 },
        false,
        INTENT,
        "verified",
      ],
      ["has it not there, and its stage passed", claims, false, { ...INTENT, hasPassed: true }, "verified"],
      ["never tells effective configs", { ...claims, capabilities: PASSIVE_TELLING }, false, INTENT, "verified"],
    ] as const;
    for (const [name, traits, shows, intent, expected] of cases) {
      it(`${name}: ${expected}`, () => {
        const agent = { ...aCohortAgent(SPEC, anAgent(traits)), shows };
        assert.equal(assess(agent, intent, SPEC, LATE_MS).state, expected);
      });
    }

    it("is waited for as long as it may take to apply, and not tried again: it would say nothing", () => {
      const agent = { ...aCohortAgent(SPEC, anAgent(claims)), shows: false };
      const patient = { ...SPEC, retry: { ...DEFAULT_RETRY, maxAttempts: 3 } };
      const { state, changesAtMs } = assess(agent, INTENT, patient, 20);
      assert.deepEqual([state, changesAtMs], ["applied_unverified", 10 + SPEC.timing.applyTimeoutMs]);
      const { failure, retry } = assess(agent, INTENT, patient, LATE_MS);
      assert.deepEqual([failure?.state, retry], ["timed_out", undefined]);
      assert.match(failure?.error ?? "", /effective config is still the one from before/);
    });
  });

  it("waits for an agent that tells nothing at least as long as it must stay healthy", () => {
    const hasty = { ...SPEC, timing: { ...SPEC.timing, applyTimeoutMs: SETTLE_MS / 2 } };
    const agent = aCohortAgent(hasty, anAgent({ capabilities: PASSIVE, offered: { hash: NEW, atMs: 0 } }));
    assert.equal(assess(agent, INTENT, hasty, SETTLE_MS / 2).state, "applied_unverified");
    assert.equal(assess(agent, INTENT, hasty, SETTLE_MS).state, "verified");
  });

  it("is verified only after the soak time, counted from when it was well", () => {
    const soaking = { ...SPEC, timing: { ...SPEC.timing, soakMs: 60_000 } };
    const view = anAgent(APPLIED);
    const well: AgentView = { ...view, health: view.health && { ...view.health, sinceMs: 10_000 } };
    assert.deepEqual(assess(aCohortAgent(SPEC, well), INTENT, soaking, 69_999).changesAtMs, 70_000);
    assert.equal(assess(aCohortAgent(SPEC, well), INTENT, soaking, 70_000).state, "verified");
  });

  it("may come and go, and be unwell for a moment, once its stage passed", () => {
    const passed = { ...INTENT, hasPassed: true };
    const away = aCohortAgent(SPEC, anAgent({ ...APPLIED, connected: false }));
    const unwell = aCohortAgent(SPEC, anAgent({ ...APPLIED, healthy: false }));
    assert.equal(assess(away, passed, SPEC, LATE_MS).state, "verified");
    assert.equal(assess(unwell, passed, SPEC, 0).state, "verified");
    assert.equal(assess(unwell, passed, SPEC, LATE_MS).state, "unhealthy");
  });

  it("is unhealthy when it is well and unwell by turns", () => {
    const view = anAgent(APPLIED);
    const flapping = (drops: number): AgentView => ({ ...view, health: view.health && { ...view.health, drops } });
    assert.equal(assess(aCohortAgent(SPEC, flapping(MAX_DROPS)), INTENT, SPEC, 0).state, "verified");
    assert.equal(assess(aCohortAgent(SPEC, flapping(MAX_DROPS + 1)), INTENT, SPEC, 0).state, "unhealthy");
  });

  describe("with parts that are not healthy", () => {
    const part = (healthy: boolean) => ({
      healthy,
      status: "",
      lastError: "",
      startTimeUnixNano: "0",
      statusTimeUnixNano: "0",
      components: [],
    });
    const withPart = (before: readonly string[] | null): CohortAgent => {
      const view = anAgent(APPLIED);
      const baseline = before === null ? {} : { baseline: { healthy: true, unhealthy: before } };
      const attempts = view.attempts.map((attempt) => ({ ...attempt, ...baseline }));
      const health = view.health && {
        ...view.health,
        value: { ...view.health.value, components: [["a", part(false)] as const] },
      };
      return aCohortAgent(SPEC, { ...view, attempts, health });
    };
    for (const [name, before, expected] of [
      ["that were before", [], "unhealthy"],
      ["that were not before either", ["a"], "verified"],
      ["when nobody knows how it was before", null, "verified"],
    ] as const) {
      it(`${name}: ${expected}`, () => assert.equal(assess(withPart(before), INTENT, SPEC, LATE_MS).state, expected));
    }
  });
});

describe("an agent that gives no answer", () => {
  const retry = { ...DEFAULT_RETRY, maxAttempts: 3, backoff: { baseMs: 10_000, factor: 2, capMs: 15_000 } };
  const spec: RolloutSpec = { ...SPEC, retry };
  const tried = (tries: number): CohortAgent => {
    const view = anAgent({ offered: { hash: NEW, atMs: 0 } });
    const agent = aCohortAgent(spec, { ...view, attempts: view.attempts.map((attempt) => ({ ...attempt, tries })) });
    return agent.desired === null ? agent : { ...agent, desired: { ...agent.desired, tries } };
  };
  const applyMs = spec.timing.applyTimeoutMs;
  for (const [tries, dueAtMs] of [
    [1, applyMs + 10_000],
    [2, applyMs + 15_000],
  ] as const) {
    it(`is tried again after try ${tries}, and is on its way until then`, () => {
      const judged = assess(tried(tries), INTENT, spec, applyMs);
      assert.deepEqual(
        [judged.state, judged.failure, judged.retry],
        ["timed_out", null, { tries: tries + 1, dueAtMs }],
      );
      assert.ok(isInFlight(judged) && !isSettled(judged));
    });
  }

  it("failed after the last try", () => {
    const judged = assess(tried(3), INTENT, spec, applyMs);
    assert.deepEqual([judged.failure?.state, judged.retry], ["timed_out", undefined]);
    assert.ok(!isInFlight(judged) && isSettled(judged));
  });

  it("was not asked yet when its second try was not sent", () => {
    const [first, second] = [tried(1), tried(2)];
    assert.equal(assess({ ...first, desired: second.desired }, INTENT, spec, applyMs - 1).state, "assigned");
  });
});

describe("an agent that has nothing of the rollout", () => {
  const rest = (traits: AgentTraits = {}): CohortAgent => aCohortAgent(SPEC, anAgent(traits), false);
  const newer = parseRolloutId("01890a5d-0000-7000-8000-0000000000ff");
  const other: CohortAgent = {
    view: anAgent(),
    desired: {
      hash: OLD,
      assignedAtMs: 0,
      contributions: [{ configId: SPEC.configId, revision: 3, hash: OLD, order: 100, rolloutId: newer }],
    },
  };
  const cases: readonly (readonly [
    string,
    CohortAgent,
    Partial<typeof INTENT> & { isOver?: boolean },
    AgentRolloutState,
  ])[] = [
    ["is not reached", rest(), { isReached: false }, "queued"],
    ["is reached and not admitted", rest(), { isAdmitted: false }, "queued"],
    ["is reached and admitted", rest(), {}, "assigned"],
    ["is reached and away", rest({ connected: false }), {}, "offline_deferred"],
    ["lacks a component", { ...rest(), lacking: ["receiver/otlp"] }, {}, "incapable"],
    ["has another's while this is at work: it is this one's turn", other, {}, "assigned"],
    ["has a newer one's after this ended", other, { isOver: true }, "superseded"],
  ];
  for (const [name, agent, intent, expected] of cases) {
    it(`${name}: ${expected}`, () => assert.equal(assess(agent, { ...INTENT, ...intent }, SPEC, 0).state, expected));
  }

  it("failed this very content under an earlier rollout, which counts, unless it is to be offered it again", () => {
    const later = { ...SPEC, createdAtMs: 100 };
    const agent = rest({ offered: { hash: NEW, atMs: 50, answer: "failed" } });
    assert.deepEqual(
      [assess(agent, INTENT, later, 200).state, assess(agent, INTENT, SPEC, 200).state],
      ["failed", "assigned"],
    );
    const again = { ...later, retry: { ...DEFAULT_RETRY, requeueFailedHash: true } };
    assert.equal(assess(agent, INTENT, again, 200).state, "assigned");
  });
});

describe("an agent that the revision failed", () => {
  const exclusion = { rolloutId: SPEC.id, hash: NEW, state: "failed", error: "no such exporter", atMs: 5 } as const;
  const before = parseRolloutId("01890a5d-0000-7000-8000-000000000000");
  const given = (traits: AgentTraits): CohortAgent => ({
    view: anAgent(traits),
    desired: {
      hash: OLD,
      assignedAtMs: 10,
      contributions: [{ configId: SPEC.configId, revision: 1, hash: OLD, order: 100, rolloutId: before }],
    },
    exclusion,
  });
  const failed = { hash: NEW, state: "failed", error: "no such exporter" } as const;
  const well = { ack: { hash: OLD, state: "applied" }, offered: { hash: OLD, atMs: 10 } } as const;
  const cases: readonly Case[] = [
    ["is waited for", { ack: failed }, 20, "restore_offered"],
    ["has what it had, and is healthy", well, 20, "restored"],
    ["has what it had, and is not healthy", { ...well, healthy: false }, LATE_MS, "restore_failed"],
    ["fails that, too", { ack: { hash: OLD, state: "failed" } }, 20, "restore_failed"],
    ["never answers", { ack: failed, offered: { hash: OLD, atMs: 10 } }, LATE_MS, "restore_failed"],
    ["is away", { ack: failed, connected: false }, LATE_MS, "restore_offered"],
  ];
  for (const [name, traits, nowMs, expected] of cases) {
    it(`${name}: ${expected}, and counts as failed all the while`, () => {
      const judged = assess(given(traits), INTENT, SPEC, nowMs);
      assert.deepEqual([judged.state, judged.failure?.state], [expected, "failed"]);
    });
  }

  it("is still to be given back what it had while that is not assigned", () => {
    const stale = { ...aCohortAgent(SPEC, anAgent({ ack: failed })), exclusion };
    assert.equal(assess(stale, INTENT, SPEC, 20).state, "restore_offered");
  });

  it("went back by itself when it has what it had and nobody offered it", () => {
    const judged = assess(given({ ack: { hash: OLD, state: "applied" } }), INTENT, SPEC, 20);
    assert.deepEqual([judged.state, judged.failure?.state], ["restored", "self_rolled_back"]);
  });

  it("need not be better than it was", () => {
    const agent = given({ ...well, healthy: false });
    const attempts = agent.view.attempts.map((each) => ({ ...each, baseline: { healthy: false, unhealthy: [] } }));
    assert.equal(assess({ ...agent, view: { ...agent.view, attempts } }, INTENT, SPEC, LATE_MS).state, "restored");
  });
});

describe("an agent that the rollout was taken back from", () => {
  const returned = (traits: AgentTraits): CohortAgent => ({
    view: anAgent(traits),
    desired: { hash: OLD, assignedAtMs: 10, contributions: [], returned: [SPEC.id] },
  });
  const cases: readonly Case[] = [
    ["is waited for", { ack: { hash: NEW, state: "applied" } }, 20, "rollback_offered"],
    ["has what it had", { ack: { hash: OLD, state: "applied" }, offered: { hash: OLD, atMs: 10 } }, 20, "rolled_back"],
    ["had it all the while", { ack: { hash: OLD, state: "applied" } }, 20, "rolled_back"],
    ["is away", { connected: false }, LATE_MS, "offline_deferred"],
    ["fails what it had", { ack: { hash: OLD, state: "failed" } }, 20, "rollback_failed"],
  ];
  for (const [name, traits, nowMs, expected] of cases) {
    it(`${name}: ${expected}`, () => assert.equal(assess(returned(traits), INTENT, SPEC, nowMs).state, expected));
  }
});
