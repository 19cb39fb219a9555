// Closers run in reverse, one at a time, and a failing one does not stop the rest.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClosers } from "./closers.ts";

describe("createClosers", () => {
  it("closes in reverse order of opening, waiting for each", async () => {
    const closers = createClosers();
    const seen: string[] = [];
    const close = (name: string) => async () => {
      seen.push(`${name} begins`);
      await new Promise(setImmediate);
      seen.push(`${name} ends`);
    };
    closers.defer("redis", close("redis"));
    closers.defer("socket", close("socket"));
    assert.deepEqual(closers.openNames(), ["socket", "redis"]);
    await closers.closeAll(() => assert.fail("nothing fails"));
    assert.deepEqual(seen, ["socket begins", "socket ends", "redis begins", "redis ends"]);
    assert.deepEqual(closers.openNames(), []);
  });

  it("reports a failing closer and closes the rest", async () => {
    const closers = createClosers();
    const failed: string[] = [];
    let closed = false;
    closers.defer("a", () => {
      closed = true;
    });
    closers.defer("b", () => Promise.reject(new Error("stuck")));
    await closers.closeAll((name, error) => failed.push(`${name}: ${error}`));
    assert.deepEqual(failed, ["b: Error: stuck"]);
    assert.equal(closed, true);
  });

  it("names a closer that hangs as open", async () => {
    const closers = createClosers();
    closers.defer("store", () => {});
    closers.defer("hub", () => new Promise(() => {}));
    void closers.closeAll(() => {});
    await new Promise(setImmediate);
    assert.deepEqual(closers.openNames(), ["hub", "store"]);
  });

  it("closes what is opened while closing", async () => {
    const closers = createClosers();
    let closed = false;
    closers.defer("a", () => closers.defer("late", () => (closed = true)));
    await closers.closeAll(() => {});
    assert.equal(closed, true);
  });
});
