// Whole rollouts over a real Redis: two workers at once, agents whose reports are folded straight into their views.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import {
  type AgentEvent,
  BLANK,
  DEFAULT_PACE,
  type DesiredRecord,
  type InstanceUid,
  isEnded,
  parseGatewayId,
  type RolloutSpec,
} from "@muster/fleet";
import { aHash, aRollout, aUid, ROLLOUT_ID, stages } from "@muster/fleet/builders";
import { systemClock } from "@muster/runtime";
import { openQueue, openStore, openWorker, type Store, type StoredRollout, type WorkQueue } from "@muster/store";
import { createMetrics, silentLogger } from "@muster/telemetry";
import { type RedisServer, startRedis, trackLeaks, until as untilWithin } from "@muster/testkit";
import { createHandlers } from "./worker.ts";

const FLEET = Array.from({ length: 200 }, (_, i) => aUid(i + 1));
const BYSTANDERS = Array.from({ length: 10 }, (_, i) => aUid(1_000 + i));
const NO_QUEUE: WorkQueue = {
  requestReconcile: async () => undefined,
  requestReconcileNow: async () => undefined,
  putOffReconcile: async () => undefined,
  requestReconcileAt: async () => undefined,
  ensureReconcile: async () => undefined,
  requestMeasure: async () => undefined,
  requestAssign: async () => undefined,
  close: async () => undefined,
};
const mark = trackLeaks();

/** Breaks after long passes are up to five seconds, and a request that was lost is made up for by the sweep, every thirty. */
const until: typeof untilWithin = (condition, options = {}) =>
  untilWithin(condition, { timeoutMs: 45_000, ...options });

