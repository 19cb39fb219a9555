// The ledger of attempts: how an agent was before, which try it is, and how it fares since.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { apply } from "./agent.ts";
import { baselineOf, unhealthyParts } from "./attempt.ts";
import { aHash, aUid } from "./builders.ts";
import type { AgentEvent, Health } from "./event.ts";
import { type AgentView, unknownAgent } from "./view.ts";

const uid = aUid();
const at = (n: number) => ({ uid, epoch: 1, n, atMs: n * 1_000 });

function health(healthy: boolean, components: Health["components"] = []): Health {
  return { healthy, status: "", lastError: "", startTimeUnixNano: "0", statusTimeUnixNano: "0", components };
}

const told = (n: number, healthy: boolean, components: Health["components"] = []): AgentEvent => ({
  kind: "agent.health-changed",
  ...at(n),
  health: health(healthy, components),
});
const offered = (n: number, tries?: number, hash = aHash()): AgentEvent => ({
  kind: "agent.config-offered",
  ...at(n),
  hash,
  ...(tries !== undefined && { tries }),
});
const applied = (n: number): AgentEvent => ({
  kind: "agent.config-acknowledged",
  ...at(n),
  hash: aHash(),
  state: "applied",
  error: "",
});

function fold(...events: readonly AgentEvent[]): AgentView {
  return events.reduce(apply, unknownAgent(uid, 0));
}

describe("the baseline of an attempt", () => {
  const sick: Health["components"] = [
    ["pipeline", health(false, [["otlp", health(false)]])],
    ["other", health(true)],
  ];

  it("is how the agent was before the offer", () => {
    const view = fold(told(1, true, sick), offered(2), told(3, false));
    assert.deepEqual(view.attempts[0]?.baseline, { healthy: true, unhealthy: ["pipeline", "pipeline/otlp"] });
  });

  it("stays what it was before the first of several tries", () => {
    const view = fold(told(1, true), offered(2), told(3, false), offered(4, 2));
    assert.deepEqual(view.attempts.at(-1)?.baseline, { healthy: true, unhealthy: [] });
  });

  it("is not known where the agent never told its health", () => {
    assert.equal(fold(offered(1)).attempts[0]?.baseline, undefined);
    assert.equal(baselineOf(null), undefined);
  });

  it("names parts by their path, the outer ones first, and a few of them only", () => {
    assert.deepEqual(unhealthyParts(health(true, sick)), ["pipeline", "pipeline/otlp"]);
    const many = Array.from({ length: 20 }, (_, i) => [`p${i}`, health(false)] as const);
    assert.equal(baselineOf(health(true, many))?.unhealthy.length, 8);
  });
});

describe("tries", () => {
  it("are attempts of their own", () => {
    const view = fold(offered(1), offered(2, 2));
    assert.deepEqual(
      view.attempts.map(({ number, tries, offeredAtMs }) => [number, tries ?? 1, offeredAtMs]),
      [
        [1, 1, 1_000],
        [2, 2, 2_000],
      ],
    );
  });

  it("are one where an offer of the same try is sent again", () => {
    assert.equal(fold(offered(1, 2), offered(2, 2)).attempts.length, 1);
  });

  it("take the answer to the last of them", () => {
    const view = fold(offered(1), offered(2, 2), applied(3));
    assert.deepEqual(
      view.attempts.map(({ answer }) => answer?.state ?? null),
      [null, "applied"],
    );
  });
});

describe("health", () => {
  const cases: readonly { name: string; events: readonly AgentEvent[]; sinceMs: number; drops: number }[] = [
    { name: "is since when it was told first", events: [told(1, true)], sinceMs: 1_000, drops: 0 },
    { name: "is as old while nothing new is said", events: [told(1, true), told(5, true)], sinceMs: 1_000, drops: 0 },
    { name: "is new when it changes", events: [told(1, true), told(5, false)], sinceMs: 5_000, drops: 1 },
    {
      name: "counts how often it was lost",
      events: [told(1, true), told(2, false), told(3, true), told(4, false)],
      sinceMs: 4_000,
      drops: 2,
    },
    {
      name: "does not count an agent that was never well",
      events: [told(1, false), told(2, false)],
      sinceMs: 1_000,
      drops: 0,
    },
    {
      name: "is counted anew from an offer on",
      events: [told(1, true), told(2, false), offered(3)],
      sinceMs: 2_000,
      drops: 0,
    },
    {
      name: "does not count what was before an offer that is heard of first",
      events: [told(1, true), offered(3), told(2, false)],
      sinceMs: 2_000,
      drops: 0,
    },
    { name: "is not changed by what is old", events: [told(5, true), told(2, false)], sinceMs: 5_000, drops: 0 },
  ];
  for (const { name, events, sinceMs, drops } of cases) {
    it(name, () => {
      const view = fold(...events);
      assert.deepEqual([view.health?.sinceMs, view.health?.drops], [sinceMs, drops]);
    });
  }
});
