import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  EVERYONE,
  FleetError,
  parseConfigId,
  parseRolloutId,
  type RolloutSpec,
  type RolloutStatus,
} from "@muster/fleet";
import { aHash, aRollout, aUid, stages } from "@muster/fleet/builders";
import { until } from "@muster/testkit";
import type { StoredRollout } from "./rollouts.ts";
import { useStore } from "./spec-store.ts";

const anId = (n: number) => parseRolloutId(`01890a5d-0000-7000-8000-${String(n).padStart(12, "0")}`);
const aSpec = (n = 1, rest: Partial<RolloutSpec> = {}) => aRollout(stages(10, 100), { id: anId(n), ...rest });
const succeeded: Partial<RolloutStatus> = { phase: "succeeded", reason: "completed", cutoff: EVERYONE, endedAtMs: 9 };

describe("rollouts", () => {
  const spec = useStore();
  const rollouts = () => spec.store.rollouts;
  const stable = async () => (await spec.redis.hget("muster:{ctl}:config:base:status", "stable")) ?? null;
  const commit = async (of: StoredRollout, next: Partial<RolloutStatus>): Promise<StoredRollout> => {
    assert.equal(await rollouts().commit(of, { ...of.status, ...next }), true);
    const stored = await rollouts().get(of.spec.id);
    assert.ok(stored !== undefined);
    return stored;
  };

  it("starts a rollout and reads it back", async () => {
    const started = await rollouts().start(aSpec(), "");
    assert.deepEqual([started.spec, started.status.phase, started.version], [aSpec(), "running", 1]);
    assert.deepEqual(await rollouts().get(aSpec().id), started);
    assert.deepEqual(await rollouts().active(), [aSpec().id]);
    assert.equal(await rollouts().get(anId(2)), undefined);
  });

  it("refuses another on the same config, and says which is at work", async () => {
    await rollouts().start(aSpec(1), "");
    await assert.rejects(rollouts().start(aSpec(2), ""), (error) => {
      assert.ok(error instanceof FleetError && error.reason === "ROLLOUT_ACTIVE");
      assert.equal(error.details["rollout_id"], anId(1));
      return true;
    });
    assert.equal(await rollouts().get(anId(2)), undefined);
    await rollouts().start(aSpec(3, { configId: parseConfigId("other") }), "");
    assert.deepEqual([...(await rollouts().active())].sort(), [anId(1), anId(3)]);
  });

  it("answers the repeat of a request with the rollout that it started", async () => {
    const started = await rollouts().start(aSpec(1), "request-1");
    assert.deepEqual(await rollouts().start(aSpec(2), "request-1"), started);
  });

  it("starts one of many that are asked for at once", async () => {
    const tries = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => rollouts().start(aSpec(i), "")));
    assert.equal(tries.filter(({ status }) => status === "fulfilled").length, 1);
    assert.equal((await rollouts().active()).length, 1);
  });

  it("lets one of two workers commit", async () => {
    const other = await spec.open();
    const started = await rollouts().start(aSpec(), "");
    const [a, b] = [
      { ...started.status, cutoff: "4" },
      { ...started.status, cutoff: "8" },
    ];
    const outcomes = await Promise.all([rollouts().commit(started, a), other.rollouts.commit(started, b)]);
    assert.deepEqual([...outcomes].sort(), [false, true]);
    const winner = outcomes[0] ? a : b;
    assert.deepEqual((await rollouts().get(aSpec().id))?.status, winner);
    const { list, version } = await spec.store.desired.assignments();
    assert.deepEqual([list[0]?.layers.map(({ cutoff }) => cutoff), version], [[winner.cutoff], 1]);
  });

  it("writes the layers together with the status they follow from, and counts only their changes", async () => {
    const started = await rollouts().start(aSpec(), "");
    const first = await commit(started, { cutoff: "4" });
    const second = await commit(first, { message: "nothing moved" });
    await commit(second, { cutoff: "8" });
    const { list, version } = await spec.store.desired.assignments();
    assert.equal(version, 2);
    const layer = { rolloutId: anId(1), revision: 2, hash: aHash(), selector: "", order: 100, cutoff: "8" };
    assert.deepEqual(list, [{ configId: "base", layers: [layer] }]);
  });

  it("puts a newer rollout on top of what an ended one left, and once it succeeded only it counts, but for what agents go back to", async () => {
    await commit(await rollouts().start(aSpec(1), ""), succeeded);
    const second = await commit(await rollouts().start(aSpec(2, { revision: 3 }), ""), { cutoff: "4" });
    const layers = async () =>
      (await spec.store.desired.assignments()).list[0]?.layers.map(({ revision, cutoff, isFallback }) => [
        revision,
        cutoff,
        ...(isFallback ? ["fallback"] : []),
      ]);
    assert.deepEqual(await layers(), [
      [3, "4"],
      [2, EVERYONE],
    ]);
    await commit(second, succeeded);
    assert.deepEqual(await layers(), [
      [3, EVERYONE],
      [2, EVERYONE, "fallback"],
    ]);
  });

  it("remembers whom a rollout failed, by the first word, also when the fleet state is lost", async () => {
    const { spec: started } = await rollouts().start(aSpec(1), "");
    const exclusion = { rolloutId: started.id, hash: aHash(), state: "failed", error: "first", atMs: 1 } as const;
    await rollouts().exclude(aUid(), exclusion);
    await rollouts().exclude(aUid(), { ...exclusion, error: "second" });
    assert.deepEqual([...(await rollouts().exclusions(started.id))], [[aUid(), exclusion]]);
    assert.equal((await rollouts().exclusions(aSpec(2).id)).size, 0);
  });

  const ends: readonly (readonly [phase: "succeeded" | "halted", stable: string | null])[] = [
    ["succeeded", "2"],
    ["halted", null],
  ];
  for (const [phase, expected] of ends) {
    it(`releases the config when the rollout ${phase}, with stable revision ${expected}`, async () => {
      const started = await rollouts().start(aSpec(1), "");
      await commit(started, { phase, cutoff: EVERYONE });
      assert.deepEqual(await rollouts().active(), []);
      assert.equal(await stable(), expected);
      await rollouts().start(aSpec(2), "");
    });
  }

  it("keeps the config while the rollout is paused", async () => {
    await commit(await rollouts().start(aSpec(1), ""), { phase: "paused" });
    await assert.rejects(rollouts().start(aSpec(2), ""), FleetError);
  });

  it("does not let a worker that was presumed dead bring an ended rollout back", async () => {
    const started = await rollouts().start(aSpec(1), "");
    await commit(started, { phase: "halted" });
    await rollouts().start(aSpec(2), "");
    assert.equal(await rollouts().commit(started, { ...started.status, cutoff: EVERYONE }), false);
    assert.deepEqual(await rollouts().active(), [anId(2)]);
  });

  it("takes the wish of one of two operators", async () => {
    const { spec: started } = await rollouts().start(aSpec(), "");
    const wishes = (["pause", "abort"] as const).map((wish) => ({ ...started, generation: 2, wish }));
    const taken = await Promise.all(wishes.map((wish) => rollouts().wish(wish)));
    assert.deepEqual([...taken].sort(), [false, true]);
    assert.equal((await rollouts().get(started.id))?.spec.wish, taken[0] ? "pause" : "abort");
  });

  it("lists the newest first, of one config or of all", async () => {
    for (let n = 1; n <= 4; n++) {
      const configId = parseConfigId(n % 2 === 0 ? "even" : "odd");
      await commit(await rollouts().start(aSpec(n, { configId }), ""), { phase: "halted" });
    }
    const ids = async (before: string, limit: number, config?: string) =>
      (await rollouts().list(before, limit, config === undefined ? undefined : parseConfigId(config))).map(
        (rollout) => rollout.spec.id,
      );
    assert.deepEqual(await ids("", 10), [anId(4), anId(3), anId(2), anId(1)]);
    assert.deepEqual(await ids(anId(3), 1), [anId(2)]);
    assert.deepEqual(await ids("", 10, "even"), [anId(4), anId(2)]);
    assert.deepEqual(await ids(anId(4), 10, "even"), [anId(2)]);
  });

  it("tells watchers of every start, commit and wish, also after Redis was away", async () => {
    const controller = new AbortController();
    const heard: string[] = [];
    rollouts().watch((id) => heard.push(id), controller.signal);
    const isSubscribed = async () => Number((await spec.redis.pubsub("NUMSUB", "muster:rollouts"))[1]) === 1;
    await until(isSubscribed);
    const started = await rollouts().start(aSpec(), "");
    await commit(started, { cutoff: "4" });
    await rollouts().wish({ ...started.spec, generation: 2, wish: "pause" });
    await until(() => heard.length === 3);
    await spec.redis.call("CLIENT", "KILL", "TYPE", "pubsub");
    await until(isSubscribed);
    await rollouts().start(aSpec(2, { configId: parseConfigId("other") }), "");
    await until(() => heard.at(-1) === anId(2));
    controller.abort();
    await until(async () => !(await isSubscribed()));
  });
});
