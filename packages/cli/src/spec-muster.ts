// The command line as people run it, for specs: the real process, against a real management server with a real Redis. Never used in
// the command itself.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { parseGatewayId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { openStore, type Store } from "@muster/store";
import { guard, type RedisServer, startRedis, until } from "@muster/testkit";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** Opens a server before the tests of a describe, and closes it after them. */
export function useMuster() {
  const dir = mkdtempSync(join(tmpdir(), "muster-cli-"));
  let redis: RedisServer;
  let opened: Store | null = null;
  let server: ChildProcess;
  let address = "";

  before(async () => {
    redis = await startRedis();
    const encryptionKey = randomBytes(32);
    const key = encryptionKey.toString("base64");
    const env = { ...process.env, REDIS_URL: redis.url, MUSTER_ENCRYPTION_KEY: key };
    const ports = { MUSTER_MANAGEMENT_PORT: "0", MUSTER_HEALTH_PORT: "0" };
    server = spawn(process.execPath, [path("../../../services/management/src/main.ts")], {
      env: { ...env, ...ports },
      stdio: ["ignore", "pipe", "inherit"],
    });
    guard(server);
    address = `127.0.0.1:${await readyPort(server)}`;
    const options = { redisUrl: redis.url, controlUrl: redis.url, partitions: 16, encryptionKey };
    opened = await openStore({ ...options, onError() {} });
  });
  after(async () => {
    server.kill("SIGTERM");
    await until(() => server.exitCode !== null, { what: "the server's end" });
    opened?.close();
    await redis.stop();
    rmSync(dir, { recursive: true });
  });

  /** A command that runs; `out` and `err` grow while it does. */
  function start(args: readonly string[], input = "") {
    const child = spawn(process.execPath, [path("../bin/muster.mjs"), ...args], {
      env: { ...process.env, MUSTER_SERVER: address },
    });
    guard(child);
    const run = { out: "", err: "", child, code: null as number | null };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      run.out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      run.err += text;
    });
    child.once("close", (code) => {
      run.code = code;
    });
    child.stdin.end(input);
    return run;
  }

  async function muster(args: readonly string[], input = "") {
    const run = start(args, input);
    await until(() => run.code !== null, { timeoutMs: 20_000, what: `the end of muster ${args.join(" ")}` });
    return run;
  }

  async function json(args: readonly string[]) {
    const { out, err, code } = await muster([...args, "-o", "json"]);
    assert.equal(code, 0, err);
    return JSON.parse(out);
  }

  function file(name: string, text: string): string {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  }

  return {
    dir,
    start,
    muster,
    json,
    file,
    get store(): Store {
      return opened ?? assert.fail("the store opens before the first test, not earlier");
    },
    get address() {
      return address;
    },
  };
}

async function readyPort(server: ChildProcess): Promise<number> {
  if (server.stdout === null) throw new Error("the server's output is not piped");
  for await (const line of createInterface({ input: server.stdout })) {
    const { event, grpc } = JSON.parse(line);
    if (event !== "service.ready") continue;
    server.stdout.resume(); // or the pipe fills up
    return grpc;
  }
  throw new Error("the server ended before it was ready");
}

/** Stores the n-th agent, or what is new of it. */
export async function storeAgent(store: Store, n: number, env: string, epoch = 1): Promise<void> {
  const fact = { uid: aUid(n), epoch, atMs: Date.now() };
  await store.agents.project(fact.uid, [
    {
      ...fact,
      n: 1,
      kind: "agent.connected",
      gateway: parseGatewayId("gw"),
      transport: "websocket",
      remoteAddress: "",
    },
    {
      ...fact,
      n: 2,
      kind: "agent.described",
      identifying: [["service.name", "otelcol"]],
      nonIdentifying: [["env", env]],
    },
  ]);
}
