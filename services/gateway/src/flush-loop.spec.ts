import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FLUSH_RETRY_MS, type FlushDeps, flushLoop, MAX_HOLD_MS } from "./flush-loop.ts";

const FLUSH_MS = 25;

/** Runs the loop over an outbox that is always filled, for so many flushes; when each began. */
async function flushesOf(count: number, deps: Partial<FlushDeps> & { readonly isWritten?: boolean } = {}) {
  const ending = new AbortController();
  const flushedAtMs: number[] = [];
  let nowMs = 0;
  const outbox: FlushDeps["outbox"] = {
    filled: async () => undefined,
    async flushAll() {
      if (flushedAtMs.push(nowMs) === count) ending.abort();
      return deps.isWritten ?? true;
    },
  };
  const clock: FlushDeps["clock"] = {
    nowMs: () => nowMs,
    async delay(ms) {
      nowMs += ms;
    },
  };
  const presence = deps.presence ?? { isBroadcasting: () => false };
  await flushLoop({ outbox, presence, flushMs: FLUSH_MS, clock }, ending.signal);
  return flushedAtMs;
}

describe("flushing", () => {
  it("gathers changes for a moment", async () => {
    assert.deepEqual(await flushesOf(3), [25, 50, 75]);
  });

  it("waits while a crowd is offered something, but not for ever", async () => {
    const presence = { isBroadcasting: () => true };
    assert.deepEqual(await flushesOf(2, { presence }), [MAX_HOLD_MS, 2 * MAX_HOLD_MS]);
    let asks = 0;
    const soonOver = { isBroadcasting: () => ++asks < 4 };
    assert.deepEqual(await flushesOf(2, { presence: soonOver }), [4 * FLUSH_MS, 5 * FLUSH_MS]);
  });

  it("asks a store that is away less often", async () => {
    assert.deepEqual(await flushesOf(2, { isWritten: false }), [FLUSH_MS, 2 * FLUSH_MS + FLUSH_RETRY_MS]);
  });

  it("ends when it is asked to, also while it waits", async () => {
    const ending = AbortSignal.abort();
    const never = async (): Promise<never> => assert.fail("nothing is written any more");
    const outbox = { filled: never, flushAll: never };
    const presence = { isBroadcasting: () => true };
    await flushLoop({ outbox, presence, flushMs: FLUSH_MS, clock: { nowMs: () => 0, delay: never } }, ending);
  });
});
