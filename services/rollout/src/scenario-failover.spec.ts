// A Redis of the control that fails over to its replica while a rollout bakes, behind an address that follows the primary, as
// a service in front of both has it. Workers lose every connection and find another server at the same address.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, connect as openSocket, type Server, type Socket } from "node:net";
import { after, afterEach, beforeEach, describe, it } from "node:test";
import { stages } from "@muster/fleet/builders";
import { type RedisServer, startRedis, trackLeaks, until } from "@muster/testkit";
import { Redis } from "ioredis";
import { HOUR, MINUTE } from "./scenario-ids.ts";
import { aFleet, NEW, runningBy } from "./scenario-spec.ts";
import { ScenarioWorld } from "./scenario-world.ts";

const ALL = [1, 2, 3, 4, 5, 6, 7, 8];
const DURABLE = ["--appendonly", "yes", "--appendfsync", "always"];

describe("a Redis of the control that fails over during a bake", () => {
  const mark = trackLeaks();
  let fleet: RedisServer;
  let primary: RedisServer;
  let replica: RedisServer;
  let address: Address;
  let world: ScenarioWorld;
  beforeEach(async () => {
    fleet = await startRedis();
    // About one primary and its replica, whatever the fleet state is on.
    primary = await startRedis({ args: DURABLE, isSingle: true });
    replica = await startRedis({ args: [...DURABLE, "--replicaof", "127.0.0.1", `${primary.port}`], isSingle: true });
    address = await openAddress(primary.port);
    world = await ScenarioWorld.open({ redisUrl: fleet.url, controlUrl: address.url }, aFleet(ALL.length));
    await world.advanceTo(await world.start(1, { stages: stages(100) }), "succeeded");
  });
  afterEach(async () => {
    world.close();
    await address.close();
    for (const server of [fleet, primary, replica]) await server.stop();
  });
  after(() => mark.assertNone({ timeoutMs: 5_000 }));

  const baking = stages(50, 100).map((stage) => ({ ...stage, bakeMs: HOUR }));

  /** The primary dies, and what was its replica takes over. */
  async function failOver(): Promise<void> {
    await primary.kill9();
    await run(replica, (redis) => redis.replicaof("NO", "ONE"));
    address.pointTo(replica.port);
    await world.reconnect();
  }

  it("to a replica that has everything: nothing is forgotten, and nobody is offered anything twice", async () => {
    const id = await world.start(2, { stages: baking });
    await world.advance(20 * MINUTE);
    await untilReplicated(primary, replica);
    const before = await world.rollout(id);
    await failOver();
    assert.deepEqual(await world.rollout(id), before);
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(runningBy(world), { new: ALL });
    assert.deepEqual(
      [...world.offers(NEW).values()],
      ALL.map(() => 1),
    );
    const passed = (await world.log(id)).filter(({ reason }) => reason === "stage_passed");
    assert.deepEqual(
      passed.map(({ stage }) => stage),
      [0, 1],
    );
  });

  it("to a replica that missed the last minutes: the bake goes on from what it has, and the rollout ends well", async () => {
    const id = await world.start(2, { stages: baking });
    await world.advance(20 * MINUTE);
    await untilReplicated(primary, replica);
    await run(replica, (redis) => redis.replicaof("NO", "ONE"));
    await world.wish(id, { wish: "pause" });
    await world.advance(10 * MINUTE);
    assert.equal(await world.at(id), "paused manual");
    await failOver();
    assert.equal(await world.at(id), "running stage_baking", "the pause was never heard there");
    await world.advanceTo(id, "succeeded");
    assert.deepEqual(runningBy(world), { new: ALL });
    assert.deepEqual(
      [...world.offers(NEW).values()],
      ALL.map(() => 1),
    );
  });
});

/** A port that leads to whichever server is the primary. */
interface Address {
  readonly url: string;
  /** Cuts everybody off; who connects again gets there. */
  pointTo(port: number): void;
  close(): Promise<void>;
}

async function openAddress(firstPort: number): Promise<Address> {
  let port = firstPort;
  const sockets = new Set<Socket>();
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server: Server = createServer((client) => {
    const upstream = openSocket(port, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const at = server.address();
  assert.ok(at !== null && typeof at === "object");
  return {
    url: `redis://127.0.0.1:${at.port}`,
    pointTo(next) {
      port = next;
      cut();
    },
    async close() {
      server.close();
      cut();
      await once(server, "close");
    },
  };
}

async function run<Answer>(server: RedisServer, act: (redis: Redis) => Promise<Answer>): Promise<Answer> {
  const redis = new Redis(server.url);
  try {
    return await act(redis);
  } finally {
    redis.disconnect();
  }
}

/** Waits until the replica has everything that the primary has. */
async function untilReplicated(primary: RedisServer, replica: RedisServer): Promise<void> {
  const offsetOf = (info: string): string | undefined => /master_repl_offset:(\d+)/.exec(info)?.[1];
  await until(async () => {
    const [a, b] = await Promise.all([primary, replica].map((each) => run(each, (redis) => redis.info("replication"))));
    return a !== undefined && b?.includes("master_link_status:up") === true && offsetOf(a) === offsetOf(b);
  });
}
