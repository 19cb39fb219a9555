// The Redis of a local stack: two servers of our own, because control state and fleet state have different promises,
// or somebody else's by REDIS_URL. Speaks no Redis beyond PING.

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "@muster/testkit";
import { type Child, type Crash, createChild } from "./child.ts";
import { ensureRedisServer, serverNames } from "./find-redis.ts";
import { root } from "./paths.ts";
import { ping } from "./ping.ts";
import { Remedy, say } from "./say.ts";

/** Where the two kinds of state live, and how to end what we started for them. */
export interface LocalRedis {
  /** Fleet state. */
  readonly url: string;
  /** Control state. */
  readonly controlUrl: string;
  /** The servers that were started; none when REDIS_URL names one. */
  readonly children: readonly Child[];
}

/** What `startRedis` needs. */
export interface LocalRedisOptions {
  readonly stateDir: string;
  /** Port of the fleet server; the control server takes the next one. Default: free ones. */
  readonly port?: number;
  readonly onCrash: (crash: Crash) => void;
  /** Each child as soon as it exists, so that a start that fails half-way can be undone. */
  readonly onChild: (child: Child) => void;
}

/** The promises of the two kinds of state (design, law 13). */
const servers = {
  // A control write is on disk before it is answered.
  control: { appendfsync: "always" },
  // Fleet state can be rebuilt from the agents; a second of it may be lost.
  fleet: { appendfsync: "everysec" },
} as const;

/** Starts both servers and resolves when they have loaded their data and answer. */
export async function startRedis(options: LocalRedisOptions, signal: AbortSignal): Promise<LocalRedis> {
  const command = ensureRedisServer(", or set REDIS_URL");
  const fleetPort = options.port ?? (await freePort());
  const controlPort = options.port === undefined ? await freePort() : options.port + 1;
  const children = await Promise.all([
    startServer(command, "fleet", fleetPort, options, signal),
    startServer(command, "control", controlPort, options, signal),
  ]);
  return { url: urlOf(fleetPort), controlUrl: urlOf(controlPort), children };
}

async function startServer(
  command: string,
  kind: keyof typeof servers,
  port: number,
  { stateDir, onCrash, onChild }: LocalRedisOptions,
  signal: AbortSignal,
): Promise<Child> {
  const name = `redis-${kind}`;
  const dir = join(stateDir, name);
  mkdirSync(dir, { recursive: true });
  await endStale(dir);
  const settings = {
    port: `${port}`,
    bind: "127.0.0.1",
    dir,
    pidfile: join(dir, "redis.pid"),
    appendonly: "yes",
    ...servers[kind],
    save: "", // the append-only file is the persistence; no snapshots beside it
    "maxmemory-policy": "noeviction",
  };
  const child = createChild(
    {
      name,
      command,
      args: Object.entries(settings).flatMap(([setting, value]) => [`--${setting}`, value]),
      env: () => process.env,
      cwd: root,
      logFile: join(stateDir, "logs", `${name}.log`),
      probe: async (waiting) => (await ping(urlOf(port), waiting)).kind === "pong",
      readyTimeoutMs: 60_000, // a large append-only file takes its time to load
      stopTimeoutMs: 5_000,
    },
    onCrash,
  );
  onChild(child);
  await child.start(signal);
  return child;
}

/** Ends a server that an earlier run left on this folder: two servers on one append-only file would ruin it. */
async function endStale(dir: string): Promise<void> {
  const pid = Number(readIfThere(join(dir, "redis.pid")));
  if (!isServer(pid)) return;
  say(`ending the server ${pid} that an earlier run left in ${dir} ...`);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    for (let tries = 0; tries < 50 && isServer(pid); tries++) {
      if (tries === 0) process.kill(pid, signal);
      await sleep(100);
    }
  }
}

/** Whether this process id is a Redis or Valkey now; ids are reused, so the command line is asked. */
function isServer(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 1) return false;
  return serverNames.some((name) => readIfThere(`/proc/${pid}/cmdline`).includes(name));
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** The Redis that the environment names, checked; null when it names none. */
export async function findGivenRedis(env: NodeJS.ProcessEnv): Promise<LocalRedis | null> {
  const url = env["REDIS_URL"] || undefined;
  if (url === undefined) return null;
  const controlUrl = env["MUSTER_CONTROL_REDIS_URL"] || url;
  await assertAnswers("REDIS_URL", url);
  if (controlUrl !== url) await assertAnswers("MUSTER_CONTROL_REDIS_URL", controlUrl);
  return { url, controlUrl, children: [] };
}

async function assertAnswers(variable: string, url: string): Promise<void> {
  for (let triesLeft = 30; ; triesLeft--) {
    const outcome = await ping(url);
    if (outcome.kind === "pong") return;
    if (outcome.kind === "loading" && triesLeft > 0) {
      await sleep(1000);
      continue;
    }
    const reason = outcome.kind === "loading" ? "it is still loading its data" : outcome.reason;
    throw new Remedy(
      `no usable Redis at ${withoutPassword(url)}: ${reason}. Start it, correct ${variable}, or unset it to use a local one.`,
    );
  }
}

function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return JSON.stringify(url);
  const safe = new URL(url);
  if (safe.password !== "") safe.password = "***";
  return safe.href;
}

function urlOf(port: number): string {
  return `redis://127.0.0.1:${port}`;
}
