// Servers that are measured side by side: each can be started afresh for a round, kept on a core, and asked for its cost.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { nodeFlags, root } from "@muster/local";
import { guard, type RedisServer, startRedis, until } from "@muster/testkit";
import { LIKE_SERVICES } from "../measure/footing.ts";
import { CORE, coresOf, pin, pinned } from "../measure/pin.ts";
import { createRedisCost } from "../measure/redis-cost.ts";
import { type Launch, openMuster, settled } from "./muster.ts";

/** A server that runs. */
export interface Server {
  readonly url: string;
  /** Whose processor time and memory is what serving agents costs. */
  readonly pids: readonly number[];
  /** Resolves when what agents told has been dealt with; at once for servers that keep nothing elsewhere. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** A server that can be started for a round. */
export interface Contestant {
  readonly name: string;
  start(): Promise<Server>;
}

/** A server that somebody else started, from `--server name=ws://address,pid`. */
export interface GivenServer {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
}

/** The names of the servers that are always there, as results have them. */
export const MUSTER = "muster";
export const BARE_UWS = "bare-uws";
export const BARE_STORE = "bare-store";
export const BARE_PIPELINE = "bare-pipeline";
export const OPAMP_GO = "opamp-go";

const uwsEntry = entryOf(BARE_UWS);
const storeEntry = entryOf(BARE_STORE);
const pipelineEntry = entryOf(BARE_PIPELINE);
const projectorEntry = entryOf("bare-projector");
const opampGo = join(root, ".muster", "tools", "opamp-go-load-peer");
const SETTLE_TIMEOUT_MS = 60_000;

/** Muster's gateway with a Redis and a projector; its cost is the gateway's. */
export function muster(launch: Launch): Contestant {
  return {
    name: MUSTER,
    async start() {
      const it = await openMuster({ services: { gateway: 1, projector: 1 }, core: CORE.server }, launch);
      return {
        url: it.stack.opampUrls[0] ?? "",
        pids: it.pidsOf("gateway"),
        settled: () => settled(it, SETTLE_TIMEOUT_MS),
        stop: () => it.stop(),
      };
    },
  };
}

/** A bare uWebSockets.js server. */
export const bareUws: Contestant = { name: BARE_UWS, start: () => startBareUws(CORE.server) };

/** The same, on a core of one's choice. */
export function startBareUws(core: number): Promise<Server> {
  return startPeer(process.execPath, [uwsEntry], core);
}

/** A bare uWebSockets.js server that keeps what it is told in a Redis of its own; its cost is both. */
export const bareStore: Contestant = {
  name: BARE_STORE,
  start: () => startWithRedis([[storeEntry]], async () => {}),
};

/** One that understands what it is told, and a second process that makes records of it; its cost is both and that Redis'. */
export const barePipeline: Contestant = {
  name: BARE_PIPELINE,
  start: () =>
    startWithRedis(
      [
        [...nodeFlags("gateway"), pipelineEntry],
        [...nodeFlags("projector"), projectorEntry],
      ],
      // Who is answered is in the stream, and who is in a record is not any more.
      async (redis) => {
        const cost = createRedisCost(redis.port);
        const isRead = async (): Promise<boolean> => (await cost.entriesOf("facts")) === 0;
        await until(isRead, { timeoutMs: SETTLE_TIMEOUT_MS, what: "what agents told to be read from the stream" });
      },
    ),
};

/** A server on opamp-go; null when it has not been built (loadtest/setup). */
export function opampGoPeer(): Contestant | null {
  return existsSync(opampGo) ? { name: OPAMP_GO, start: () => startPeer(opampGo, []) } : null;
}

/** A server that goes on running after the round, on the cores that it had before. */
export function given({ name, url, pid }: GivenServer): Contestant {
  return {
    name,
    async start() {
      const cores = coresOf(pid);
      pin(pid, CORE.server);
      const giveBack = (): void => {
        if (cores !== null) pin(pid, cores);
      };
      process.once("exit", giveBack); // an interrupted run gives them back, too
      const stop = async (): Promise<void> => {
        process.off("exit", giveBack);
        giveBack();
      };
      return { url, pids: [pid], settled: async () => {}, stop };
    },
  };
}

/** Why a given server cannot be measured; null: it listens where it is said to. */
export function whyNotGiven({ name, url, pid }: GivenServer): string | null {
  if (!existsSync(`/proc/${pid}`)) return `--server ${name}: there is no process ${pid}.`;
  const { port } = new URL(url);
  const inodes = listeningAt(Number(port || 80));
  if (inodes.size === 0) return `--server ${name}: nobody listens on port ${port || 80} of this machine.`;
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  const isIts = files.some((file) => inodes.has(/^socket:\[(\d+)\]$/.exec(file)?.[1] ?? ""));
  return isIts
    ? null
    : `--server ${name}: port ${port || 80} is not process ${pid}'s; name the process that serves it.`;
}

/** Inodes of the sockets that listen on a port: as /proc/net/tcp has them, address and port in hexadecimal, state 0A. */
function listeningAt(port: number): ReadonlySet<string> {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  const lines = ["/proc/net/tcp", "/proc/net/tcp6"]
    .filter(existsSync)
    .flatMap((file) => readFileSync(file, "utf8").split("\n"));
  const sockets = lines.map((line) => line.trim().split(/\s+/));
  return new Set(
    sockets.flatMap(([, local = "", , state, , , , , , inode = ""]) => {
      return state === "0A" && local.endsWith(`:${wanted}`) ? [inode] : [];
    }),
  );
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return ""; // closed meanwhile
  }
}

