import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLatch } from "./latch.ts";

const forever = 2 ** 30;

describe("a latch", () => {
  it("keeps a wake-up that came before anybody waited, but only one", async () => {
    const latch = createLatch();
    latch.wake();
    latch.wake();
    const stop = new AbortController();
    await latch.wait(forever, stop.signal);
    const second = latch.wait(forever, stop.signal).then(() => stop.signal.aborted);
    stop.abort();
    assert.equal(await second, true);
  });

  it("wakes who waits", async () => {
    const latch = createLatch();
    const woken = latch.wait(forever, new AbortController().signal);
    latch.wake();
    await woken;
  });

  it("does not wait once the signal has aborted", async () => {
    await createLatch().wait(forever, AbortSignal.abort());
  });

  it("gives up after the time", async () => {
    await createLatch().wait(1, new AbortController().signal);
  });
});
