import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { parseRolloutId } from "@muster/fleet";
import { ROLLOUT_ID } from "@muster/fleet/builders";
import { until } from "@muster/testkit";
import { Queue } from "bullmq";
import { QUEUE_PREFIX } from "./keys.ts";
import { openQueue, openWorker, type WorkHandlers, type WorkQueue } from "./queue.ts";
import { openPatient } from "./redis.ts";
import { useStore } from "./spec-store.ts";

const OTHER_ID = parseRolloutId("01890a5d-0000-7000-8000-000000000002");

describe("work queue", () => {
  const spec = useStore();
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function openAsking(): Promise<WorkQueue> {
    const queue = await openQueue(spec.server.url, () => undefined);
    closers.push(queue.close);
    return queue;
  }
  /** A worker that notes what it does; `handlers` say what else happens. */
  async function openWorking(handlers: Partial<WorkHandlers> = {}) {
    const done: string[] = [];
    const errors: string[] = [];
    const note = async (what: string, also: Promise<void> | undefined): Promise<void> => {
      done.push(what);
      await also;
    };
    const close = await openWorker(
      spec.server.url,
      {
        reconcile: (id) => note(id === ROLLOUT_ID ? "reconcile" : `reconcile ${id}`, handlers.reconcile?.(id)),
        measure: (id) => note("measure", handlers.measure?.(id)),
        assign: (p) => note(`assign ${p}`, handlers.assign?.(p)),
        sweep: () => note("sweep", handlers.sweep?.()),
      },
      (error) => errors.push(error.message),
    );
    closers.push(close);
    const count = (what: string): number => done.filter((one) => one === what).length;
    return { done, errors, count, close };
  }
  const jobCounts = async () => {
    const connection = openPatient(spec.server.url, () => undefined);
    const queue = new Queue("muster-work", { connection, prefix: QUEUE_PREFIX });
    try {
      return await queue.getJobCounts("active", "delayed", "waiting", "failed", "completed");
    } finally {
      await queue.close();
      connection.disconnect();
    }
  };
  const untilIdle = () =>
    until(async () => {
      const { active, delayed, waiting } = await jobCounts();
      return active === 0 && waiting === 0 && delayed === 1; // the next sweep
    });

  it("does what is asked for, once for each rollout and partition", async () => {
    const queue = await openAsking();
    await queue.requestReconcile(ROLLOUT_ID);
    await queue.requestReconcile(OTHER_ID);
    await queue.requestAssign(0);
    await queue.requestAssign(3);
    const { done, errors } = await openWorking();
    await until(() => done.length === 5);
    await untilIdle();
    assert.deepEqual([...done].sort(), ["assign 0", "assign 3", "reconcile", `reconcile ${OTHER_ID}`, "sweep"]);
    assert.deepEqual(errors, []);
  });

  for (const kind of ["reconcile", "assign 1"] as const) {
    it(`makes one ${kind} of a hundred that are asked for during one, and misses none`, async () => {
      const queue = await openAsking();
      const request = () => (kind === "reconcile" ? queue.requestReconcile(ROLLOUT_ID) : queue.requestAssign(1));
      const { promise: gate, resolve: open } = Promise.withResolvers<void>();
      const { count } = await openWorking({ reconcile: () => gate, assign: () => gate });
      await request();
      await until(() => count(kind) === 1);
      await Promise.all(Array.from({ length: 100 }, request));
      assert.equal(count(kind), 1, "never beside itself");
      open();
      await until(() => count(kind) === 2);
      await untilIdle();
      assert.equal(count(kind), 2);
    });
  }

  it("has measurements that hang keep nobody else waiting", async () => {
    const queue = await openAsking();
    const { promise: hang, resolve: answer } = Promise.withResolvers<void>();
    const { count } = await openWorking({ measure: () => hang });
    const ids = Array.from({ length: 20 }, (_, n) => parseRolloutId(`01890a5d-0000-7000-8000-0000000001${n + 10}`));
    await Promise.all(ids.map((id) => queue.requestMeasure(id)));
    await until(() => count("measure") > 0);
    await queue.requestReconcile(ROLLOUT_ID);
    await until(() => count("reconcile") === 1);
    answer();
    await until(() => count("measure") === 20);
  });

  it("gathers requests that come together", async () => {
    const queue = await openAsking();
    const { count } = await openWorking();
    for (let i = 0; i < 20; i++) await queue.requestReconcile(ROLLOUT_ID);
    await until(() => count("reconcile") > 0);
    await untilIdle();
    assert.ok(count("reconcile") <= 2, `${count("reconcile")} passes`);
  });

  it("looks at once for a person, and once where somebody looks soon anyway", async () => {
    const queue = await openAsking();
    await queue.requestReconcileNow(ROLLOUT_ID);
    assert.equal((await jobCounts())["delayed"], 0);
    await queue.requestReconcile(OTHER_ID);
    await queue.requestReconcileNow(OTHER_ID);
    const { count } = await openWorking();
    await until(() => count("reconcile") + count(`reconcile ${OTHER_ID}`) === 2);
    await untilIdle();
    assert.deepEqual([count("reconcile"), count(`reconcile ${OTHER_ID}`)], [1, 1]);
  });

  it("wakes up at a time, never before, and once for as many who ask for it", async () => {
    const queue = await openAsking();
    const atMs: number[] = [];
    const { count } = await openWorking({
      reconcile: async () => {
        atMs.push(Date.now());
      },
    });
    const wantedMs = Date.now() + 600;
    for (let i = 0; i < 20; i++) await queue.requestReconcileAt(ROLLOUT_ID, wantedMs);
    await until(() => count("reconcile") === 1);
    await untilIdle();
    assert.equal(count("reconcile"), 1);
    assert.ok((atMs[0] ?? 0) >= wantedMs, "not before");
  });

  it("looks again at once when a time that is past is asked for", async () => {
    const queue = await openAsking();
    const { count } = await openWorking();
    await queue.requestReconcileAt(ROLLOUT_ID, 0);
    await until(() => count("reconcile") === 1);
  });

  for (const laterMs of [0, 1, 20]) {
    it(`does not lose a wake-up that a wake-up asks for, ${laterMs} ms later`, async () => {
      const queue = await openAsking();
      let passes = 0;
      await openWorking({
        reconcile: async (id) => {
          passes += 1;
          if (passes < 6) await queue.requestReconcileAt(id, Date.now() + laterMs);
        },
      });
      await queue.requestReconcileAt(ROLLOUT_ID, Date.now());
      await until(() => passes === 6);
    });
  }

  it("wakes up for the newest time that was asked for, and no more for the others", async () => {
    const queue = await openAsking();
    const { count } = await openWorking();
    await queue.requestReconcileAt(ROLLOUT_ID, Date.now() + 60_000);
    await queue.requestReconcileAt(ROLLOUT_ID, Date.now() + 300);
    await until(() => count("reconcile") === 1);
    await untilIdle();
  });

  it("puts a look off that was asked for, and forgets it for no wake-up", async () => {
    const queue = await openAsking();
    let passes = 0;
    const { count } = await openWorking({
      reconcile: async (id) => {
        passes += 1;
        // The look that was asked for comes while another one is under way, which plans the next one for much later.
        if (passes > 1) return;
        await queue.putOffReconcile(id, Date.now() + 100);
        await queue.requestReconcileAt(id, Date.now() + 60_000);
      },
    });
    await queue.requestReconcile(ROLLOUT_ID);
    await until(() => count("reconcile") === 2);
  });

  it("adds no look at a rollout where one waits already, and one where none does", async () => {
    const queue = await openAsking();
    const { count } = await openWorking();
    await queue.requestReconcileAt(ROLLOUT_ID, Date.now() + 60_000);
    for (let i = 0; i < 5; i++) await queue.ensureReconcile(ROLLOUT_ID);
    await queue.ensureReconcile(OTHER_ID);
    await until(() => count(`reconcile ${OTHER_ID}`) === 1);
    assert.equal(count("reconcile"), 0, "somebody looks in a minute");
    await queue.requestReconcileAt(ROLLOUT_ID, Date.now());
    await until(() => count("reconcile") === 1, { what: "a look that replaces the one that waits" });
    await untilIdle();
    await queue.ensureReconcile(ROLLOUT_ID);
    await until(() => count("reconcile") === 2);
  });

  it("takes a measurement once for as many who ask for it, and none again because it was asked for meanwhile", async () => {
    const queue = await openAsking();
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const { count } = await openWorking({ measure: () => gate });
    for (let i = 0; i < 10; i++) await queue.requestMeasure(ROLLOUT_ID);
    await until(() => count("measure") === 1);
    for (let i = 0; i < 10; i++) await queue.requestMeasure(ROLLOUT_ID);
    open();
    await untilIdle();
    assert.equal(count("measure"), 1);
    await queue.requestMeasure(ROLLOUT_ID);
    await until(() => count("measure") === 2);
  });

  it("tries again after an error, and tells of it", async () => {
    const queue = await openAsking();
    let tries = 0;
    const { count, errors } = await openWorking({
      reconcile: async () => {
        tries += 1;
        if (tries === 1) throw new Error("the store hiccuped");
      },
    });
    await queue.requestReconcile(ROLLOUT_ID);
    await until(() => count("reconcile") === 2);
    assert.deepEqual(errors, ["the store hiccuped"]);
    await untilIdle();
    await queue.requestReconcile(ROLLOUT_ID);
    await until(() => count("reconcile") === 3, { what: "work after a job that failed once" });
  });

  it("sweeps when a worker begins, and every half minute from then on, however many workers there are", async () => {
    const workers = [await openWorking(), await openWorking()];
    await until(() => workers.some(({ count }) => count("sweep") > 0));
    const connection = openPatient(spec.server.url, () => undefined);
    const queue = new Queue("muster-work", { connection, prefix: QUEUE_PREFIX });
    const schedulers = await queue.getJobSchedulers();
    await queue.close();
    connection.disconnect();
    assert.deepEqual(
      schedulers.map(({ name, every }) => [name, Number(every)]),
      [["sweep", 30_000]],
    );
  });

  it("finishes the job in hand before it closes", async () => {
    const queue = await openAsking();
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    let isDone = false;
    const { count, close } = await openWorking({
      assign: async () => {
        await gate;
        isDone = true;
      },
    });
    closers.pop(); // closed here
    await queue.requestAssign(1);
    await until(() => count("assign 1") === 1);
    const closed = close().then(() => assert.ok(isDone));
    open();
    await closed;
    await queue.requestAssign(2);
    assert.equal(count("assign 2"), 0);
  });
});