/** Muster, the peers that are there, and whatever else was named; says which peer is missing. */
export function contestants(
  run: Launch & { readonly servers: readonly GivenServer[]; say(line: string): void },
): readonly Contestant[] {
  const go = opampGoPeer();
  if (go === null) run.say(OPAMP_GO_MISSING);
  return [muster(run), bareUws, ...(go === null ? [] : [go]), ...run.servers.map(given)];
}

/** Why a run compares with opamp-go no more. */
export const OPAMP_GO_MISSING = "opamp-go takes no part: it is not built; loadtest/setup builds it (needs Go)";

/** Starts a program on a core, the servers' unless told, that prints its address and ends with its standard input. */
async function startPeer(command: string, args: readonly string[], core: number = CORE.server): Promise<Server> {
  const child = spawn(...pinned(core, command, args), { ...LIKE_SERVICES, stdio: ["pipe", "pipe", "inherit"] });
  guard(child);
  const url = await firstLine(child, command);
  return {
    url,
    pids: child.pid === undefined ? [] : [child.pid], // taskset becomes the program: the id is the server's own
    settled: async () => {},
    async stop() {
      child.stdin.end();
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

/** Starts Node with each of these arguments and the port of a Redis beside them; the first process serves. */
async function startWithRedis(
  programs: readonly (readonly string[])[],
  whenSettled: (redis: RedisServer) => Promise<void>,
): Promise<Server> {
  const redis = await startRedis();
  const redisPid = redis.pid() ?? 0;
  pin(redisPid, CORE.server);
  const servers: Server[] = [];
  const stop = async (): Promise<void> => {
    for (const server of servers) await server.stop();
    await redis.stop();
  };
  try {
    for (const args of programs) servers.push(await startPeer(process.execPath, [...args, String(redis.port)]));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: servers[0]?.url ?? "",
    pids: [...servers.flatMap(({ pids }) => pids), redisPid],
    settled: () => whenSettled(redis),
    stop,
  };
}

/** The file of a peer. */
function entryOf(name: string): string {
  return fileURLToPath(new URL(`../../peers/${name}.ts`, import.meta.url));
}

async function firstLine(child: ChildProcess, command: string): Promise<string> {
  if (child.stdout === null) throw new Error(`${command} has no output`);
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error(`${command} ended before it said its address`);
}
