import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentEvent, type InstanceUid, parseGatewayId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { until } from "@muster/testkit";
import { fleetKeys } from "./keys.ts";
import { MAX_STREAM_ENTRIES } from "./sessions.ts";
import { useStore } from "./spec-store.ts";
import type { MeasuredUsage } from "./usages.ts";

const gateway = parseGatewayId("gw");

describe("what agents take", () => {
  const spec = useStore();
  const partitionOf = (uid: InstanceUid) => spec.store.sessions.partitionOf(uid);
  const measured = (uid: InstanceUid, identity = ""): MeasuredUsage => ({
    identity,
    event: {
      kind: "agent.usage-measured",
      uid,
      epoch: 0,
      n: 1,
      atMs: 1,
      usage: { cpuPercent: null, cpuCores: 0.5, memoryBytes: 7 },
    },
  });
  const append = (uid: InstanceUid, identity = "") => spec.store.usages.append(uid, measured(uid, identity));
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
        entries[0],
        own.map((uid) => measured(uid).event),
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

  it("waits outside while the stream is full", async () => {
    await project(aUid(1));
    const key = fleetKeys.events(partitionOf(aUid(1)));
    const fill = "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'e', '[]') end";
    await spec.redis.eval(fill, 1, key, MAX_STREAM_ENTRIES);
    assert.equal(await append(aUid(1)), "full");
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
