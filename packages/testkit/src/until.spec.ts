// Waiting: what counts as met, and what a failed wait says.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { until } from "./until.ts";

describe("until", () => {
  it("resolves with the first truthy value", async () => {
    let calls = 0;
    const value = await until(() => (++calls === 3 ? "third" : null));
    assert.equal(value, "third");
    assert.equal(calls, 3);
  });

  it("awaits an async condition", async () => {
    let calls = 0;
    assert.equal(await until(async () => ++calls > 1), true);
  });

  it("treats a throw as not yet", async () => {
    let calls = 0;
    const value = await until(() => {
      calls += 1;
      if (calls < 3) throw new Error("not there");
      return calls;
    });
    assert.equal(value, 3);
  });

  it("says what it waited for and the last value", async () => {
    await assert.rejects(
      until(() => undefined, { timeoutMs: 10, what: "50 agents" }),
      /waited \d+ ms for 50 agents; the last value was undefined/,
    );
  });

  it("says what the last try threw", async () => {
    const fail = () => {
      throw new Error("connection refused");
    };
    await assert.rejects(
      until(fail, { timeoutMs: 10, what: "the port" }),
      /for the port; the last try threw: .*refused/,
    );
  });
});
