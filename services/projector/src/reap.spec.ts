import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AgentEvent,
  type AgentView,
  apply,
  type GatewayId,
  type InstanceUid,
  isConnected,
  parseGatewayId,
  unknownAgent,
} from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { type ReapDeps, reap } from "./reap.ts";

const [gw1, gw2] = [parseGatewayId("gw-1"), parseGatewayId("gw-2")];
const MINUTE_MS = 60_000;

const connected = (uid: InstanceUid, gateway: GatewayId, epoch = 1): AgentEvent => ({
  kind: "agent.connected",
  uid,
  epoch,
  n: 1,
  atMs: 5,
  gateway,
  transport: "http",
  remoteAddress: "10.0.0.1",
});

interface Given {
  readonly alive?: readonly GatewayId[];
  readonly owners?: ReadonlyMap<InstanceUid, GatewayId>;
  readonly isBetween?: boolean;
  readonly renewedAtMs?: number;
}

/** Two gateways and the agents that the given events made; the reaper looks at it at minute 60. */
function aWorld(
  events: readonly AgentEvent[],
  { alive = [], owners = new Map(), renewedAtMs = 0, isBetween = false }: Given = {},
) {
  const views = new Map<InstanceUid, AgentView>();
  const fold = (event: AgentEvent): void => {
    views.set(event.uid, apply(views.get(event.uid) ?? unknownAgent(event.uid, 0), event));
  };
  for (const event of events) fold(event);
  const forgotten: GatewayId[] = [];
  const told: string[] = [];
  const deps: ReapDeps = {
    gateways: async () => [gw1, gw2].map((id) => ({ id, isAlive: alive.includes(id), renewedAtMs })),
    connectedAt: async (gateway, limit) =>
      [...views.values()]
        .filter((view) => isConnected(view) && view.connection?.value.gateway === gateway)
        .slice(0, limit)
        .map(({ uid }) => uid),
    load: async (uids) => uids.flatMap((uid) => [...views.values()].filter((v) => v.uid === uid)).map(versioned),
    owner: async (uid) => owners.get(uid) ?? null,
    isAlive: async (gateway) => alive.includes(gateway),
    endLost: async (uid, gateway, evenBetween) => owners.get(uid) === gateway && (evenBetween || !isBetween),
    project: async (more) => more.forEach(fold),
    forget: async (id) => {
      forgotten.push(id);
    },
    nowMs: () => 60 * MINUTE_MS,
    onReaped: (gateway, count) => told.push(`${gateway} ${count}`),
  };
  const view = (uid = aUid()): AgentView => views.get(uid) ?? unknownAgent(uid, 0);
  return { deps, view, fold, forgotten, told };
}

const versioned = (view: AgentView) => ({ view, version: 1 });

