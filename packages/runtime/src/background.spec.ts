// Tasks are counted, their failures logged, and idle waits for all of them.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLogger } from "@muster/telemetry";
import { createBackground } from "./background.ts";

function setUp() {
  const lines: string[] = [];
  const log = createLogger({ service: "x", write: (line) => lines.push(line) });
  return { lines, tasks: createBackground(log) };
}

describe("createBackground", () => {
  it("names what runs and forgets what has ended", async () => {
    const { tasks } = setUp();
    let finish = () => {};
    tasks.background("flush", new Promise<void>((resolve) => (finish = resolve)));
    tasks.background("notify", Promise.resolve());
    assert.deepEqual(tasks.openNames(), ["flush", "notify"]);
    finish();
    await tasks.idle();
    assert.deepEqual(tasks.openNames(), []);
  });

  it("logs a failure and goes on", async () => {
    const { lines, tasks } = setUp();
    tasks.background("flush", Promise.reject(new Error("no route")));
    await tasks.idle();
    const line = JSON.parse(lines[0] ?? "");
    assert.equal(line.event, "background.failed");
    assert.equal(line.task, "flush");
    assert.equal(line.error.message, "no route");
  });

  it("waits for tasks that are started while waiting", async () => {
    const { tasks } = setUp();
    let secondEnded = false;
    const second = async () => {
      await new Promise(setImmediate);
      secondEnded = true;
    };
    const first = async () => {
      await new Promise(setImmediate);
      tasks.background("second", second());
    };
    tasks.background("first", first());
    await tasks.idle();
    assert.equal(secondEnded, true);
  });
});
