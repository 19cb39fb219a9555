// Connections to Redis, in two profiles, and scripts. What ioredis does by default is wrong for a hot path: it
// queues commands while Redis is away and replays them stale. So:
//   hot      fails at once while Redis is away, never re-sends, and pipelines what is asked for in one tick
//   patient  waits and reconnects for ever; for blocking readers, subscribers and BullMQ

import { setTimeout as sleep } from "node:timers/promises";
import { FleetError } from "@muster/fleet";
import { type ChainableCommander, Redis } from "ioredis";
import { allAnswer, type ConnectionOptions, connectCluster } from "./cluster.ts";
import * as scripts from "./gen/scripts.ts";

/** How long a hot command may take. */
const COMMAND_TIMEOUT_MS = 3_000;

const COMMON = {
  protocol: 2,
  // Tries again for ever, quickly at first: an operator who restarts Redis should not wait for us.
  retryStrategy: (times: number) => Math.min(50 * times, 1_000),
  connectTimeout: 5_000,
} as const satisfies ConnectionOptions;

const HOT = {
  ...COMMON,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  commandTimeout: COMMAND_TIMEOUT_MS,
  enableAutoPipelining: true,
} as const satisfies ConnectionOptions;

const PATIENT = { ...COMMON, maxRetriesPerRequest: null, enableReadyCheck: true } as const satisfies ConnectionOptions;

/** Told about trouble with a connection; it goes on trying. */
export type OnRedisError = (error: Error) => void;

interface Script {
  readonly name: string;
  readonly lua: string;
}

function connectTo(url: string, options: ConnectionOptions): Redis {
  return connectCluster(url, options) ?? new Redis(url, options);
}

/** Opens a hot connection. Resolves when it is ready. @throws FleetError `unavailable` when it is not within the timeout */
export async function openHot(url: string, onError: OnRedisError, timeoutMs: number): Promise<Redis> {
  const redis = connectTo(url, { ...HOT, lazyConnect: true });
  redis.on("error", onError);
  for (const { name, lua } of Object.values(scripts)) redis.defineCommand(name, { lua });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    const message = `Redis at ${withoutPassword(url)} does not answer; start it, or set REDIS_URL to one that runs.`;
    reject(new FleetError("unavailable", message));
  }, timeoutMs);
  redis.once("ready", resolve);
  redis.connect().catch(() => undefined); // the error event tells, and retryStrategy goes on
  try {
    await promise;
    await allAnswer(redis);
  } catch (error) {
    redis.disconnect();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return redis;
}

/** Opens a patient connection; commands wait until it is there. */
export function openPatient(url: string, onError: OnRedisError): Redis {
  const redis = connectTo(url, PATIENT);
  redis.on("error", onError);
  return redis;
}

/** Runs a script of src/lua. Its header says what goes in and what comes out. */
export async function run(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<unknown> {
  return await call(redis, script.name, keys, args);
}

/** As `run`, for scripts that answer bytes: every text of the answer is a Buffer. */
export async function runBinary(...[redis, { name }, keys, args]: Parameters<typeof run>): Promise<unknown> {
  return await call(redis, `${name}Buffer`, keys, args);
}

/**
 * Runs commands and a script after them, with nobody's commands in between. Nothing is done when one of them is refused; what
 * fails while it runs leaves the others done. The script must have run before: in a transaction nothing sends its text again.
 * @throws the first error that one of them answers
 */
export async function transact(
  redis: Redis,
  queue: (commands: ChainableCommander) => void,
  { name }: Script,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): Promise<void> {
  const transaction = redis.multi();
  queue(transaction);
  call(transaction, name, keys, args);
  const replies = await transaction.exec().catch((error: Error & { readonly previousErrors?: readonly Error[] }) => {
    throw error.previousErrors?.[0] ?? error; // why it was not run at all
  });
  for (const [error] of replies ?? []) if (error !== null) throw error;
}

/** defineCommand adds the methods at run time; this is the one place that calls them. */
function call(
  redis: Redis | ChainableCommander,
  name: string,
  keys: readonly string[],
  args: readonly (string | number | Buffer)[],
): unknown {
  const command = Reflect.get(redis, name) as (...parts: readonly unknown[]) => unknown;
  return command.call(redis, keys.length, ...keys, ...args);
}

/** Whether an error says that Redis is away, rather than that a command was wrong. */
export function isRedisAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const text = `${error.name} ${error.message}`;
  return /MaxRetriesPerRequest|Connection is closed|isn't writeable|ECONN|Command timed out|LOADING|MASTERDOWN|READONLY|CLUSTERDOWN|ClusterAllFailed|Cluster isn|Too many Cluster redirections/.test(
    text,
  );
}

/** A Redis error in the domain's words; anything else as it is. */
export function toFleetError(error: unknown): FleetError {
  if (error instanceof FleetError) return error;
  if (isRedisAway(error)) {
    return new FleetError("unavailable", "Redis does not answer; try again in a few seconds.", { cause: error });
  }
  return FleetError.from(error);
}

/** Resolves once the connection carries commands again. */
export async function untilReady(redis: Redis, signal: AbortSignal): Promise<void> {
  while (redis.status !== "ready" && !signal.aborted) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, 250);
    const wake = (): void => resolve();
    redis.once("ready", wake);
    signal.addEventListener("abort", wake, { once: true });
    await promise;
    clearTimeout(timer);
    redis.off("ready", wake);
    signal.removeEventListener("abort", wake);
  }
}

/** Resolves after a time, or when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined); // an abort is a reason to go on, and to see it
}

/** Closes a connection; what is in flight is lost, so callers drain first. */
export function closeRedis(redis: Redis): void {
  redis.disconnect();
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//");
}
