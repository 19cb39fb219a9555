import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FleetError, parseConfigId } from "@muster/fleet";
import { startRedis, until } from "@muster/testkit";
import type { Redis } from "ioredis";
import { detectDurability, settle } from "./durable.ts";
import { closeRedis, openHot } from "./redis.ts";
import { openStore } from "./store.ts";

const CONNECT_TIMEOUT_MS = 5_000;

/** A server's answers as far as durability is concerned; the installed one may be older than WAITAOF. */
function answers(settings: readonly string[] | null, waitAof: readonly number[] | null): Redis {
  const deny = async () => Promise.reject(new Error("ERR unknown command"));
  const server = {
    config: async () => settings ?? (await deny()),
    call: async () => waitAof ?? (await deny()),
  };
  return server as unknown as Redis; // detectDurability and settle ask nothing else
}

async function durabilityOf(args: readonly string[]): Promise<string> {
  const server = await startRedis({ args });
  const redis = await openHot(server.url, () => undefined, CONNECT_TIMEOUT_MS);
  try {
    return await detectDurability(redis);
  } finally {
    closeRedis(redis);
    await server.stop();
  }
}

describe("durability", () => {
  const servers: readonly (readonly [args: readonly string[], expected: RegExp])[] = [
    [[], /^eventually$/],
    [["--appendonly", "yes", "--appendfsync", "always"], /^always$/],
    [["--appendonly", "yes", "--appendfsync", "everysec"], /^(eventually|on-request)$/], // by the server's age
    [["--appendonly", "no", "--appendfsync", "always"], /^eventually$/],
  ];
  for (const [args, expected] of servers) {
    it(`of a server with "${args.join(" ")}" is ${expected.source}`, async () => {
      assert.match(await durabilityOf(args), expected);
    });
  }

  const answered: readonly (readonly [name: string, server: Redis, expected: string])[] = [
    ["one that can be asked to wait", answers(["appendonly", "yes", "appendfsync", "everysec"], [0, 0]), "on-request"],
    ["one that hides its settings but can be asked to wait", answers(null, [0, 0]), "on-request"],
    ["one that hides its settings and cannot", answers(null, null), "eventually"],
    ["one that keeps nothing", answers(["appendonly", "no", "appendfsync", "everysec"], [0, 0]), "eventually"],
  ];
  for (const [name, server, expected] of answered) {
    it(`of ${name} is ${expected}`, async () => {
      assert.equal(await detectDurability(server), expected);
    });
  }

  it("waits for the disk where it must be asked for, and says when that takes too long", async () => {
    await settle(answers(null, [1, 0]), "on-request");
    await assert.rejects(
      settle(answers(null, [0, 0]), "on-request"),
      (error) => error instanceof FleetError && error.code === "unavailable",
    );
    for (const durability of ["always", "eventually"] as const) await settle(answers(null, null), durability);
  });

  it("keeps every answered control write through a kill -9, where the server writes always", async () => {
    const server = await startRedis({ args: ["--appendonly", "yes", "--appendfsync", "always"] });
    const encryptionKey = new Uint8Array(32);
    const urls = { redisUrl: server.url, controlUrl: server.url };
    const store = await openStore({ ...urls, partitions: 4, encryptionKey, onError: () => undefined });
    assert.equal(store.durability, "always");
    const answeredIds: string[] = [];
    const head = { description: "", selector: "", order: 100, isFragment: false, createdAtMs: 1, updatedAtMs: 1 };
    const write = async (): Promise<void> => {
      for (let i = 0; ; i++) {
        const { config } = await store.configs.create({ ...head, id: parseConfigId(`config-${i}`) }, "");
        answeredIds.push(config.id);
      }
    };
    const writing = write().catch(() => undefined); // until the server is gone
    await until(() => answeredIds.length >= 50);
    await server.kill9();
    await writing;
    await server.restart();
    await until(() => store.isReady());
    const found = new Set((await store.configs.list("", 100_000)).map(({ config }) => config.id as string));
    assert.deepEqual(
      answeredIds.filter((id) => !found.has(id)),
      [],
    );
    store.close();
    await server.stop();
  });
});
