// A store over a throw-away Redis, for specs: wiped before every test, checked for leaks after the last. Never used
// in services.

import { after, before, beforeEach } from "node:test";
import { type LeakCheck, type RedisOptions, type RedisServer, startRedis, trackLeaks } from "@muster/testkit";
import type { Redis } from "ioredis";
import { serversOf } from "./cluster.ts";
import { closeRedis, openHot } from "./redis.ts";
import { openStore, type Store, type StoreOptions } from "./store.ts";

/** What a spec file works with. */
export interface SpecStore {
  readonly server: RedisServer;
  /** A bare connection that knows the scripts. */
  readonly redis: Redis;
  readonly store: Store;
  /** Empties it. */
  wipe(): Promise<void>;
  /** The keys of a pattern, by name. */
  keys(pattern: string): Promise<readonly string[]>;
  /** Another store over the same Redis, closed after the last test. */
  open(options?: Partial<StoreOptions>): Promise<Store>;
}

const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Opens a Redis and a store before the tests of a describe, and closes both afterwards. `redisOptions` are those of the server:
 * `{ isSingle: true }` for tests that are about one server's commands.
 */
export function useStore(
  args: readonly string[] = [],
  options: Partial<StoreOptions> = {},
  redisOptions: RedisOptions = {},
): SpecStore {
  const stores: Store[] = [];
  let opened: { server: RedisServer; redis: Redis; store: Store } | null = null;
  let leaks: LeakCheck;
  const open = async (more: Partial<StoreOptions> = {}): Promise<Store> => {
    const store = await openStore({ ...defaults(get().server.url), ...options, ...more });
    stores.push(store);
    return store;
  };
  const get = () => {
    if (opened === null) throw new Error("the store opens before the first test, not earlier");
    return opened;
  };
  before(async () => {
    leaks = trackLeaks();
    const server = await startRedis({ args, ...redisOptions });
    try {
      const redis = await openHot(server.url, () => undefined, CONNECT_TIMEOUT_MS);
      const store = await openStore({ ...defaults(server.url), ...options });
      stores.push(store);
      opened = { server, redis, store };
    } catch (error) {
      await server.stop(); // or the file would never end
      throw error;
    }
  });
  const servers = () => serversOf(get().redis);
  const wipe = async () => void (await Promise.all(servers().map((server) => server.flushall())));
  beforeEach(wipe);
  after(async () => {
    for (const store of stores) store.close();
    if (opened === null) return;
    closeRedis(get().redis);
    await get().server.stop();
    await leaks.assertNone({ timeoutMs: 5_000 }); // timeouts of commands end by themselves, in 3 s
  });
  return {
    open,
    wipe,
    keys: async (pattern) => (await Promise.all(servers().map((server) => server.keys(pattern)))).flat().sort(),
    get server() {
      return get().server;
    },
    get redis() {
      return get().redis;
    },
    get store() {
      return get().store;
    },
  };
}

function defaults(url: string): StoreOptions {
  const encryptionKey = new Uint8Array(32).fill(7);
  return { redisUrl: url, controlUrl: url, partitions: 4, encryptionKey, onError: () => undefined };
}
