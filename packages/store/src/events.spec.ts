import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import type { AgentEvent } from "@muster/fleet";
import { aHash, aUid } from "@muster/fleet/builders";
import { until } from "@muster/testkit";
import { createEvents, type EventBatch, type Events } from "./events.ts";
import { useStore } from "./spec-store.ts";

const PARTITIONS = 2;
const offered = (n: number): AgentEvent => ({
  kind: "agent.config-offered",
  uid: aUid(n),
  epoch: 1,
  n,
  atMs: 0,
  hash: aHash(),
});

interface Consumer {
  readonly got: number[];
  /** Resolves when it has ended by itself or was stopped; with the error that ended it, if any. */
  readonly ended: Promise<unknown>;
  stop(): Promise<unknown>;
}

describe("events", () => {
  const spec = useStore(["--appendonly", "yes", "--appendfsync", "always"]);
  const running: Consumer[] = [];
  afterEach(async () => {
    for (const consumer of running.splice(0)) await consumer.stop();
  });

  /** Takes over what others hold at once, or never. */
  const events = (idleMs = 10_000): Events =>
    createEvents(spec.redis, spec.server.url, PARTITIONS, () => undefined, { idleMs, everyMs: 0 });
  const append = (partition: number, ...batch: readonly AgentEvent[]) =>
    spec.redis.xadd(`muster:{${partition}}:events`, "*", "e", JSON.stringify(batch));

  /** Waits until as many consumers have nothing to do. */
  const untilWaiting = (count: number) =>
    until(async () => String(await spec.redis.client("LIST")).split("cmd=xreadgroup").length === count + 1);

  function consume(
    of: Events,
    name: string,
    project: (batches: readonly EventBatch[]) => Promise<void> = async () => undefined,
  ): Consumer {
    const controller = new AbortController();
    const got: number[] = [];
    const take = async (batches: readonly EventBatch[]): Promise<void> => {
      await project(batches);
      got.push(...batches.flatMap((batch) => batch.events.map(({ n }) => n)));
    };
    const ended = of.consume(name, take, controller.signal).catch((error: unknown) => error);
    const consumer = {
      got,
      ended,
      stop() {
        controller.abort();
        return ended;
      },
    };
    running.push(consumer);
    return consumer;
  }

  it("hands over what was written before and after it began, and is done with it then", async () => {
    await append(0, offered(1), offered(2));
    await append(1, offered(3));
    const consumer = consume(events(), "a");
    await until(() => consumer.got.length === 3);
    await append(1, offered(4));
    await until(async () => (await events().lag()) === 0);
    assert.deepEqual([...consumer.got].sort(), [1, 2, 3, 4]);
  });

  it("says from which partition and entry a batch is", async () => {
    const id = await append(1, offered(1));
    const seen: EventBatch[] = [];
    consume(events(), "a", async (batches) => {
      seen.push(...batches);
    });
    await until(() => seen.length > 0);
    assert.deepEqual(seen, [{ partition: 1, entryId: id, events: [offered(1)] }]);
  });

  it("hands one entry to one of two consumers", async () => {
    const both = [consume(events(), "a"), consume(events(), "b")];
    await untilWaiting(2);
    for (let n = 1; n <= 100; n++) await append(n % PARTITIONS, offered(n));
    const all = () => both.flatMap(({ got }) => got);
    await until(() => all().length >= 100);
    assert.deepEqual(
      all().sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
  });

  it("ends with the error of a consumer that throws, and hands the batch over again", async () => {
    await append(0, offered(1));
    const broken = consume(events(), "a", async () => Promise.reject(new Error("no view today")));
    assert.match(String(await broken.ended), /no view today/);
    assert.equal(await events().lag(), 1, "it is not acknowledged");
    const again = consume(events(0), "a");
    await until(() => again.got.length === 1);
    assert.deepEqual(again.got, [1]);
  });

  it("gives what a dead consumer holds to another, once it held it for long", async () => {
    await append(0, offered(1));
    const { promise: never, resolve: release } = Promise.withResolvers<void>();
    let isTaken = false;
    const stuck = consume(events(), "dead", async () => {
      isTaken = true;
      await never;
      throw new Error("it died");
    });
    await until(() => isTaken);
    const patient = consume(events(10_000), "patient");
    await append(0, offered(2));
    await until(() => patient.got.length > 0);
    assert.deepEqual(patient.got, [2], "the other may still be at work on 1");
    const heir = consume(events(0), "heir");
    await until(() => heir.got.length > 0);
    assert.deepEqual(heir.got, [1]);
    release();
    await stuck.ended;
    await until(async () => (await events().lag()) === 0);
  });

  for (const text of ["{not json", '{"kind":"agent.connected"}', "5", "null"]) {
    it(`puts the unreadable entry ${text} aside, and goes on`, async () => {
      await spec.redis.xadd("muster:{0}:events", "*", "e", text);
      await append(0, offered(1));
      const consumer = consume(events(), "a");
      await until(() => consumer.got.length === 1);
      const [letter] = await spec.redis.xrange("muster:{0}:dead-letters", "-", "+");
      assert.deepEqual(letter?.[1], ["e", text]);
      await until(async () => (await events().lag()) === 0);
    });
  }

  const poison = (n: number) => ({ ...offered(n), hash: null }) as unknown as AgentEvent; // of a known kind, and another form
  const touch = async (batches: readonly EventBatch[]): Promise<void> => {
    for (const { events } of batches) {
      for (const event of events) if (event.kind === "agent.config-offered") event.hash.slice(0, 4);
    }
  };

  it("puts aside what nobody can project of an agent, and projects all that was read with it", async () => {
    await append(0, offered(1));
    await append(0, offered(2), poison(3), ...Array.from({ length: 200 }, (_, i) => offered(i + 4)));
    await append(0, offered(204));
    const consumer = consume(events(), "a", touch);
    await until(() => consumer.got.length === 203);
    assert.deepEqual(consumer.got, [1, 2, ...Array.from({ length: 201 }, (_, i) => i + 4)]);
    await until(async () => (await events().lag()) === 0);
    const letters = await spec.redis.xrange("muster:{0}:dead-letters", "-", "+");
    assert.deepEqual(
      letters.map(([, fields]) => fields),
      [["e", JSON.stringify([poison(3)])]],
    );
    assert.equal(await events().deadLetters(), 1);
  });

  it("puts no more aside where so much was that the code must be wrong: it waits for a better one", async () => {
    const pipeline = spec.redis.pipeline();
    for (let i = 0; i < 1_000; i++) pipeline.xadd("muster:{0}:dead-letters", "*", "e", "[]");
    await pipeline.exec();
    await append(0, poison(1));
    const consumer = consume(events(), "a", touch);
    assert.ok((await consumer.ended) instanceof TypeError);
    assert.equal(await events().lag(), 1);
  });

  it("goes on after the fleet state was wiped while it waited", async () => {
    const consumer = consume(events(), "a");
    await append(0, offered(1));
    await until(() => consumer.got.length === 1);
    await untilWaiting(1);
    await spec.wipe();
    await append(0, offered(2));
    await append(1, offered(3));
    await until(() => consumer.got.length === 3);
  });

  it("hands over again what was in hand when Redis died", async () => {
    let wasKilled = false;
    const consumer = consume(events(0), "a", async () => {
      if (wasKilled) return;
      wasKilled = true;
      await spec.server.kill9();
      await until(() => spec.redis.status !== "ready");
    });
    await append(0, offered(1));
    await until(() => consumer.got.length === 1, { what: "the batch that cannot be acknowledged" });
    await spec.server.restart();
    await until(() => spec.redis.status === "ready");
    await append(0, offered(2));
    await until(async () => (await events().lag()) === 0);
    assert.deepEqual([...consumer.got].sort(), [1, 1, 2]);
  });

  it("stops at once when it is asked to", async () => {
    const consumer = consume(events(), "a");
    await until(async () => (await spec.redis.exists("muster:{0}:events")) === 1);
    await untilWaiting(1);
    let how: unknown = "not yet";
    void consumer.stop().then((error) => {
      how = error;
    });
    await until(() => how === undefined, { timeoutMs: 1_000, what: "the end, before a wait is over" });
    const never = new AbortController();
    never.abort();
    await events().consume("a", async () => assert.fail("nothing is read"), never.signal);
  });

  it("counts what waits in all partitions", async () => {
    assert.equal(await events().lag(), 0);
    for (const p of [0, 0, 1]) await append(p, offered(1));
    assert.equal(await events().lag(), 3);
  });
});
