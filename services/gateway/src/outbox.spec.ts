import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AgentEvent } from "@muster/fleet";
import { aHash, aUid } from "@muster/fleet/builders";
import type { FlushOutcome, SessionFlush } from "@muster/store";
import { createOutbox, type OutboxDeps, type Source } from "./outbox.ts";

const source = (n = 1, epoch = 1): Source => ({ uid: aUid(n), epoch, checkpoint: () => ({ seq: 7n, state: "{}" }) });
const offered = (n: number, hash = aHash(), epoch = 1): AgentEvent => ({
  kind: "agent.config-offered",
  uid: aUid(),
  epoch,
  n,
  atMs: 0,
  hash,
});
const ended = (n: number): AgentEvent => ({
  kind: "agent.disconnected",
  uid: aUid(),
  epoch: 1,
  n,
  atMs: 0,
  reason: "closed",
});

/** An outbox over a store that answers as told and records what it was given. */
function anOutbox(overrides: Partial<OutboxDeps> = {}) {
  const flushed: SessionFlush[][] = [];
  const lost: string[] = [];
  const store: { answer: () => Promise<FlushOutcome> } = {
    answer: async () => ({ kind: "written", sessions: ["kept"] }),
  };
  const outbox = createOutbox({
    partitionOf: () => 0,
    async flush(_, batch) {
      const outcome = await store.answer();
      if (outcome.kind === "written") flushed.push([...batch]);
      return outcome;
    },
    putBody: async () => undefined,
    onLost: (uid, epoch, what) => lost.push(`${uid} ${epoch} ${what}`),
    onFlushed: () => undefined,
    onError: () => undefined,
    ...overrides,
  });
  return { outbox, flushed, lost, store };
}

describe("outbox", () => {
  it("keeps one event of a kind while the store is away, and writes all of it once it is back", async () => {
    const { outbox, flushed, store } = anOutbox();
    store.answer = async () => Promise.reject(new Error("away"));
    for (let n = 1; n <= 50; n++) outbox.add(source(), offered(n));
    assert.equal(await outbox.flushAll(), false);
    for (let n = 51; n <= 100; n++) outbox.add(source(), offered(n));
    assert.equal(outbox.size, 1);
    store.answer = async () => ({ kind: "written", sessions: ["kept"] });
    assert.equal(await outbox.flushAll(), true);
    assert.deepEqual(
      flushed.flat().map((s) => s.events.map((e) => e.n)),
      [[100]],
    );
    assert.equal(outbox.size, 0);
  });

  it("keeps what waits when the stream is full", async () => {
    const { outbox, store } = anOutbox();
    store.answer = async () => ({ kind: "full" });
    outbox.add(source(), offered(1));
    assert.equal(await outbox.flushAll(), false);
    assert.equal(outbox.size, 1);
  });

  it("merges a failed flush under what came meanwhile (O2)", async () => {
    const { outbox, flushed, store } = anOutbox();
    const { promise, reject } = Promise.withResolvers<FlushOutcome>();
    store.answer = () => promise;
    outbox.add(source(), offered(1, aHash("a")));
    const failing = outbox.flushAll();
    outbox.add(source(), offered(2, aHash("b")));
    outbox.end(source(), ended(3));
    reject(new Error("away"));
    await failing;
    store.answer = async () => ({ kind: "written", sessions: ["kept"] });
    await outbox.flushAll();
    assert.deepEqual(
      flushed.flat().map((s) => [s.events.map((e) => e.n), s.ending?.n, s.state]),
      [[[1, 2], 3, "ended"]],
    );
  });

  it("flushes an agent that another flush already holds before it answers", async () => {
    const { outbox, flushed, store } = anOutbox();
    const { promise, resolve } = Promise.withResolvers<FlushOutcome>();
    store.answer = () => promise;
    outbox.add(source(), offered(1));
    const first = outbox.flushAll();
    const second = outbox.flushAgent(aUid());
    resolve({ kind: "written", sessions: ["kept"] });
    assert.deepEqual(await Promise.all([first, second]), [true, true]);
    assert.equal(flushed.flat().length, 1);
  });

  it("says when something waits, and at once where something does", async () => {
    const { outbox } = anOutbox();
    const aborting = new AbortController();
    let count = 0;
    const filled = async (): Promise<void> => {
      await outbox.filled(aborting.signal);
      count += 1;
    };
    const first = filled();
    await Promise.resolve();
    assert.equal(count, 0);
    outbox.add(source(), offered(1));
    await first;
    await filled();
    assert.equal(await outbox.flushAll(), true);
    const last = filled();
    await Promise.resolve();
    assert.equal(count, 2);
    aborting.abort();
    await last;
    await filled();
    assert.equal(count, 4);
  });

  it("flushes nobody for an agent of which nothing waits", async () => {
    const { outbox, flushed } = anOutbox();
    outbox.add(source(), offered(1));
    assert.equal(await outbox.flushAgent(aUid(9)), true);
    assert.deepEqual([flushed.flat().length, outbox.size], [0, 1]);
  });

  it("lets all who wait for one partition share the next flush, and fail together", async () => {
    const { outbox, store } = anOutbox();
    let calls = 0;
    store.answer = async () => {
      calls += 1;
      throw new Error("away");
    };
    outbox.add(source(), offered(1));
    const answers = await Promise.all(Array.from({ length: 40 }, () => outbox.flushAgent(aUid())));
    assert.ok(answers.every((isWritten) => !isWritten));
    assert.equal(calls, 1);
  });

  it("notes that a session goes on elsewhere", async () => {
    const { outbox, flushed } = anOutbox();
    outbox.end(source(), null);
    await outbox.flushAll();
    assert.deepEqual(
      flushed.flat().map((s) => s.state),
      ["between"],
    );
  });

  it("tells of sessions that a newer one took over, and of those the store lost", async () => {
    const { outbox, lost, store } = anOutbox();
    store.answer = async () => ({ kind: "written", sessions: ["superseded", "unknown"] });
    outbox.add(source(1), offered(1));
    outbox.add(source(2), offered(1));
    await outbox.flushAll();
    assert.deepEqual(lost, [`${aUid(1)} 1 superseded`, `${aUid(2)} 1 unknown`]);
  });

  it("does not end a session that began after the end was noted", async () => {
    const { outbox, flushed } = anOutbox();
    outbox.end(source(1, 1), ended(3));
    outbox.add(source(1, 2), offered(1, aHash(), 2));
    await outbox.flushAll();
    assert.deepEqual(
      flushed.flat().map((s) => [s.epoch, s.ending, s.state]),
      [[2, null, "open"]],
    );
  });
});
