// A Muster of its own for one round of a load test: a Redis, and as many processes of each service as asked for, on one
// core if asked for. Ends with everything it started.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createAgentCounter,
  type EnvOverrides,
  ensureEncryptionKey,
  type ServiceName,
  type Stack,
  serviceNames,
  startStack,
} from "@muster/local";
import { openStore, type Store } from "@muster/store";
import { type RedisServer, startRedis, until } from "@muster/testkit";
import { pin } from "../measure/pin.ts";
import { createRedisCost, type RedisCost } from "../measure/redis-cost.ts";
import { bundleOf } from "./bundles.ts";

/** What to start. */
export interface MusterOptions {
  /** Processes of each service; those that are left out are not started. */
  readonly services: Partial<Readonly<Record<ServiceName, number>>>;
  /** Core of everything; default: none in particular. */
  readonly core?: number;
  /** Added to the environment of gateways. */
  readonly gatewayEnv?: EnvOverrides;
}

/** How all of a run's processes are started. */
export interface Launch {
  /** Where services leave processor profiles, a folder for each; null: they are not profiled. */
  readonly profileDir: string | null;
  /** Whether services run as images have them, bundled (bundles.ts), or from their sources. */
  readonly isBundled: boolean;
  readonly signal: AbortSignal;
}

/** A running Muster. */
export interface Muster {
  readonly stack: Stack;
  readonly redis: RedisServer;
  readonly redisCost: RedisCost;
  /** Process ids of a service. */
  pidsOf(service: ServiceName): readonly number[];
  readonly redisPid: number;
  /** The store that its services use; closed by the caller. */
  openStore(): Promise<Store>;
  /** Resolves when an operator is told of so many connected agents; takes a management process. */
  visible(agents: number, timeoutMs: number): Promise<void>;
  /** Lists them all, which takes longer than to count them. Rejects when there are not so many in the list. */
  mustList(agents: number): Promise<void>;
  /** Drains and ends everything. */
  stop(): Promise<void>;
}

/** As fast as agents come: how many may connect in a second is a setting, and not what is measured. */
const OPEN_DOOR = { MUSTER_GATEWAY_UPGRADES_PER_SECOND: "100000" };
/** As many as an installation has that does not say. */
const PARTITIONS = 16;
/** Between looks at the fleet: a look costs Redis a little. */
const LOOK_MS = 50;

/** Starts it and resolves when every process is ready. */
export async function openMuster(options: MusterOptions, launch: Launch): Promise<Muster> {
  const { signal } = launch;
  const redis = await startRedis();
  const { stateDir, removeStateDir } = makeStateDir();
  const stack = await startStack(
    {
      stateDir,
      redisUrl: redis.url,
      services: Object.fromEntries(serviceNames.map((name) => [name, options.services[name] ?? 0])),
      env: Object.fromEntries(serviceNames.map((name) => [name, envOf(name, options, launch)])),
      logLevel: "warn",
      ...(launch.isBundled ? { entryOf: bundleOf } : {}),
    },
    signal,
  ).catch(async (error: unknown) => {
    await redis.stop();
    removeStateDir();
    throw error;
  });
  const redisPid = redis.pid() ?? 0;
  const pidsOf = (service: ServiceName): readonly number[] => stack.of(service).map((each) => each.pid() ?? 0);
  if (options.core !== undefined) {
    for (const pid of [redisPid, ...stack.processes.map((each) => each.pid() ?? 0)]) pin(pid, options.core);
  }
  return {
    stack,
    redis,
    redisCost: createRedisCost(redis.port),
    pidsOf,
    redisPid,
    openStore: () =>
      openStore({
        redisUrl: redis.url,
        controlUrl: redis.url,
        partitions: PARTITIONS,
        encryptionKey: Buffer.from(ensureEncryptionKey(stateDir), "base64"),
        onError: () => undefined, // what fails says so
      }),
    mustList: (agents) => mustList(stack.managementUrl, agents, signal),
    visible: (agents, timeoutMs) => visible(stack.managementUrl, agents, timeoutMs, signal),
    async stop() {
      await stack.stop();
      await redis.stop();
      removeStateDir();
    },
  };
}

/** A folder that goes when it is told to, or with this process where that is interrupted. */
function makeStateDir() {
  const stateDir = mkdtempSync(join(tmpdir(), "muster-load-"));
  const remove = (): void => rmSync(stateDir, { recursive: true, force: true });
  process.once("exit", remove);
  const removeStateDir = (): void => {
    process.off("exit", remove);
    remove();
  };
  return { stateDir, removeStateDir };
}

function envOf(service: ServiceName, { gatewayEnv }: MusterOptions, launch: Launch): EnvOverrides {
  const { profileDir } = launch;
  const profiled = `--cpu-prof --cpu-prof-dir=${join(profileDir ?? "", service)}`;
  const nodeOptions = profileDir === null ? {} : { NODE_OPTIONS: profiled };
  return service === "gateway" ? { ...OPEN_DOOR, ...nodeOptions, ...gatewayEnv } : nodeOptions;
}

async function visible(url: string, agents: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const counter = createAgentCounter(url);
  const untilMs = performance.now() + timeoutMs;
  try {
    for (;;) {
      const count = await counter.countConnected(signal).catch(() => -1); // busy: it is asked again
      if (count === agents) return;
      if (performance.now() > untilMs) throw new Error(`an operator sees ${count} agents of ${agents}`);
      await pause(LOOK_MS);
    }
  } finally {
    counter.close();
  }
}

async function mustList(url: string, agents: number, signal: AbortSignal): Promise<void> {
  const counter = createAgentCounter(url);
  try {
    const count = await counter.listConnected(signal);
    if (count !== agents) throw new Error(`an operator's list has ${count} agents of ${agents}`);
  } finally {
    counter.close();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves when nothing waits to be written or read any more: gateways have flushed, and the projector has caught up. */
export async function settled(muster: Muster, timeoutMs: number): Promise<void> {
  let before = -1;
  await until(
    async () => {
      const commands = await muster.redisCost.commands();
      const writes = (commands.get("evalsha") ?? 0) + (commands.get("fcall") ?? 0);
      const isQuiet = writes === before;
      before = writes;
      await pause(LOOK_MS);
      return isQuiet;
    },
    { timeoutMs, what: "gateways and projector to have written what agents told" },
  );
}