describe("reap", () => {
  it("marks the agents of a dead gateway, and nobody else", async () => {
    const events = [connected(aUid(1), gw1), connected(aUid(2), gw2), connected(aUid(3), gw1)];
    const { deps, view, told } = aWorld(events, { alive: [gw2] });
    assert.equal(await reap(deps), 2);
    assert.deepEqual(
      [1, 2, 3].map((n) => isConnected(view(aUid(n)))),
      [false, true, false],
    );
    assert.deepEqual(view(aUid(1)).connection?.value.ended, { reason: "gateway_lost", atMs: 60 * MINUTE_MS });
    assert.deepEqual(told, ["gw-1 2"]);
  });

  it("gives polling agents whose gateway left in good order the time of a few polls", async () => {
    const renewedAtMs = 60 * MINUTE_MS - 100_000;
    const owners = new Map([[aUid(), gw1]]);
    const between = aWorld([connected(aUid(), gw1)], { owners, isBetween: true, renewedAtMs });
    assert.equal(await reap(between.deps), 0);
    const late = aWorld([connected(aUid(), gw1)], { owners, isBetween: true, renewedAtMs: renewedAtMs - 10_000 });
    assert.equal(await reap(late.deps), 1);
  });

  it("leaves an agent alone that another gateway takes over while it is judged", async () => {
    const { deps, view } = aWorld([connected(aUid(), gw1)], { owners: new Map([[aUid(), gw1]]), alive: [gw2] });
    assert.equal(await reap({ ...deps, endLost: async () => false }), 0);
    assert.ok(isConnected(view()), "it may go on there without a word");
  });

  it("leaves an agent alone that a gateway has which began a moment ago", async () => {
    const { deps, view } = aWorld([connected(aUid(), gw1)], { owners: new Map([[aUid(), gw2]]) });
    assert.equal(await reap({ ...deps, isAlive: async (gateway) => gateway === gw2 }), 0);
    assert.equal(view().connection?.value.gateway, gw2);
  });

  it("asks once for each gateway whether it began a moment ago, however many agents it has", async () => {
    const uids = [aUid(1), aUid(2), aUid(3)];
    const newcomer = parseGatewayId("gw-3");
    const owners = new Map(uids.map((uid) => [uid, newcomer]));
    const { deps } = aWorld(
      uids.map((uid) => connected(uid, gw1)),
      { owners },
    );
    const asked: GatewayId[] = [];
    const isAlive: ReapDeps["isAlive"] = async (gateway) => {
      asked.push(gateway);
      return true;
    };
    assert.equal(await reap({ ...deps, isAlive }), 0);
    assert.deepEqual(asked, [newcomer]);
  });

  it("changes nothing the second time", async () => {
    const { deps, view } = aWorld([connected(aUid(), gw1)]);
    await reap(deps);
    const before = view();
    assert.equal(await reap(deps), 0);
    assert.equal(view(), before);
  });

  it("does not mark a polling agent that another gateway serves by now, but notes that it is there", async () => {
    const { deps, view, told } = aWorld([connected(aUid(), gw1)], { alive: [gw2], owners: new Map([[aUid(), gw2]]) });
    assert.equal(await reap(deps), 0);
    const { value } = view().connection ?? assert.fail();
    assert.deepEqual([value.gateway, value.ended, value.connectedAtMs], [gw2, null, 5]);
    assert.deepEqual(told, []);
    assert.deepEqual(await deps.connectedAt(gw1, 10), [], "and it is not looked at again");
  });

  it("looks for an agent that was given another uid under the one it had, until it comes under the new one", async () => {
    const renamed: AgentEvent = { kind: "agent.renamed", uid: aUid(2), from: aUid(1), epoch: 1, n: 2, atMs: 5 };
    const events = [connected(aUid(2), gw1), renamed];
    const still = aWorld(events, { alive: [gw2], owners: new Map([[aUid(1), gw2]]) });
    assert.equal(await reap(still.deps), 0);
    assert.equal(still.view(aUid(2)).connection?.value.gateway, gw2);
    const owners = new Map([[aUid(1), gw2]]).set(aUid(2), gw1);
    const come = aWorld(events, { alive: [gw2], owners });
    assert.equal(await reap(come.deps), 1);
  });

  it("marks an agent whose next gateway died as well", async () => {
    const { deps, view } = aWorld([connected(aUid(), gw1)], { owners: new Map([[aUid(), gw2]]) });
    assert.equal(await reap(deps), 1);
    assert.equal(isConnected(view()), false);
  });

  for (const alive of [[], [gw2]]) {
    it(`leaves an agent alone that left meanwhile, with ${alive.length} gateways alive`, async () => {
      const world = aWorld([connected(aUid(), gw1)], { alive, owners: new Map([[aUid(), gw2]]) });
      const uids = await world.deps.connectedAt(gw1, 10);
      const { connection } = world.view();
      assert.ok(connection !== null);
      world.fold({ kind: "agent.disconnected", uid: aUid(), epoch: 1, n: 2, atMs: 6, reason: "closed" });
      const before = world.view();
      assert.equal(await reap({ ...world.deps, connectedAt: async (id) => (id === gw1 ? uids : []) }), 0);
      assert.equal(world.view(), before);
    });
  }

  it("is outdone by a newer session, whichever is folded first", async () => {
    const late = aWorld([connected(aUid(), gw1)]);
    await reap(late.deps);
    late.fold(connected(aUid(), gw2, 2));
    assert.ok(isConnected(late.view()));

    const early = aWorld([connected(aUid(), gw1)], { alive: [gw2] });
    const { load } = early.deps;
    const loadThenMove: ReapDeps["load"] = async (uids) => {
      const stale = await load(uids);
      early.fold(connected(aUid(), gw2, 2));
      return stale;
    };
    await reap({ ...early.deps, load: loadThenMove });
    assert.ok(isConnected(early.view()));
  });

  it("outdoes whatever the dead gateway still had in the stream", async () => {
    const { deps, view, fold } = aWorld([connected(aUid(), gw1)]);
    await reap(deps);
    fold({ ...connected(aUid(), gw1), n: 50 });
    assert.equal(isConnected(view()), false);
  });

  const forgetting: readonly (readonly [name: string, deadMinutes: number, agents: number, isForgotten: boolean])[] = [
    ["is remembered while its events may still come", 9, 0, false],
    ["is forgotten after ten minutes", 11, 0, true],
    ["is remembered while it has agents to mark", 11, 1, false],
  ];
  for (const [name, deadMinutes, agents, isForgotten] of forgetting) {
    it(`a dead gateway ${name}`, async () => {
      const events = Array.from({ length: agents }, (_, i) => connected(aUid(i), gw1));
      const world = aWorld(events, { alive: [gw2], renewedAtMs: (60 - deadMinutes) * MINUTE_MS });
      await reap(world.deps);
      assert.deepEqual(world.forgotten, isForgotten ? [gw1] : []);
    });
  }

  it("gets through more agents than it looks at in one pass, though many of them are served elsewhere", async () => {
    const uids = Array.from({ length: 1_200 }, (_, i) => aUid(i));
    const owners = new Map(uids.slice(0, 1_100).map((uid) => [uid, gw2] as const));
    const { deps } = aWorld(
      uids.map((uid) => connected(uid, gw1)),
      { alive: [gw2], owners },
    );
    let marked = 0;
    for (let pass = 0; pass < 3; pass++) marked += await reap(deps);
    assert.equal(marked, 100);
  });
});
