// A Redis Cluster of three masters, whatever the other specs run on: that stores open on it, and do what agents and operators need.
// All specs of the store run on one with `npm run test:cluster`.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentEvent, parseConfigId, parseSelector } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { until } from "@muster/testkit";
import { serverOf, serversOf } from "./cluster.ts";
import { fleetKeys } from "./keys.ts";
import { useStore } from "./spec-store.ts";

describe("a store on a Redis Cluster", () => {
  const spec = useStore(["--appendonly", "yes", "--appendfsync", "always"], {}, { isCluster: true });
  const FLEET = 60;
  const described = (n: number): AgentEvent => {
    const nonIdentifying = [["env", n % 2 === 0 ? "prod" : "dev"]] as const;
    return { kind: "agent.described", uid: aUid(n), epoch: 1, n: 1, atMs: 1, identifying: [], nonIdentifying };
  };
  const numbers = Array.from({ length: FLEET }, (_, i) => i + 1);

  it("opens every time, and at once", async () => {
    for (let i = 0; i < 20; i++) {
      const startedAtMs = performance.now();
      const store = await spec.open({ connectTimeoutMs: 3_000 });
      assert.ok(store.isReady());
      assert.ok(performance.now() - startedAtMs < 1_000, "the first look at the cluster failed");
      store.close();
    }
  });

  it("has the partitions on several servers, and finds who has a key", async () => {
    assert.equal(serversOf(spec.redis).length, 3);
    const servers = await Promise.all([0, 1, 2, 3].map((p) => serverOf(spec.redis, fleetKeys.agents(p))));
    assert.ok(new Set(servers.map(({ options }) => options.port)).size > 1);
  });

  it("keeps agents and configs, finds and counts them over all partitions, and tells who watches", async () => {
    const { agents, changes, configs } = spec.store;
    const stop = new AbortController();
    const seen = new Set<string>();
    const following = changes.follow(
      await changes.end(),
      (uids) => {
        for (const uid of uids) seen.add(uid);
      },
      stop.signal,
    );
    await Promise.all(numbers.map((n) => agents.project(aUid(n), [described(n)])));
    const prod = numbers.filter((n) => n % 2 === 0).map(aUid);
    const selector = parseSelector("env=prod");
    assert.deepEqual(await agents.page("", FLEET, selector), prod);
    assert.equal(await agents.tally.count(selector, stop.signal), prod.length);
    await until(() => seen.size === FLEET, { what: "all changes" });
    stop.abort();
    await following;
    const id = parseConfigId("base");
    const head = { id, description: "", selector: "", order: 1, isFragment: false, createdAtMs: 0, updatedAtMs: 0 };
    await configs.create(head, "");
    assert.equal((await configs.list("", 10)).length, 1);
    assert.equal(spec.store.durability, "always");
  });

  it("goes on when its servers were killed and came back, with all that was answered", async () => {
    await spec.store.agents.project(aUid(1), [described(1)]);
    await spec.server.kill9();
    await spec.server.restart();
    await until(() => spec.store.isReady(), { timeoutMs: 10_000, what: "the store" });
    await until(() => spec.store.agents.get(aUid(1)).catch(() => undefined), { timeoutMs: 10_000, what: "the agent" });
  });
});
