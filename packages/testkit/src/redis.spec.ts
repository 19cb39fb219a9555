// A real server: answers, dies, comes back with its data, and does not outlive its test.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { freePort } from "./ports.ts";
import { type RedisServer, startRedis } from "./redis.ts";
import { until } from "./until.ts";

/** Sends one inline command and returns the first reply line. */
async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  try {
    socket.write(`${command}\r\n`);
    const [reply] = await once(socket, "data");
    return String(reply).split("\r\n").slice(0, 2).join(" ");
  } finally {
    socket.destroy();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("startRedis", () => {
  let redis: RedisServer;
  before(async () => {
    redis = await startRedis({ args: ["--appendonly", "yes", "--appendfsync", "always"] });
  });
  after(() => redis.stop());

  it("answers on its url", async () => {
    assert.equal(redis.url, `redis://127.0.0.1:${redis.port}`);
    assert.equal(await ask(redis.port, "PING"), "+PONG ");
  });

  it("finds its data again on the same port after kill -9", async () => {
    assert.equal(await ask(redis.port, "SET key value"), "+OK ");
    const { port } = redis;
    await redis.kill9();
    assert.equal(redis.pid(), null);
    await assert.rejects(ask(port, "PING"), /ECONNREFUSED/);
    await redis.restart();
    assert.equal(await ask(port, "GET key"), "$5 value");
  });

  it("restarts after a stop, and stops twice without harm", async () => {
    await redis.stop();
    await redis.stop();
    await redis.restart();
    assert.equal(await ask(redis.port, "GET key"), "$5 value");
  });

  it("listens on the port it was given and says why it cannot", async () => {
    await assert.rejects(startRedis({ port: redis.port }), /redis ended at once .*in use/is);
    const port = await freePort();
    const other = await startRedis({ port });
    assert.equal(other.port, port);
    await other.stop();
  });

  it("ends with a test process that is killed", async () => {
    const source = `import { startRedis } from ${JSON.stringify(new URL("redis.ts", import.meta.url).href)};
      console.log((await startRedis()).pid()); setInterval(() => {}, 1000);`;
    const test = spawn(process.execPath, ["--input-type=module-typescript", "-e", source], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(test.stdout, "data");
    const pid = Number(String(line));
    assert.ok(isAlive(pid));
    test.kill("SIGKILL");
    await until(() => !isAlive(pid), { what: `the server ${pid} to end` });
  });
});
