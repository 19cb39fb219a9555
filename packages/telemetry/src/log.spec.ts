// The logger's two formats, its levels and its children.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLogger, type LoggerOptions, silentLogger } from "./log.ts";

function capture(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const log = createLogger({ service: "gateway", write: (line) => lines.push(line), ...options });
  return { log, lines };
}

describe("createLogger", () => {
  it("writes one JSON object a line: level, time, service, event and fields", () => {
    const { log, lines } = capture();
    log.info("session.opened", { uid: "a1" });
    assert.equal(lines.length, 1);
    assert.ok(lines[0]?.endsWith("\n"));
    const { time, ...rest } = JSON.parse(lines[0] ?? "");
    assert.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.deepEqual(rest, { level: "info", service: "gateway", event: "session.opened", uid: "a1" });
  });

  for (const [level, expected] of [
    ["debug", ["a.debug", "a.info", "a.warn", "a.error"]],
    ["info", ["a.info", "a.warn", "a.error"]],
    ["warn", ["a.warn", "a.error"]],
    ["error", ["a.error"]],
  ] as const) {
    it(`at level ${level} writes ${expected.length} of the four levels`, () => {
      const { log, lines } = capture({ level });
      for (const each of ["debug", "info", "warn", "error"] as const) log[each](`a.${each}`);
      assert.deepEqual(
        lines.map((line) => JSON.parse(line).event),
        expected,
      );
    });
  }

  it("adds fields with `with`, without changing the original", () => {
    const { log, lines } = capture();
    log.with({ gateway: "gw-1" }).with({ partition: 3 }).warn("batch.failed", { count: 1 });
    log.info("plain.logged");
    const [child, plain] = lines.map((line) => JSON.parse(line));
    assert.equal(child.gateway, "gw-1");
    assert.equal(child.partition, 3);
    assert.equal(child.count, 1);
    assert.equal("gateway" in plain, false);
  });

  it("never writes a secret, neither as a field nor bound by `with`", () => {
    for (const format of ["json", "text"] as const) {
      const { log, lines } = capture({ format });
      log.with({ token: "s3cr3t-a" }).info("x.done", { headers: { Authorization: "s3cr3t-b" } });
      assert.equal(lines.join("").includes("s3cr3t"), false);
      assert.match(lines.join(""), /redacted/);
    }
  });

  it("writes a readable line in text format", () => {
    const { log, lines } = capture({ format: "text" });
    log.warn("offer.failed", { uid: "a1", reason: "did not parse", count: 2 });
    assert.match(
      lines[0] ?? "",
      /^\d\d:\d\d:\d\d\.\d{3} WARN {2}gateway offer\.failed uid=a1 reason="did not parse" count=2\n$/,
    );
  });

  it("puts an error's stack below the readable line", () => {
    const { log, lines } = capture({ format: "text" });
    log.error("store.failed", { error: new Error("no route") });
    assert.match(lines[0] ?? "", /store\.failed error="no route"\n {4}Error: no route\n {8}at /);
  });
});

describe("silentLogger", () => {
  it("accepts everything and writes nothing", () => {
    assert.doesNotThrow(() => silentLogger.with({ a: 1 }).error("x.failed", { error: new Error("x") }));
  });
});
