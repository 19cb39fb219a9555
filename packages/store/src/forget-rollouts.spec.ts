import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseRolloutId, type RolloutStatus } from "@muster/fleet";
import { aHash, aRollout, aUid, stages } from "@muster/fleet/builders";
import { forgetRollouts } from "./forget-rollouts.ts";
import { useStore } from "./spec-store.ts";

const anId = (n: number) => parseRolloutId(`01890a5d-0000-7000-8000-${String(n).padStart(12, "0")}`);

describe("old rollouts", () => {
  const spec = useStore();

  /** One rollout after another, each ended as said; leaves what rollouts leave. */
  async function have(...all: readonly Partial<RolloutStatus>[]): Promise<void> {
    for (const [i, status] of all.entries()) {
      const id = anId(i + 1);
      const started = await spec.store.rollouts.start(aRollout(stages(100), { id, hash: aHash(String(i + 1)) }), "");
      const next = { ...started.status, startedAtMs: i + 1, endedAtMs: 9, isSettled: true, ...status };
      assert.equal(await spec.store.rollouts.commit(started, { status: next, wave: [], decisions: [] }), "committed");
      await spec.store.rollouts.remove(id, [aUid(1)], 5);
    }
  }
  const left = async () => (await spec.store.rollouts.list("", 100)).map(({ spec: { id } }) => Number(id.slice(-2)));

  it("are forgotten beyond the newest, with everything that they left", async () => {
    const done = { phase: "rolled_back" } as const;
    await have(done, done, done, { phase: "succeeded" }, done);
    const layers = (await spec.store.desired.assignments()).list[0]?.layers ?? [];
    assert.ok(layers.length < 5, "some count for nothing any more");
    const counting = new Set(layers.map(({ rolloutId }) => rolloutId));
    const free = [1, 2, 3].filter((n) => !counting.has(anId(n)));
    assert.equal(await forgetRollouts(spec.redis, 2), free.length);
    assert.deepEqual(
      await left(),
      [5, 4, 3, 2, 1].filter((n) => !free.includes(n)),
    );
    for (const n of free) assert.deepEqual(await spec.keys(`*${anId(n)}*`), []);
    assert.equal(await forgetRollouts(spec.redis, 2), 0);
  });

  it("are kept that have not ended, that are looked after still, and that agents have their config from", async () => {
    await have({ phase: "succeeded" }, { phase: "halted", isSettled: false }, { phase: "rolled_back" });
    assert.equal(await forgetRollouts(spec.redis, 0), 0);
    assert.deepEqual(await left(), [3, 2, 1]);
  });
});
