import assert from "node:assert/strict";
import { it } from "node:test";
import { createErrorLog } from "./error-log.ts";
import { createLogger } from "./log.ts";

it("logs the first of a flood at once and the rest as a count", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const log = createLogger({ service: "test", write: (line) => lines.push(line) });
  const report = createErrorLog(log, "redis.failed", () => nowMs);
  for (let i = 0; i < 100; i++) report(new Error("connection refused"));
  report(new Error("something else"));
  assert.equal(lines.length, 2);
  nowMs = 5_001;
  report(new Error("connection refused"));
  assert.equal(JSON.parse(lines[2] ?? "{}").left_out, 99);
});
