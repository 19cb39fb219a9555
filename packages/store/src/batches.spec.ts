import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createBatches } from "./batches.ts";

describe("batches", () => {
  it("gather what is asked for in one moment, by partition, and answer each its own", async () => {
    const commands: (readonly [number, readonly number[]])[] = [];
    const ask = createBatches(async (p, items: readonly number[]) => {
      commands.push([p, items]);
      return items.map((item) => item * 10);
    }, 3);
    const asked = [ask(0, 1), ask(1, 2), ask(0, 3)];
    await Promise.resolve();
    asked.push(ask(0, 4), ask(0, 5));
    assert.deepEqual(await Promise.all(asked), [10, 20, 30, 40, 50]);
    assert.deepEqual(commands, [
      [0, [1, 3, 4]],
      [1, [2]],
      [0, [5]],
    ]);
    assert.equal(await ask(0, 6), 60);
    assert.equal(commands.length, 4);
  });

  it("fail together, and only they", async () => {
    const ask = createBatches(async (p: number, items: readonly number[]) => {
      if (p === 0) throw new Error("no store");
      return items;
    }, 3);
    const [a, b, c] = await Promise.allSettled([ask(0, 1), ask(0, 2), ask(1, 3)]);
    assert.deepEqual([a?.status, b?.status, c?.status], ["rejected", "rejected", "fulfilled"]);
  });
});
