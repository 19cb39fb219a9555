import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentEvent, type InstanceUid, parseGatewayId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { until } from "@muster/testkit";
import { fleetKeys } from "./keys.ts";
import { MAX_STREAM_ENTRIES } from "./sessions.ts";
import { useStore } from "./spec-store.ts";
import { MAX_USAGE_ENTRIES } from "./usages.ts";

const gateway = parseGatewayId("gw");

describe("what agents take", () => {
  const spec = useStore();
  const partitionOf = (uid: InstanceUid) => spec.store.sessions.partitionOf(uid);
  const usage = { cpuPercent: null, cpuCores: 0.5, memoryBytes: 7 };
  const append = (uid: InstanceUid, identity = "") => spec.store.usages.append(uid, { usage, identity });
  const project = async (uid: InstanceUid): Promise<void> => {
    const event: AgentEvent = {
      kind: "agent.described",
      uid,
      epoch: 1,
      n: 1,
      atMs: 1,
      identifying: [],
      nonIdentifying: [],
    };
    await spec.store.agents.project(uid, [event]);
  };
  const streams = async () => {
    const entries = await Promise.all([0, 1, 2, 3].map((p) => spec.redis.xrange(fleetKeys.events(p), "-", "+")));
    return entries.map((some) => some.map(([, [, text = ""]]) => JSON.parse(text) as readonly AgentEvent[]));
  };

  it("is told of agents that are known, many in one entry per partition", async () => {
    const uids = Array.from({ length: 40 }, (_, i) => aUid(i + 1));
    await Promise.all(uids.map(project));
    const outcomes = await Promise.all([...uids, aUid(99)].map((uid) => append(uid)));
    assert.deepEqual(outcomes, [...uids.map(() => "written"), "unknown"]);
    const written = await streams();
    for (const [p, entries] of written.entries()) {
      assert.equal(entries.length, 1);
      const own = uids.filter((uid) => partitionOf(uid) === p);
      assert.deepEqual(
        entries[0]?.map(({ kind, uid, epoch, ...event }) => [kind, uid, epoch, "usage" in event ? event.usage : null]),
        own.map((uid) => ["agent.usage-measured", uid, 0, usage]),
      );
    }
  });

  it("is taken of the identity that owns the uid alone", async () => {
    const [owned, free] = [aUid(1), aUid(2)];
    await Promise.all([owned, free].map(project));
    await spec.store.sessions.open(owned, gateway, 0, null, "edge");
    await spec.store.sessions.open(free, gateway, 0, null);
    const outcomes = [append(owned, "edge"), append(owned, "other"), append(owned), append(free, "other")];
    assert.deepEqual(await Promise.all(outcomes), ["written", "foreign", "foreign", "written"]);
  });

  it("has the time that Redis has, whatever the gateways' clocks say", async () => {
    await project(aUid(1));
    const redisMs = async (): Promise<number> => {
      const [s = 0, us = 0] = await spec.redis.time();
      return 1_000 * Number(s) + Math.floor(Number(us) / 1_000);
    };
    const before = await redisMs();
    await append(aUid(1));
    const { n = 0, atMs = 0 } = (await streams()).flat(2)[0] ?? {};
    assert.ok(before <= n && n <= (await redisMs()), `${n}`);
    assert.equal(atMs, n);
  });

  it("waits outside while the stream is a quarter full: sessions need the rest", async () => {
    await project(aUid(1));
    const { epoch } = await spec.store.sessions.open(aUid(1), gateway, 0, null);
    const key = fleetKeys.events(partitionOf(aUid(1)));
    const fill = "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'e', '[]') end";
    await spec.redis.eval(fill, 1, key, MAX_USAGE_ENTRIES - 1);
    assert.equal(await append(aUid(1)), "written");
    assert.equal(await append(aUid(1)), "full");
    assert.equal(MAX_USAGE_ENTRIES, MAX_STREAM_ENTRIES / 4);
    const left = { kind: "agent.disconnected", uid: aUid(1), epoch, n: 1, atMs: 1, reason: "closed" } as const;
    const checkpoint = { seq: 1n, state: "{}" };
    const flush = { uid: aUid(1), epoch, state: "open", checkpoint, events: [left], ending: null } as const;
    const outcome = await spec.store.sessions.flush(partitionOf(aUid(1)), [flush]);
    assert.equal(outcome.kind, "written");
  });

  it("is said to be lost at once while Redis is away", async () => {
    await spec.server.kill9();
    await until(() => !spec.store.isReady());
    await assert.rejects(append(aUid(1)));
    await spec.server.restart();
    await until(() => spec.store.isReady(), { timeoutMs: 10_000, what: "the store" });
    assert.equal(await append(aUid(1)), "unknown");
  });
});
