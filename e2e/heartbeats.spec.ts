// An unchanged heartbeat costs no Redis command: Redis' own counters say so. Also over plain HTTP.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { until } from "@muster/testkit";
import { Redis } from "ioredis";
import { openWorld, untilListed, type World } from "./world.ts";

const HEARTBEATS = 5_000;

let world: World;
let redis: Redis;
before(async () => {
  world = await openWorld();
  redis = new Redis(world.fleetRedis.url);
});
after(async () => {
  redis.disconnect();
  await world.close();
});

/** Calls of each command so far, by Redis' own count. */
async function commandCounts(): Promise<ReadonlyMap<string, number>> {
  const info = await redis.info("commandstats");
  const lines = info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
  return new Map([...lines].map(([, name = "", calls]) => [name, Number(calls)]));
}

/** The services' own housekeeping while the test runs: leases, blocking reads, sweeps. Far below one per heartbeat. */
const HOUSEKEEPING = HEARTBEATS / 10;
/** What a gateway would use to read or write an agent's state; housekeeping of an idle fleet uses none of it. */
const AGENT_COMMANDS = ["evalsha", "eval", "xadd", "hset", "hget", "hmget", "hgetall", "publish"];

for (const transport of ["ws", "http"] as const) {
  describe(`heartbeats over ${transport}`, () => {
    it("cost no Redis command", async () => {
      const endpoint = (world.stack.opampUrls[0] ?? "").replace("ws:", `${transport}:`);
      const fleet = await world.fleet({
        count: 10,
        endpoint,
        firstIndex: transport === "ws" ? 0 : 100,
        heartbeatMs: 3_600_000,
      });
      await untilListed(world.operator, 10, "connected=true,healthy=true");
      // Nothing of the beginning is still on its way once two looks at the counters agree.
      await until(
        async () => {
          const [a, b] = [await agentCommands(), await pauseThenCount()];
          return a === b;
        },
        { timeoutMs: 10_000, what: "quiet counters" },
      );
      const before = await agentCommands();
      const allBefore = await allCommands();
      const received = fleet.counts().received;
      for (let sent = 0; sent < HEARTBEATS; sent += fleet.agents.length) {
        for (const agent of fleet.agents) agent.heartbeat();
        const expected = received + sent + fleet.agents.length;
        await until(() => fleet.counts().received >= expected, { what: "the answers to one round" });
      }
      assert.ok(fleet.counts().received - received >= HEARTBEATS);
      assert.equal((await agentCommands()) - before, 0);
      assert.ok((await allCommands()) - allBefore < HOUSEKEEPING, "nor any other command per heartbeat");
      assert.equal(fleet.counts().fullStateRequests, 0);
      await fleet.stop();
    });
  });
}

async function agentCommands(): Promise<number> {
  const counts = await commandCounts();
  return AGENT_COMMANDS.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0);
}

async function allCommands(): Promise<number> {
  return [...(await commandCounts()).values()].reduce((sum, calls) => sum + calls, 0);
}

async function pauseThenCount(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 500));
  return await agentCommands();
}
