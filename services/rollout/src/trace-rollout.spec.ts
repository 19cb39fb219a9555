// One trace per rollout, told by two workers that never met: what its spans hang on, and which agents it shows.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULT_PACE, DEFAULT_TIMING } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { type FinishedSpan, traceIdOf } from "@muster/telemetry/trace";
import { HOUR } from "./scenario-ids.ts";
import { aFleet, bearing, NEW, reacts, useWorlds } from "./scenario-spec.ts";
import type { ScenarioWorld } from "./scenario-world.ts";

describe("the trace of a rollout", () => {
  const worlds = useWorlds();

  async function traced(size: number, failing: readonly number[] = []) {
    const world = await worlds.openStable(aFleet(size, (n) => (failing.includes(n) ? reacts("crash_loops") : {})));
    world.spans.length = 0;
    const id = await world.start(2, bearing(50, 100));
    await world.advanceTo(id, "succeeded", HOUR);
    await world.advance(HOUR);
    return { world, id, spans: world.spans };
  }
  const paths = (spans: readonly FinishedSpan[], start: string): readonly string[] =>
    spans.map(({ path }) => path).filter((path) => path.startsWith(start));

  it("is one: every span is of the rollout's id, and hangs on one that is there", async () => {
    const { spans, id } = await traced(6, [3]);
    assert.deepEqual([...new Set(spans.map(({ traceId }) => traceId))], [traceIdOf(id)]);
    assertWhole(spans);
  });

  it("is whole when one comes back in the last watch, and when the success is reverted after that", async () => {
    const world = await worlds.openStable(aFleet(10));
    world.spans.length = 0;
    world.agent(aUid(7)).disconnect(world.nowMs);
    const timing = { ...DEFAULT_TIMING, finalBakeMs: HOUR };
    const id = await world.start(2, { ...bearing(100), timing, pace: { ...DEFAULT_PACE, maxInFlight: 4 } });
    await world.advanceTo(id, "baking_final");
    world.agent(aUid(7)).connect(world.nowMs);
    await world.advanceTo(id, "succeeded");
    const late = (await world.log(id)).filter(({ kind, phase }) => kind === "wave" && phase === "baking_final");
    assert.deepEqual(
      late.map(({ agents, stage }) => [agents, stage]),
      [[[aUid(7)], null]],
      "it is admitted when no stage is at work",
    );
    await world.wish(id, { wish: "revert" }, true);
    await world.advanceTo(id, "reverted");
    assertWhole(world.spans);
    assert.equal(world.spans.filter(({ path }) => path === "").length, 1);
  });

  it("is whole when another rollout takes its place in the middle of a stage", async () => {
    const world = await worlds.openStable(aFleet(4));
    world.spans.length = 0;
    const pace = { ...DEFAULT_PACE, maxInFlight: 1 };
    const first = await world.start(2, { ...bearing(100), pace });
    const second = await world.start(3, { ...bearing(100), onConflict: "supersede" });
    await world.advanceTo(second, "succeeded");
    assert.equal((await world.status(first)).phase, "superseded");
    const own = world.spans.filter(({ traceId }) => traceId === traceIdOf(first));
    assertWhole(own);
    assert.deepEqual(
      own.filter(({ path }) => path === "stage/0").map(({ attributes }) => attributes["muster.stage.size"]),
      [4],
    );
  });

  it("begins with its asking and ends with its end, and says how that was", async () => {
    const { spans, world, id } = await traced(4);
    const [root, ...others] = spans.filter(({ path }) => path === "");
    const { spec, status } = await world.rollout(id);
    assert.deepEqual(others, []);
    assert.deepEqual([root?.startMs, root?.endMs], [spec.createdAtMs, status.endedAtMs]);
    assert.equal(root?.attributes["muster.rollout.phase"], "succeeded");
    assert.equal(root?.isError, false);
  });

  it("has a span per stage, with its waves, and decisions as events of a moment", async () => {
    const { spans, world, id } = await traced(4);
    assert.deepEqual(
      paths(spans, "stage/").filter((path) => !path.includes("agent")),
      ["stage/0", "stage/1"],
    );
    const decisions = spans.filter(({ path }) => path.startsWith("decision/"));
    assert.equal(decisions.length, (await world.log(id)).length);
    for (const { startMs, endMs } of decisions) assert.equal(startMs, endMs);
    for (const { startMs, endMs } of spans) assert.ok(startMs <= endMs);
  });

  it("shows agents that failed, and of the good ones a sample that is the same for everybody", async () => {
    const { spans, world } = await traced(60, [3, 30, 55]);
    const shown = spans.filter(({ path }) => path.includes("/agent/"));
    assert.deepEqual(
      shown
        .filter(({ isError }) => isError === true)
        .map(uidIn)
        .sort(),
      failedIn(world),
    );
    const good = shown.filter(({ isError }) => isError !== true);
    for (const stage of ["stage/0", "stage/1"]) {
      const own = good.filter(({ parentPath }) => parentPath === stage);
      assert.ok(own.length > 0 && own.length <= 20, `${own.length} of ${stage}`);
    }
    for (const { attributes } of good) assert.equal(attributes["muster.config.hash"], NEW);
  });

  it("tells a rollout that was taken back as an error", async () => {
    const world = await worlds.openStable(aFleet(4));
    world.spans.length = 0;
    const id = await world.start(2, { stages: bearing(100).stages ?? [] });
    await world.wish(id, { wish: "rollback" });
    await world.advanceTo(id, "rolled_back");
    assert.equal(world.spans.find(({ path }) => path === "")?.isError, true);
  });
});

/** Every span is there once, and hangs on one that is there. */
function assertWhole(spans: readonly FinishedSpan[]): void {
  const known = new Set(spans.map(({ path }) => path));
  assert.equal(known.size, spans.length, "no span is told twice");
  assert.ok(known.has(""), "the rollout itself is told");
  for (const { path, parentPath } of spans) {
    if (path === "") assert.equal(parentPath, null);
    else assert.ok(parentPath !== null && known.has(parentPath), `${path} hangs on ${parentPath}`);
  }
}

function uidIn({ path }: FinishedSpan): string {
  return path.split("/")[3] ?? "";
}

function failedIn(world: ScenarioWorld): readonly string[] {
  return [...world.agents.values()]
    .filter(({ failures }) => failures.length > 0)
    .map(({ uid }) => uid)
    .sort();
}
