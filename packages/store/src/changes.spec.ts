import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import type { InstanceUid } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { until } from "@muster/testkit";
import type { Position } from "./changes.ts";
import { serverOf } from "./cluster.ts";
import { useStore } from "./spec-store.ts";

describe("changes", () => {
  const spec = useStore();
  const changes = () => spec.store.changes;
  const running: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of running.splice(0)) await stop();
  });

  const change = async (...ns: readonly number[]): Promise<void> => {
    for (const n of ns) await spec.store.desired.assign([{ uid: aUid(n), desired: null }], 1, 0);
  };
  /** A partition's stream that holds the last of many changes. */
  const trim = (p: number, length: number) => spec.redis.xtrim(`muster:{${p}}:changes`, "MAXLEN", length);

  function follow(from: Position) {
    const controller = new AbortController();
    const seen: { readonly uids: ReadonlySet<InstanceUid>; readonly at: Position }[] = [];
    const ended = changes().follow(from, (uids, at) => seen.push({ uids, at }), controller.signal);
    const stop = (): Promise<void> => {
      controller.abort();
      return ended;
    };
    running.push(stop);
    return { seen, all: () => new Set(seen.flatMap(({ uids }) => [...uids])), stop };
  }

  it("tells of changes in any partition, from a place on", async () => {
    await change(1, 2);
    const { all } = follow(await changes().end());
    await change(3, 4, 5, 6, 7, 8);
    await until(() => all().size === 6);
    assert.deepEqual([...all()].sort(), [3, 4, 5, 6, 7, 8].map(aUid));
  });

  it("goes on from where another watch was", async () => {
    const first = follow(await changes().end());
    await change(1, 2, 3, 4, 5, 6, 7, 8);
    await until(() => first.all().size === 8);
    const at = first.seen.at(-1)?.at ?? [];
    await first.stop();
    await change(9, 10);
    assert.equal(await changes().isKept(at), true);
    const { all } = follow(at);
    await until(() => all().size === 2);
    assert.deepEqual([...all()].sort(), [aUid(9), aUid(10)]);
  });

  it("goes on after Redis closed the connection", async () => {
    const { all } = follow(await changes().end());
    await change(1);
    await until(() => all().size === 1);
    const server = await serverOf(spec.redis, `muster:{${spec.store.sessions.partitionOf(aUid(2))}}:changes`);
    const readers = async () =>
      String(await server.client("LIST"))
        .split("\n")
        .filter((line) => line.includes("cmd=xread "))
        .map((line) => /id=(\d+)/.exec(line)?.[1] ?? "");
    await until(async () => (await readers()).length > 0);
    for (const id of await readers()) await server.call("CLIENT", "KILL", "ID", id);
    await change(2);
    await until(() => all().has(aUid(2)));
  });

  it("ends with an error that waiting does not heal", async () => {
    await spec.redis.set("muster:{0}:changes", "not a stream");
    const controller = new AbortController();
    const following = changes().follow(["0-0", "0-0", "0-0", "0-0"], () => undefined, controller.signal);
    await assert.rejects(following, /WRONGTYPE/);
  });

  it("ends when it is asked to, before it began too", async () => {
    const controller = new AbortController();
    controller.abort();
    await changes().follow(await changes().end(), () => assert.fail("nothing is read"), controller.signal);
    const { stop } = follow(await changes().end());
    await until(async () => String(await spec.redis.client("LIST")).includes("cmd=xread "));
    let isDone = false;
    void stop().then(() => {
      isDone = true;
    });
    await until(() => isDone, { timeoutMs: 2_000, what: "the end, before a wait is over" });
  });

  describe("isKept", () => {
    const p = () => spec.store.sessions.partitionOf(aUid());
    const repeat = async (count: number): Promise<void> => change(...Array.from({ length: count }, () => 1));

    it("is so for every place as long as nothing was trimmed", async () => {
      const atStart = await changes().end();
      assert.deepEqual(atStart, ["0-0", "0-0", "0-0", "0-0"]);
      assert.equal(await changes().isKept(atStart), true);
      await repeat(3);
      assert.equal(await changes().isKept(atStart), true);
      assert.equal(await changes().isKept(await changes().end()), true);
    });

    it("is not so for a place after which something was trimmed away", async () => {
      const atStart = await changes().end();
      await repeat(2);
      const early = await changes().end();
      await repeat(5);
      const late = await changes().end();
      await repeat(1);
      await trim(p(), 2);
      const kept = await Promise.all([atStart, early, late].map((position) => changes().isKept(position)));
      assert.deepEqual(kept, [false, false, true]);
    });

    it("is not so for a place in a fleet state that was lost", async () => {
      await repeat(3);
      const before = await changes().end();
      await spec.wipe();
      assert.equal(await changes().isKept(before), false);
      const lastMs = Math.max(...before.map((id) => Number(id.split("-")[0])));
      await until(
        async () =>
          Number(await spec.redis.eval("return redis.call('TIME')[1] * 1000 + redis.call('TIME')[2] / 1000", 0)) >
          lastMs + 1,
      );
      await repeat(3);
      assert.equal(await changes().isKept(before), false, "also once agents told again");
      assert.equal(await changes().isKept(await changes().end()), true);
    });

    it("is not so for a place of another number of partitions", async () => {
      assert.equal(await changes().isKept(["0-0"]), false);
      assert.equal(await changes().isKept([]), false);
    });
  });
});
