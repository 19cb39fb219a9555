import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FleetError, parseSelector } from "@muster/fleet";
import { anAgent, aUid } from "@muster/fleet/builders";
import { type OrderDeps, sortedPage } from "./order-agents.ts";
import { MAX_AT_ONCE, selectAll } from "./select-all.ts";

/** So many agents, of which the index counted others. */
function aFleet(counted: number, present = counted): OrderDeps {
  const uids = Array.from({ length: present }, (_, i) => aUid(i + 1));
  return {
    agents: {
      tally: { count: async () => counted, summarize: () => assert.fail() },
      page: async (after, limit) => uids.filter((uid) => uid > after).slice(0, limit),
      load: async (some) => some.map((uid) => ({ view: anAgent({ uid }), version: 1 })),
      select: async (_, found) => found,
      selectable: async (found) => found.map(() => new Map()),
    },
    desired: { load: async () => [] },
    groups: { get: () => assert.fail() },
    metadata: { load: async () => [] },
    nowMs: () => 0,
  };
}

describe("all agents that a selector matches", () => {
  const { signal } = new AbortController();
  const selector = parseSelector("env=prod");
  const isTooMany = (error: unknown): boolean =>
    error instanceof FleetError && error.code === "failed_precondition" && error.reason === "TOO_MANY_AGENTS";

  it("are loaded up to the bound", async () => {
    assert.equal((await selectAll(aFleet(MAX_AT_ONCE), selector, "labelled", signal)).length, MAX_AT_ONCE);
  });

  it("are refused beyond it, before any is loaded, and where more came meanwhile", async () => {
    await assert.rejects(selectAll(aFleet(MAX_AT_ONCE + 1, 0), selector, "labelled", signal), isTooMany);
    await assert.rejects(selectAll(aFleet(5, MAX_AT_ONCE + 1), selector, "labelled", signal), isTooMany);
  });

  it("are not sorted beyond it, and what to do is said", async () => {
    const range = { key: "zone", direction: "up", after: null, pageSize: 5 } as const;
    await assert.rejects(sortedPage(aFleet(MAX_AT_ONCE + 1), selector, range, signal), (error) => {
      assert.ok(isTooMany(error));
      assert.match(
        String(error),
        /"env=prod" matches 10001 agents; at most 10000 are sorted at once.*order by instance_uid/,
      );
      return true;
    });
  });
});
