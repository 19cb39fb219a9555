// A throw-away Redis (or Valkey) server for one test file: a real child process on a free port with a folder of its
// own. Not a client: tests bring theirs. The server ends with the test process, however that dies.
//
// Invariants
//   R1. A resolved start or restart means the data is loaded and commands are answered.
//   R2. `restart` uses the same port and folder, so clients reconnect and persisted data is found again.
//   R3. No server outlives this process, even by `kill -9` (guard.ts).

import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { guard } from "./guard.ts";
import { freePort } from "./ports.ts";
import { startCluster } from "./redis-cluster.ts";

/** How to start a server; everything has a default. */
export interface RedisOptions {
  /** Added to the command line, last word wins: `["--appendonly", "yes"]`. Default: no persistence. */
  readonly args?: readonly string[];
  /** Folder for its data; default a temporary one that is removed when this process ends. */
  readonly dir?: string;
  /** Port on 127.0.0.1; default a free one. */
  readonly port?: number;
  /** One server, whatever MUSTER_TEST_REDIS says. */
  readonly isSingle?: boolean;
  /** A cluster of three, whatever MUSTER_TEST_REDIS says. */
  readonly isCluster?: boolean;
}

/** A running server and the ways to hurt it. */
export interface RedisServer {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  /** Of each of its servers: a cluster has some. */
  readonly ports: readonly number[];
  readonly dir: string;
  /** Process id of the running server, or null while it is down. */
  pid(): number | null;
  /** Ends it in good order (SIGTERM) and waits. The data stays until this process ends; twice is harmless. */
  stop(): Promise<void>;
  /** Ends it as a crash would (SIGKILL) and waits. */
  kill9(): Promise<void>;
  /** Starts it again, ending it first if it still runs. */
  restart(): Promise<void>;
}

/**
 * Starts a server and resolves when it answers. Rejects with the server's own words when it does not start. With
 * MUSTER_TEST_REDIS=cluster it is a cluster of three.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const isAsked = process.env["MUSTER_TEST_REDIS"] === "cluster" && options.isSingle !== true;
  return isAsked || options.isCluster === true
    ? await startCluster(options, temporaryDir, startOne)
    : await startOne(options);
}

async function startOne(options: RedisOptions): Promise<RedisServer> {
  const dir = options.dir ?? temporaryDir();
  const first = await launchSomewhere(options, dir);
  const { port } = first;
  let child: ChildProcess | null = first.child;

  const end = async (signal: NodeJS.Signals) => {
    const ending = child;
    child = null;
    if (ending !== null) await endChild(ending, signal);
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    ports: [port],
    dir,
    pid: () => child?.pid ?? null,
    stop: () => end("SIGTERM"),
    kill9: () => end("SIGKILL"),
    async restart() {
      await end("SIGTERM");
      child = await launch(port, dir, options.args ?? []);
    },
  };
}

/** Starts on the wanted port, or on free ones: somebody may take a free port before the server does. */
async function launchSomewhere(options: RedisOptions, dir: string): Promise<{ port: number; child: ChildProcess }> {
  for (let triesLeft = options.port === undefined ? 5 : 1; ; triesLeft--) {
    const port = options.port ?? (await freePort());
    try {
      return { port, child: await launch(port, dir, options.args ?? []) };
    } catch (error) {
      if (triesLeft <= 1 || !/in use/i.test(String(error))) throw error;
    }
  }
}

async function launch(port: number, dir: string, args: readonly string[]): Promise<ChildProcess> {
  const flags = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no", ...args];
  const child = spawn(findServer(), flags, {
    detached: true, // Ctrl-C in a terminal reaches the test only, which ends its services first
    stdio: ["ignore", "pipe", "ignore"],
  });
  guard(child);
  await ready(child);
  return child;
}

/** Resolves when the server says that it has loaded its data and accepts connections (R1). */
function ready(child: ChildProcess): Promise<void> {
  let said = "";
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`redis ended at once (${signal ?? code}):\n${said}`)));
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      // Keeps reading for ever, or a chatty server would block on a full pipe.
      said = (said + text).slice(-8192);
      if (said.includes("Ready to accept connections")) resolve();
    });
  });
}

function endChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill(signal);
  });
}

function findServer(): string {
  const dirs = (process.env["PATH"] ?? "").split(delimiter);
  for (const name of ["redis-server", "valkey-server"]) {
    for (const dir of dirs) {
      const path = join(dir, name);
      if (isExecutable(path)) return path;
    }
  }
  throw new Error("neither redis-server nor valkey-server is in PATH; install one of them");
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Folders that end with this process: one listener for all, since a long run starts many servers. */
const temporaryDirs: string[] = [];

function temporaryDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "muster-redis-"));
  if (temporaryDirs.length === 0) process.once("exit", removeTemporaryDirs);
  temporaryDirs.push(dir);
  return dir;
}

function removeTemporaryDirs(): void {
  for (const dir of temporaryDirs) rmSync(dir, { recursive: true, force: true });
}
