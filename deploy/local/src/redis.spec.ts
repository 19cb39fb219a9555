// The two local servers with their different promises, a server that an earlier run left, and REDIS_URL.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { freePort, startRedis as startForeign, until } from "@muster/testkit";
import type { Child } from "./child.ts";
import { ping } from "./ping.ts";
import { findGivenRedis, type LocalRedis, startRedis } from "./redis.ts";

const never = new AbortController().signal;

/** One command by the client that Debian's server package brings. */
function ask(url: string, ...command: string[]): string {
  return spawnSync("redis-cli", ["-u", url, ...command], { encoding: "utf8" }).stdout.trim();
}

describe("startRedis", () => {
  let stateDir = "";
  let children: Child[] = [];
  const start = (port?: number): Promise<LocalRedis> =>
    startRedis(
      {
        stateDir,
        onCrash: ({ sentence }) => assert.fail(sentence),
        onChild: (child) => children.push(child),
        ...(port === undefined ? {} : { port }),
      },
      never,
    );
  const stop = () => Promise.all(children.map((child) => child.stop()));
  beforeEach(() => {
    stateDir = mkdtempSync(join(tmpdir(), "muster-redis-"));
    children = [];
  });
  afterEach(async () => {
    await stop();
    rmSync(stateDir, { recursive: true, force: true });
  });

  it("keeps control state and fleet state apart, each with its promise", async () => {
    const { url, controlUrl } = await start();
    assert.notEqual(url, controlUrl);
    const setting = (at: string, name: string) => ask(at, "config", "get", name).split("\n")[1];
    assert.equal(setting(controlUrl, "appendfsync"), "always");
    assert.equal(setting(url, "appendfsync"), "everysec");
    for (const each of [url, controlUrl]) {
      assert.equal(setting(each, "appendonly"), "yes");
      assert.equal(setting(each, "maxmemory-policy"), "noeviction");
      assert.equal(setting(each, "bind"), "127.0.0.1");
    }
  });

  it("finds the state again at the next start, and after kill -9 of the control server", async () => {
    const first = await start();
    assert.equal(ask(first.url, "set", "a", "fleet"), "OK");
    assert.equal(ask(first.controlUrl, "set", "a", "control"), "OK");
    await children.find(({ name }) => name === "redis-control")?.kill9();
    assert.deepEqual(await stop(), [true, true]);
    const second = await start();
    assert.equal(ask(second.url, "get", "a"), "fleet");
    assert.equal(ask(second.controlUrl, "get", "a"), "control");
  });

  it("listens where it is told to", async () => {
    const port = await freePort();
    const { url, controlUrl } = await start(port);
    assert.equal(url, `redis://127.0.0.1:${port}`);
    assert.equal(controlUrl, `redis://127.0.0.1:${port + 1}`);
    assert.ok(readdirSync(stateDir).includes("redis-control"));
  });

  it("ends a server that an earlier run left on its folder", async () => {
    const dir = join(stateDir, "redis-fleet");
    const first = await start();
    await stop();
    const stale = await startForeign({ dir, args: ["--appendonly", "yes"] });
    writeFileSync(join(dir, "redis.pid"), `${stale.pid()}\n`);
    const second = await start();
    assert.notEqual(second.url, first.url);
    await until(async () => (await ping(stale.url)).kind === "refused", { what: "the stale server to be gone" });
    assert.equal((await ping(second.url)).kind, "pong");
  });

  it("does not believe a process id that is not a server any more", async () => {
    const first = await start();
    await stop();
    writeFileSync(join(stateDir, "redis-fleet", "redis.pid"), `${process.pid}\n`);
    assert.notEqual((await start()).url, first.url);
  });
});

describe("findGivenRedis", () => {
  it("finds none without REDIS_URL", async () => {
    assert.equal(await findGivenRedis({}), null);
    assert.equal(await findGivenRedis({ REDIS_URL: "" }), null);
  });

  it("uses one Redis for both kinds of state, or two", async () => {
    const fleet = await startForeign();
    const control = await startForeign();
    const one = await findGivenRedis({ REDIS_URL: fleet.url });
    const two = await findGivenRedis({ REDIS_URL: fleet.url, MUSTER_CONTROL_REDIS_URL: control.url });
    await fleet.stop();
    await control.stop();
    assert.deepEqual(one, { url: fleet.url, controlUrl: fleet.url, children: [] });
    assert.deepEqual(two, { url: fleet.url, controlUrl: control.url, children: [] });
  });

  it("says in one line which variable is wrong, without its password", async () => {
    const port = await freePort();
    await assert.rejects(findGivenRedis({ REDIS_URL: `redis://:s3cr3t@127.0.0.1:${port}` }), (error) => {
      assert.ok(error instanceof Error);
      assert.match(
        error.message,
        new RegExp(`^no usable Redis at redis://:\\*\\*\\*@127\\.0\\.0\\.1:${port}: .*REFUSED.*`),
      );
      assert.match(error.message, /Start it, correct REDIS_URL, or unset it/);
      return !error.message.includes("s3cr3t");
    });
  });
});
