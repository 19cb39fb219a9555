// One real process: how it becomes ready, what a crash says, how it is ended, and that it never outlives its launcher.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { guard, until } from "@muster/testkit";
import { type Child, createChild, lastWords } from "./child.ts";
import { exampleSpec } from "./fixtures/example-spec.ts";

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("createChild", () => {
  let dir = "";
  let crashes: string[] = [];
  let child: Child;
  const create = (mode: string, changes = {}) => {
    child = createChild({ ...exampleSpec(dir, mode), ...changes }, (crash) => crashes.push(crash.sentence));
    return child;
  };
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "muster-child-"));
    crashes = [];
  });
  afterEach(async () => {
    await child.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it("resolves when the process is ready and ends it in good order", async () => {
    await create("works").start();
    const pid = child.pid();
    assert.equal(pid, Number(readFileSync(join(dir, "ready"), "utf8")));
    assert.equal(await child.stop(), true);
    assert.equal(child.pid(), null);
    assert.equal(isAlive(pid ?? 0), false);
    assert.equal(await child.stop(), true);
    assert.deepEqual(crashes, []);
  });

  it("says that it did not end well", async () => {
    await create("ends-badly").start();
    assert.equal(await child.stop(), false);
    assert.deepEqual(crashes, []);
  });

  it("kills what does not end in time", async () => {
    await create("ignores-sigterm").start();
    const pid = child.pid() ?? 0;
    assert.equal(await child.stop(), false);
    assert.equal(isAlive(pid), false);
  });

  it("rejects with one line when it ends before it is ready", async () => {
    await assert.rejects(create("crashes-at-start").start(), {
      name: "Remedy",
      message: `example ended with exit code 7: no store at 127.0.0.1:1; see ${join(dir, "logs", "example.log")}.`,
    });
    assert.equal(child.pid(), null);
    assert.deepEqual(crashes, []);
  });

  it("rejects when it is not ready in time, and ends it", async () => {
    await assert.rejects(
      create("never-ready", { readyTimeoutMs: 300 }).start(),
      /example is not ready after 0\.3 s; see /,
    );
    assert.equal(child.pid(), null);
  });

  it("rejects when the program does not exist", async () => {
    await assert.rejects(
      create("works", { command: join(dir, "nothing") }).start(),
      /example ended with exit code 127/,
    );
  });

  it("gives up a start that is aborted, and ends it", async () => {
    const controller = new AbortController();
    const starting = create("never-ready").start(controller.signal);
    await until(() => child.pid() !== null);
    controller.abort();
    await assert.rejects(starting, { name: "AbortError" });
    assert.equal(child.pid(), null);
  });

  it("reports a crash once, with the last words", async () => {
    await create("crashes-later").start();
    await until(() => crashes.length > 0, { what: "the crash report" });
    assert.deepEqual(crashes, [`example ended with exit code 1: store lost; see ${join(dir, "logs", "example.log")}.`]);
    assert.equal(child.pid(), null);
  });

  it("reports a process that somebody else killed", async () => {
    await create("works").start();
    process.kill(child.pid() ?? 0, "SIGKILL");
    await until(() => crashes.length > 0, { what: "the crash report" });
    assert.match(crashes[0] ?? "", /^example ended by SIGKILL; see /);
  });

  it("does not report what it killed itself, and starts again", async () => {
    await create("works").start();
    const first = child.pid();
    await child.kill9();
    assert.equal(child.pid(), null);
    rmSync(join(dir, "ready"));
    await child.restart();
    assert.notEqual(child.pid(), first);
    await child.restart();
    assert.deepEqual(crashes, []);
  });

  it("keeps the log of the run before", async () => {
    await assert.rejects(create("crashes-at-start").start());
    await create("works").start();
    assert.match(readFileSync(`${child.logFile}.1`, "utf8"), /no store/);
    assert.equal(readFileSync(child.logFile, "utf8"), "");
  });

  for (const mode of ["works", "ignores-sigterm"]) {
    it(`ends with its launcher, even by kill -9: a child that ${mode}`, { timeout: 20_000 }, async () => {
      create("works");
      const source = new URL("fixtures/example-launcher.ts", import.meta.url).pathname;
      const launcher = spawn(process.execPath, [source, dir, mode], { stdio: ["ignore", "pipe", "inherit"] });
      guard(launcher);
      const [line] = await once(launcher.stdout, "data");
      const pid = Number(String(line));
      assert.ok(isAlive(pid));
      launcher.kill("SIGKILL");
      await until(() => !isAlive(pid), { timeoutMs: 10_000, what: `the child ${pid} to end` });
    });
  }
});

describe("lastWords", () => {
  const cases = [
    { name: "nothing", log: "\n \n", expected: "" },
    { name: "the last line", log: "one\ntwo\n", expected: "two" },
    { name: "the line above a stack", log: "one\nError: two\n    at here\n", expected: "Error: two" },
    { name: "the reason of a JSON line", log: `{"event":"x","reason":"no store"}\n`, expected: "no store" },
    { name: "the error of a JSON line", log: `{"event":"x","error":{"message":"boom"}}\n`, expected: "boom" },
    { name: "a JSON line without either", log: `{"event":"x"}\n`, expected: `{"event":"x"}` },
    { name: "a long line", log: "a".repeat(999), expected: `${"a".repeat(239)}…` },
  ];
  for (const c of cases) it(c.name, () => assert.equal(lastWords(c.log), c.expected));
});
