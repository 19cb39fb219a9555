import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InstanceUid } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import type { Position } from "@muster/store";
import { until } from "@muster/testkit";
import { type FeedDeps, openChangeFeed } from "./feed.ts";

/** Changes that are told, and kept, as a spec says; every delay is over at once. */
function someChanges() {
  let tell: (uids: ReadonlySet<InstanceUid>, at: Position) => void = () => assert.fail("nobody follows");
  const stop = new AbortController();
  const state = { isKept: true, isAway: false, checkCount: 0 };
  const deps: FeedDeps = {
    changes: {
      end: async () => ["1-0"],
      async isKept() {
        state.checkCount += 1;
        if (state.isAway) throw new Error("Redis does not answer");
        return state.isKept;
      },
      async follow(_, onChange, signal) {
        tell = onChange;
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
    },
    delay: () => new Promise((resolve) => setImmediate(resolve)),
    onError() {},
  };
  return { deps, state, stop, tell: (n: number) => tell(new Set([aUid(n)]), [`${n}-0`]) };
}

describe("the feed of changes", () => {
  it("gathers what changed for each that watches, as a set", async () => {
    const { deps, stop, tell } = someChanges();
    const feed = await openChangeFeed(deps, stop.signal);
    const [one, two] = [feed.subscribe(), feed.subscribe()];
    for (const n of [2, 3, 2]) tell(n);
    assert.deepEqual(one.take(), { uids: new Set([aUid(2), aUid(3)]), position: ["2-0"], hasGap: false });
    tell(4);
    assert.deepEqual([one.take().uids.size, two.take().uids.size], [1, 3]);
    stop.abort();
    await feed.ended;
  });

  it("says that changes were lost to those that watched then, also when Redis was away meanwhile", async () => {
    const { deps, state, stop } = someChanges();
    const feed = await openChangeFeed(deps, stop.signal);
    const before = feed.subscribe();
    const checked = async () => {
      const count = state.checkCount;
      await until(() => state.checkCount > count + 1, { what: "two more checks" });
    };
    await checked();
    assert.equal(before.take().hasGap, false);
    state.isAway = true;
    await checked();
    assert.equal(before.take().hasGap, false, "nobody knows yet");
    Object.assign(state, { isAway: false, isKept: false });
    await until(() => before.take().hasGap, { what: "the gap" });
    state.isKept = true;
    await checked();
    assert.equal(feed.subscribe().take().hasGap, false, "who comes later has missed nothing");
    stop.abort();
    await feed.ended;
  });
});
