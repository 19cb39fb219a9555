// Law 14: agents that poll through a round-robin proxy meet another gateway with every connection. After the first
// report nobody is asked for full state again, no offer is lost, and nobody "reconnects".

import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import { after, before, it } from "node:test";
import type { Fleet } from "@muster/simulator";
import { until } from "@muster/testkit";
import { offersTo, openWorld, publish, startNow, untilListed, untilSucceeded, type World } from "./world.ts";

let world: World;
let proxy: RoundRobin;
let fleet: Fleet;
before(async () => {
  world = await openWorld({ gateway: 2 });
  proxy = await openRoundRobin(world.stack.opampUrls.map((url) => Number(new URL(url).port)));
});
after(async () => {
  await world.close();
  proxy.close();
});

it("serves polls that wander between two gateways", async () => {
  const { operator } = world;
  const endpoint = `http://127.0.0.1:${proxy.port}/v1/opamp`;
  fleet = await world.fleet({ count: 20, endpoint, heartbeatMs: 300 });
  const listed = await untilListed(operator, 20, "connected=true,healthy=true");
  const connectedAt = new Map(listed.map((agent) => [agent.instanceUid, agent.connection?.connectTime?.seconds]));
  const asked = fleet.counts().fullStateRequests;
  const polls = fleet.counts().received;
  await until(() => fleet.counts().received > polls + 400, { timeoutMs: 30_000, what: "400 more polls" });

  const hash = await publish(operator, "base");
  const { rollout } = await startNow(operator, { configId: "base" });
  const done = await untilSucceeded(operator, rollout?.rolloutId ?? "");
  assert.equal(done.counts?.verified, 20n);
  const afterwards = await untilListed(operator, 20, "connected=true,config.status=applied");
  for (const agent of afterwards) {
    assert.equal(agent.remoteConfigStatus?.hash, hash);
    assert.equal(agent.connection?.connectTime?.seconds, connectedAt.get(agent.instanceUid), "nobody reconnected");
  }
  for (const agent of fleet.agents) assert.deepEqual(offersTo(agent), [hash]);
  assert.equal(fleet.counts().fullStateRequests, asked, "no full report was asked for after the first");
  assert.ok((await handOvers()) > 0, "gateways had to ask each other");
  assert.ok(
    proxy.perTarget.every((count) => count > 20),
    `connections per gateway: ${proxy.perTarget}`,
  );
});

/** How often a gateway had to be asked what it knew. */
async function handOvers(): Promise<number> {
  const pages = await Promise.all(
    world.stack.of("gateway").map(async ({ healthUrl }) => {
      const response = await fetch(`${healthUrl}/metrics`, { headers: { connection: "close" } });
      return await response.text();
    }),
  );
  const counts = pages.map((page) => /^muster_gateway_hand_overs_total(?:{.*})? (\d+)/m.exec(page)?.[1] ?? "0");
  return counts.reduce((sum, count) => sum + Number(count), 0);
}

it("moves polls to the other gateway when one leaves, without anybody connecting anew", async () => {
  const { operator, stack } = world;
  const before = await untilListed(operator, 20, "connected=true");
  const connectedAt = new Map(before.map((agent) => [agent.instanceUid, agent.connection?.connectTime]));
  const asked = fleet.counts().fullStateRequests;
  const [leaving] = stack.of("gateway");
  proxy.use(1);
  assert.ok(await leaving.stop(), "it drains and exits 0");
  const polls = fleet.counts().received;
  await until(() => fleet.counts().received > polls + 200, { timeoutMs: 30_000, what: "200 more polls" });
  const after = await untilListed(operator, 20, "connected=true");
  for (const agent of after) assert.deepEqual(agent.connection?.connectTime, connectedAt.get(agent.instanceUid));
  assert.equal(fleet.counts().fullStateRequests, asked);
});

interface RoundRobin {
  readonly port: number;
  /** Connections that each target got. */
  readonly perTarget: readonly number[];
  /** From now on only this target is used. */
  use(index: number): void;
  close(): void;
}

/** Exchanges of a connection: the polls between the first and the last are answered from one gateway's memory. */
const EXCHANGES = 3;

/** A TCP proxy that takes its targets in turn and ends every connection after a few exchanges, so that polls move. */
async function openRoundRobin(targets: readonly number[]): Promise<RoundRobin> {
  const perTarget = targets.map(() => 0);
  const open = new Set<Socket>();
  let next = 0;
  let only: number | null = null;
  const server: Server = createServer((client) => {
    const index = only ?? next++ % targets.length;
    perTarget[index] = (perTarget[index] ?? 0) + 1;
    const upstream = connect(targets[index] ?? 0, "127.0.0.1");
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("close", () => open.delete(socket)).on("error", () => undefined);
    }
    client.pipe(upstream);
    // The gateway's whole answer fits one segment here; the agent comes back over a new connection.
    let exchanges = 0;
    upstream.on("data", (bytes) => {
      exchanges += 1;
      if (exchanges < EXCHANGES) client.write(bytes);
      else client.end(bytes);
    });
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return {
    port: address.port,
    perTarget,
    use(index) {
      only = index;
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
