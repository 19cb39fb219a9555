// The life of a real process: how it becomes ready, how it is asked to end, what it says and how it exits.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import { guard, until } from "@muster/testkit";

interface Example {
  readonly child: ChildProcess;
  /** Log lines so far, parsed. */
  lines(): Record<string, unknown>[];
  events(): unknown[];
  stdout(): string;
  stderr(): string;
  /** Resolves when the event was logged. */
  seen(event: string): Promise<Record<string, unknown>>;
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
}

function start(mode: string, env: Record<string, string> = {}): Example {
  const child = spawn(process.execPath, [new URL("fixtures/example-service.ts", import.meta.url).pathname], {
    env: { PATH: process.env["PATH"], EXAMPLE_MODE: mode, MUSTER_HEALTH_PORT: "0", MUSTER_DRAIN_MS: "5000", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  guard(child);
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (err += text));
  const lines = () =>
    out
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  return {
    child,
    lines,
    events: () => lines().map((line) => line.event),
    stdout: () => out,
    stderr: () => err,
    seen: (event) =>
      until(() => lines().find((line) => line.event === event), {
        timeoutMs: 10_000,
        what: `${event} from ${mode}, which said ${out}${err}`,
      }),
    exited: new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal }))),
  };
}

const clean = { code: 0, signal: null };
const failed = { code: 1, signal: null };