describe("rollout workers", () => {
  let server: RedisServer;
  let stores: readonly [Store, Store];
  let messages: string[];
  let writes: InstanceUid[];
  let spans: string[];
  const closers: (() => Promise<void>)[] = [];

  before(async () => {
    server = await startRedis();
  });
  beforeEach(async () => {
    await server.restart(); // without persistence: empty
    stores = [await open(), await open()];
    messages = [];
    writes = [];
    spans = [];
    await stores[0].gateways.incarnation();
    await Promise.all([...FLEET.map((uid) => tellOf(uid, "prod")), ...BYSTANDERS.map((uid) => tellOf(uid, "dev"))]);
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    for (const store of stores) store.close();
  });
  after(async () => {
    await server.stop();
    await mark.assertNone({ timeoutMs: 5_000 });
  });

  const open = (): Promise<Store> =>
    openStore({
      redisUrl: server.url,
      controlUrl: server.url,
      partitions: 4,
      encryptionKey: new Uint8Array(32),
      onError: () => undefined,
    });

  const tellOf = (uid: InstanceUid, env: string) => {
    const head = { uid, epoch: 1, atMs: Date.now() };
    return stores[0].agents.project(uid, [
      { kind: "agent.connected", ...head, n: 1, gateway: parseGatewayId("gw"), transport: "http", remoteAddress: "" },
      { kind: "agent.described", ...head, n: 2, identifying: [], nonIdentifying: [["env", env]] },
      {
        kind: "agent.capabilities-changed",
        ...head,
        n: 3,
        capabilities: ["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig"],
      },
    ]);
  };
  /** Agents are offered what they should run, and answer. */
  const answer = (uids: readonly InstanceUid[], state: "applied" | "failed" = "applied") =>
    Promise.all(
      uids.map((uid) => {
        const head = { uid, epoch: 1, atMs: Date.now(), hash: aHash() };
        const events: AgentEvent[] = [
          { kind: "agent.config-offered", ...head, n: 4 },
          { kind: "agent.config-acknowledged", ...head, n: 5, state, error: "it does not parse" },
        ];
        return stores[0].agents.project(uid, events);
      }),
    );

  /** The handlers of one worker, which note what it moves and writes. */
  const handlersOf = (store: Store, queue: WorkQueue) => {
    const assignAndNote: Store["desired"]["assign"] = async (decisions, ...rest) => {
      writes.push(...decisions.map(({ uid }) => uid));
      return await store.desired.assign(decisions, ...rest);
    };
    return createHandlers({
      store: { ...store, desired: { ...store.desired, assign: assignAndNote } },
      queue,
      clock: systemClock,
      metrics: createMetrics("rollout"),
      log: {
        ...silentLogger,
        info: (_, fields) => fields?.["kind"] === "stage" && messages.push(String(fields?.["message"])),
      },
      tracer: { record: ({ traceId, path }) => spans.push(`${traceId} ${path}`), close: async () => undefined },
      gates: { providers: new Map(), webhook: () => assert.fail("there are no webhooks") },
      signal: new AbortController().signal,
    });
  };
  /** Two workers on one queue, until the test ends. */
  const openWorkers = async (): Promise<WorkQueue> => {
    const queue = await openQueue(server.url, () => undefined);
    closers.push(queue.close);
    for (const store of stores) {
      closers.push(await openWorker(server.url, handlersOf(store, queue), (error) => assert.fail(error)));
    }
    return queue;
  };

  const start = (rest: Partial<RolloutSpec> = {}): Promise<StoredRollout> => {
    const spec = aRollout(stages(10, 50, 100), { selector: "env=prod", createdAtMs: Date.now(), ...rest });
    return stores[0].rollouts.start(spec, "");
  };
  const status = async () => (await stores[1].rollouts.get(ROLLOUT_ID))?.status ?? assert.fail("no such rollout");
  const reached = async (): Promise<readonly InstanceUid[]> => {
    const desired = await stores[0].desired.load([...FLEET, ...BYSTANDERS]);
    const has = (record: DesiredRecord | null | undefined): boolean =>
      record?.contributions.some(({ rolloutId }) => rolloutId === ROLLOUT_ID) ?? false;
    return [...FLEET, ...BYSTANDERS].filter((_, i) => has(desired[i]));
  };

  it("take a rollout through its stages, exactly, and assign every agent once", async () => {
    const queue = await openWorkers();
    await start();
    let before: readonly InstanceUid[] = [];
    for (const size of [20, 100, 200]) {
      await Promise.all(Array.from({ length: 10 }, () => queue.requestReconcile(ROLLOUT_ID)));
      await until(async () => (await reached()).length >= size, { what: `a stage of ${size}` });
      const now = await reached();
      assert.equal(now.length, size);
      assert.ok(
        before.every((uid) => now.includes(uid)),
        "nobody is taken out again",
      );
      await queue.requestReconcile(ROLLOUT_ID);
      await until(async () => (await status()).counts.queued === 200 - size);
      await answer(now);
      before = now;
    }
    await queue.requestReconcile(ROLLOUT_ID);
    await until(async () => isEnded((await status()).phase));
    const { phase, counts } = await status();
    assert.deepEqual([phase, counts.verified], ["succeeded", 200]);
    assert.deepEqual(
      messages.filter((message) => message.includes("began")),
      [
        "Stage 1 of 3 began: 20 agents.",
        "Stage 2 of 3 began: 100 agents, 80 of them new.",
        "Stage 3 of 3 began: 200 agents, 100 of them new.",
      ],
      "each stage was begun by one of the two",
    );
    assert.equal(spans.length, new Set(spans).size, "every span was told by one of the two");
    assert.equal(writes.length, 200);
    assert.equal(new Set(writes).size, 200);
    assert.ok((await reached()).every((uid) => FLEET.includes(uid)));
  });

  it("pause when an agent fails, take what failed it from it, and reach nobody else", async () => {
    const queue = await openWorkers();
    await start();
    await queue.requestReconcile(ROLLOUT_ID);
    await until(async () => (await reached()).length === 20);
    const stage = await reached();
    await answer(stage.slice(0, 1), "failed");
    await answer(stage.slice(1));
    await queue.requestReconcile(ROLLOUT_ID);
    await until(async () => (await status()).phase === "paused");
    const { reason, failures } = await status();
    assert.deepEqual([reason, failures[0]?.error], ["inconclusive", "it does not parse"]);
    const [failed] = stage;
    assert.ok(failed !== undefined);
    await until(async () => !(await reached()).includes(failed));
    assert.deepEqual(await reached(), stage.slice(1));
    const [desired] = await stores[0].desired.load([failed]);
    assert.deepEqual([desired?.hash, desired?.exclusions?.[0]?.state], [BLANK.hash, "failed"], "it had nothing before");
  });

  it("finish what a worker that died between commit and assignment began, after a sweep", async () => {
    const dying = handlersOf(stores[0], {
      ...NO_QUEUE,
      requestAssign: async () => Promise.reject(new Error("it died")),
    });
    await start();
    await assert.rejects(dying.reconcile(ROLLOUT_ID), /it died/);
    assert.equal((await status()).reason, "stage_started", "it was committed");
    assert.equal((await reached()).length, 0);
    await openWorkers(); // sweeps when it begins
    await until(async () => (await reached()).length === 20);
    assert.equal(writes.length, 20);
  });

  it("agree although both move the rollout at the same moment", async () => {
    const both = stores.map((store) => handlersOf(store, NO_QUEUE));
    await start();
    await Promise.all(both.map((each) => each.reconcile(ROLLOUT_ID)));
    assert.deepEqual(messages, ["Stage 1 of 3 began: 20 agents."]);
    assert.equal((await stores[0].rollouts.log(ROLLOUT_ID, 0, 100)).filter(({ kind }) => kind === "stage").length, 1);
    await Promise.all(both.flatMap((each) => [0, 1, 2, 3].map((p) => each.assign(p))));
    assert.equal((await reached()).length, 20);
    assert.deepEqual([...new Set(writes)].sort(), [...(await reached())].sort());
  });

  it("admit no more than the limit at a time, though both look at once and on every answer", async () => {
    const queue = await openWorkers();
    const pace = { ...DEFAULT_PACE, maxInFlight: 5 };
    await start({ stages: stages(100), selector: "env=dev", pace });
    await queue.requestReconcile(ROLLOUT_ID);
    await until(async () => (await reached()).length === 5, { what: "the first five" });
    await Promise.all(Array.from({ length: 10 }, () => queue.requestReconcile(ROLLOUT_ID)));
    await Promise.all([0, 1, 2, 3].map((p) => queue.requestAssign(p)));
    await until(async () => (await status()).counts.assigned === 5);
    const firstFive = await reached();
    assert.equal(firstFive.length, 5);
    await answer(firstFive);
    await queue.requestReconcile(ROLLOUT_ID);
    await until(async () => (await reached()).length === 10, { what: "all ten" });
    await answer(BYSTANDERS.filter((uid) => !firstFive.includes(uid)));
    await queue.requestReconcile(ROLLOUT_ID);
    await until(async () => (await status()).phase === "succeeded");
    assert.equal(writes.length, 10);
  });

  it("take back a rollout for which one agent after the other was admitted", async () => {
    const queue = await openWorkers();
    const { spec } = await start({ stages: stages(100), selector: "env=dev" });
    await queue.requestReconcile(ROLLOUT_ID);
    await until(async () => (await reached()).length === 10);
    await answer(BYSTANDERS);
    await stores[0].rollouts.wish({ ...spec, generation: 2, wishGeneration: 2, wish: "rollback" });
    await queue.requestReconcile(ROLLOUT_ID);
    await until(async () => (await reached()).length === 0, { what: "nobody having it" });
    const [desired] = await stores[0].desired.load(BYSTANDERS);
    assert.deepEqual([desired?.hash, desired?.returned], [BLANK.hash, [ROLLOUT_ID]], "it had nothing before");
  });

  it("give newcomers what the rest of the fleet runs once a rollout succeeded", async () => {
    const queue = await openWorkers();
    await start({ stages: stages(100) });
    await queue.requestReconcile(ROLLOUT_ID);
    await until(async () => (await reached()).length === 200);
    await answer(FLEET);
    await queue.requestReconcile(ROLLOUT_ID);
    await until(async () => (await status()).phase === "succeeded");
    const newcomer = aUid(5_000);
    await tellOf(newcomer, "prod");
    await queue.requestAssign(stores[0].sessions.partitionOf(newcomer));
    await until(async () => (await stores[0].desired.load([newcomer]))[0]?.hash === aHash());
  });
});
