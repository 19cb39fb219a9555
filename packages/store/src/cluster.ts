// Redis Cluster, as far as it differs from one Redis: how its address is written, which keys may be asked for together, and which
// server it is that has a key. redis.ts opens connections to either, and nobody else needs to know which.

import { FleetError } from "@muster/fleet";
import { Cluster, type ClusterOptions, type Redis, type RedisOptions } from "ioredis";

/** The scheme of a cluster's address: `redis+cluster://user:password@host:port?seed=host:port`. */
const CLUSTER_PROTOCOLS = { "redis+cluster:": false, "rediss+cluster:": true } as const;

/** How often the layout is read again, and how long to wait for it, when nothing else says that it changed. */
const LAYOUT_EVERY_MS = 5_000;
const LAYOUT_TIMEOUT_MS = 2_000;

/** Options of one connection that a cluster's have, too. */
export type ConnectionOptions = Omit<NonNullable<ClusterOptions["redisOptions"]>, "replyMapping"> &
  Pick<RedisOptions, "enableOfflineQueue" | "retryStrategy">;

/** A connection to a cluster, as one to a single server; null when the address is a single server's. */
export function connectCluster(url: string, options: ConnectionOptions): Redis | null {
  const { protocol, hostname, port, username, password, searchParams } = new URL(url);
  if (!isClusterProtocol(protocol)) return null;
  const seeds = [`${hostname}:${port === "" ? 6379 : port}`, ...searchParams.getAll("seed")];
  // ioredis takes the number of keys that a script names for its first key, and mixes servers in one pipeline.
  const { enableOfflineQueue = true, lazyConnect = false, retryStrategy, enableAutoPipelining: _, ...each } = options;
  const cluster = new Cluster(seeds.map(nodeOf), {
    redisOptions: {
      ...each,
      ...(username !== "" && { username: decodeURIComponent(username) }),
      ...(password !== "" && { password: decodeURIComponent(password) }),
      ...(CLUSTER_PROTOCOLS[protocol] && { tls: {} }),
    },
    enableOfflineQueue,
    lazyConnect,
    enableReadyCheck: true,
    enableAutoPipelining: false,
    slotsRefreshInterval: 0, // see below
    slotsRefreshTimeout: LAYOUT_TIMEOUT_MS,
    // What was under way when a server fell away is not sent again: it may have been done.
    retryDelayOnFailover: 0,
    clusterRetryStrategy: (times) => Number(retryStrategy?.(times) ?? LAYOUT_EVERY_MS),
  });
  // A server's first command opens its connection, and those that come meanwhile would fail: open it before. But not while the
  // cluster itself is being opened: the first look at it would fail, and with it the opening, again and again.
  const open = (server: Redis): void => void server.ping().catch(() => undefined);
  cluster.on("+node", (server: Redis) => cluster.status === "ready" && open(server));
  cluster.on("ready", () => cluster.nodes("master").forEach(open));
  // ioredis' own timer goes on for ever when a connection is closed just as the layout is read.
  const timer = setInterval(() => {
    // One that is closed before it began to open stays so, and no event tells.
    if (cluster.status === "disconnecting" || cluster.status === "end") clearInterval(timer);
    else if (cluster.status === "ready") cluster.refreshSlotsCache();
  }, LAYOUT_EVERY_MS).unref();
  cluster.once("end", () => clearInterval(timer));
  return cluster as unknown as Redis; // it takes every command that the store uses
}

function isClusterProtocol(protocol: string): protocol is keyof typeof CLUSTER_PROTOCOLS {
  return protocol in CLUSTER_PROTOCOLS;
}

function nodeOf(seed: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(`tcp://${seed}`);
  return { host: hostname, port: port === "" ? 6379 : Number(port) };
}

/** Keys in lists that one command may name together: all of them on one server, each by itself in a cluster. */
export function askedTogether(redis: Redis, keys: readonly string[]): readonly (readonly string[])[] {
  return asCluster(redis) === null ? [keys] : keys.map((key) => [key]);
}

/**
 * Does the work of each group at once, as one: where it fails for one, the others are ended, too, before that is told.
 * @param signal ends all of them
 */
export async function allTogether<Group>(
  groups: readonly Group[],
  work: (group: Group, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const any = AbortSignal.any([signal, stop.signal]);
  const ends = groups.map((group) => work(group, any).finally(() => stop.abort()));
  const failed = (await Promise.allSettled(ends)).find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** The connection that carries commands on a key, for commands that name none. */
export async function serverOf(redis: Redis, key: string): Promise<Redis> {
  const cluster = asCluster(redis);
  if (cluster === null) return redis;
  const slot = Number(await cluster.cluster("KEYSLOT", key));
  const [address] = cluster.slots[slot] ?? [];
  const found = cluster.nodes("master").find(({ options }) => `${options.host}:${options.port}` === address);
  if (found !== undefined) return found;
  throw new FleetError("unavailable", `No server of the Redis Cluster has slot ${slot}; try again when it has one.`);
}

/** Resolves when every server behind a connection answers; one that does not is left to the commands that need it. */
export async function allAnswer(redis: Redis): Promise<void> {
  await Promise.allSettled((asCluster(redis)?.nodes("master") ?? []).map((server) => server.ping()));
}

/** The servers behind a connection. */
export function serversOf(redis: Redis): readonly Redis[] {
  return asCluster(redis)?.nodes("master") ?? [redis];
}

function asCluster(redis: Redis): Cluster | null {
  const connection: Redis | Cluster = redis;
  return connection instanceof Cluster ? connection : null;
}