describe("runService", { concurrency: 4 }, () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`drains on ${signal}: closers in reverse, exit 0`, async () => {
      const example = start("returns", { EXAMPLE_PORT: "4320" });
      const ready = await example.seen("service.ready");
      assert.equal(ready["example"], 4320);
      assert.ok(Number(ready["health"]) > 0);
      example.child.kill(signal);
      assert.deepEqual(await example.exited, clean);
      assert.deepEqual(example.events(), [
        "service.ready",
        "service.stopping",
        "socket.closed",
        "store.closed",
        "service.stopped",
      ]);
      assert.equal(example.lines()[1]?.["reason"], signal);
    });
  }

  it("closes only after the work has returned", async () => {
    const example = start("loops");
    await example.seen("service.ready");
    example.child.kill("SIGTERM");
    assert.deepEqual(await example.exited, clean);
    assert.deepEqual(example.events().slice(2, 4), ["work.returned", "socket.closed"]);
  });

  it("takes work that rejects because of the signal as ended", async () => {
    const example = start("rejects-with-abort");
    await example.seen("service.ready");
    example.child.kill("SIGTERM");
    assert.deepEqual(await example.exited, clean);
  });

  it("waits for background tasks before closing", async () => {
    const example = start("background");
    await example.seen("service.ready");
    example.child.kill("SIGTERM");
    assert.deepEqual(await example.exited, clean);
    assert.deepEqual(example.events().slice(2, 4), ["task.finished", "socket.closed"]);
  });

  const stuck = [
    { mode: "hangs", open: ["main work", "socket", "store", "health port", "process metrics"] },
    { mode: "closer-hangs", open: ["sessions", "socket", "store", "health port", "process metrics"] },
    { mode: "background-hangs", open: ["background flush", "socket", "store", "health port", "process metrics"] },
  ];
  for (const { mode, open } of stuck) {
    it(`exits 1 at the deadline and names what is open: ${mode}`, async () => {
      const example = start(mode, { MUSTER_DRAIN_MS: "100" });
      await example.seen("service.ready");
      example.child.kill("SIGTERM");
      assert.deepEqual(await example.exited, failed);
      const last = example.lines().at(-1);
      assert.equal(last?.["event"], "service.drain-failed");
      assert.equal(last?.["reason"], "not drained after 100 ms");
      assert.deepEqual(last?.["open"], open);
    });
  }

  it("exits 1 at once on a second signal", async () => {
    const example = start("hangs", { MUSTER_DRAIN_MS: "60000" });
    await example.seen("service.ready");
    example.child.kill("SIGTERM");
    await example.seen("service.stopping");
    example.child.kill("SIGINT");
    assert.deepEqual(await example.exited, failed);
    assert.equal(example.lines().at(-1)?.["reason"], "SIGINT while draining");
  });

  it("exits 1 when a closer fails, after closing the rest", async () => {
    const example = start("closer-fails");
    await example.seen("service.ready");
    example.child.kill("SIGTERM");
    assert.deepEqual(await example.exited, failed);
    assert.ok(example.events().includes("closer.failed"));
    assert.ok(example.events().includes("store.closed"));
  });

  it("exits 1 with one line and a reason when the start fails, and closes what was open", async () => {
    const example = start("fails-to-start");
    assert.deepEqual(await example.exited, failed);
    assert.deepEqual(example.events(), ["service.start-failed", "socket.closed", "store.closed"]);
    assert.equal(example.lines()[0]?.["reason"], "no store at 127.0.0.1:1");
    assert.equal(example.stderr(), "");
  });

  it("shows the stack of a start that failed by a bug", async () => {
    const example = start("fails-with-bug");
    assert.deepEqual(await example.exited, failed);
    assert.match(JSON.stringify(example.lines()[0]?.["error"]), /example-service\.ts/);
  });

  it("exits 1 when the work fails later", async () => {
    const example = start("fails-later");
    assert.deepEqual(await example.exited, failed);
    assert.ok(example.events().includes("service.failed"));
    assert.ok(example.events().includes("store.closed"));
  });

  for (const [mode, origin] of [
    ["rejects", "unhandledRejection"],
    ["throws", "uncaughtException"],
  ] as const) {
    it(`logs and exits 1 on an ${origin}`, async () => {
      const example = start(mode);
      assert.deepEqual(await example.exited, failed);
      const last = example.lines().at(-1);
      assert.equal(last?.["event"], "service.crashed");
      assert.equal(last?.["origin"], origin);
    });
  }

  it("prints every wrong setting, its own and the ones every service takes, and exits 1", async () => {
    const example = start("nonsense", { MUSTER_DRAIN_MS: "soon", EXAMPLE_PORT: "-1" });
    assert.deepEqual(await example.exited, failed);
    const lines = example.stderr().trim().split("\n");
    assert.equal(lines.length, 3);
    assert.match(lines[0] ?? "", /^example: MUSTER_DRAIN_MS is "soon"; expected a whole number/);
    assert.match(lines[1] ?? "", /^example: EXAMPLE_MODE is "nonsense"; expected one of/);
    assert.match(lines[2] ?? "", /^example: EXAMPLE_PORT is "-1"/);
  });

  it("names the remedy when the health port is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" ? `${address?.port}` : "";
    const example = start("returns", { MUSTER_HEALTH_PORT: port });
    assert.deepEqual(await example.exited, failed);
    server.close();
    assert.match(
      String(example.lines()[0]?.["reason"]),
      new RegExp(`127\\.0\\.0\\.1:${port} is in use; .*MUSTER_HEALTH_PORT`),
    );
  });

  it("shows on its health port that it is ready, and what it measures", async () => {
    const example = start("returns");
    const { health } = await example.seen("service.ready");
    assert.equal((await fetch(`http://127.0.0.1:${health}/readyz`)).status, 200);
    assert.match(
      await (await fetch(`http://127.0.0.1:${health}/metrics`)).text(),
      /muster_process_info\{service="example"/,
    );
    example.child.kill("SIGTERM");
    assert.deepEqual(await example.exited, clean);
  });

  it("is not ready while it drains", async () => {
    const example = start("closer-hangs", { MUSTER_DRAIN_MS: "1500" });
    const { health } = await example.seen("service.ready");
    example.child.kill("SIGTERM");
    await example.seen("service.stopping");
    const response = await fetch(`http://127.0.0.1:${health}/readyz`);
    assert.equal(response.status, 503);
    assert.equal(((await response.json()) as { checks: { service: string } }).checks.service, "draining");
    assert.deepEqual(await example.exited, failed);
  });

  it("drains when its launcher is gone, if told to watch it", async () => {
    const example = start("returns", { MUSTER_PARENT_WATCH: "1" });
    await example.seen("service.ready");
    example.child.stdin?.end();
    assert.deepEqual(await example.exited, clean);
    assert.equal(example.lines()[1]?.["reason"], "parent ended");
  });

  it("does not care about its standard input otherwise", async () => {
    const example = start("returns");
    await example.seen("service.ready");
    example.child.stdin?.end();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(example.child.exitCode, null);
    example.child.kill("SIGTERM");
    assert.deepEqual(await example.exited, clean);
  });

  it("writes readable lines on request", async () => {
    const example = start("fails-to-start", { MUSTER_LOG_FORMAT: "text", MUSTER_LOG_LEVEL: "warn" });
    assert.deepEqual(await example.exited, failed);
    assert.match(
      example.stdout(),
      /^[\d:.]+ ERROR example service\.start-failed reason="no store at 127\.0\.0\.1:1"\n$/,
    );
  });
});
