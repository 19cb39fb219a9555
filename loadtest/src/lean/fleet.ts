// A fleet of lean agents as one thing, however many load processes it takes. Used by scenarios; the agents themselves are
// in the processes (main.ts).
//
// Invariants
//   F1. A process holds at most MAX_PER_PROCESS agents.
//   F2. No load process outlives this one: it ends when its channel closes, and the guard ends it otherwise.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { guard } from "@muster/testkit";
import { OWN_SESSION } from "../measure/footing.ts";
import { pin } from "../measure/pin.ts";
import { addCounts, type Counts, type Order, type Outcome, type Range, type Reply } from "./orders.ts";

/** What the agents are. */
export interface FleetOptions {
  readonly count: number;
  /** The servers. Agents go on to the next after each failure. */
  readonly urls: readonly string[];
  /** Whether agents begin with different servers (the default), or all with the first. */
  readonly isSpread?: boolean;
  /** Cores for the load processes; default: any. */
  readonly cores?: readonly number[];
  /** Number of the first agent, so that fleets can share a server. Default 0. */
  readonly firstIndex?: number;
}

/** Lean agents over as many processes as they need. */
export interface LeanFleet {
  /** Its load processes. */
  readonly pids: readonly number[];
  /** Connects everybody, at most so many at once (256 unless told); resolves when each was answered once. */
  connect(laneCount?: number): Promise<Outcome>;
  /** One heartbeat of each agent of a share, from 0 to 1, the first ones of every process. */
  beat(share: number): Promise<Outcome>;
  loop(connectionCount: number, forMs: number): Promise<Outcome>;
  beatEvery(periodMs: number): Promise<Outcome>;
  churn(periodMs: number, cutsPerSecond: number): Promise<Outcome>;
  turnHealth(part: Part): Promise<Outcome>;
  count(part?: Part): Promise<Counts>;
  /** Ends all agents and processes. Twice is harmless. */
  stop(): Promise<void>;
}

/** A part of the fleet as shares from 0 to 1, the same of every process. */
export interface Part {
  readonly from: number;
  readonly to: number;
}

/** All of it. */
const ALL: Part = { from: 0, to: 1 };

/** Room is left for what a process needs beside its sockets. */
const MAX_PER_PROCESS = 18_000;
/** Connects on their way at once, all processes together, unless told otherwise. */
const LANES = 256;
const SEED = 7;
/** The size that the effective config of a small real Collector has. */
const CONFIG_BYTES = 3_072;
/** As a supervisor's config_apply_timeout. */
const APPLY_MS = 5_000;

/** Starts the load processes and prepares the agents; nobody connects yet. */
export async function prepareFleet(options: FleetOptions): Promise<LeanFleet> {
  const needed = Math.ceil(options.count / MAX_PER_PROCESS);
  const shares = split(options.count, needed);
  const workers = shares.map((_, i) => startWorker(options.cores?.[i % (options.cores.length || 1)]));
  let firstIndex = options.firstIndex ?? 0;
  const prepared = shares.map((count, i) => {
    const order: Order = {
      kind: "prepare",
      urls: options.urls,
      isSpread: options.isSpread ?? true,
      firstIndex,
      count,
      seed: SEED,
      configBytes: CONFIG_BYTES,
      applyMs: APPLY_MS,
    };
    firstIndex += count;
    return workers[i]?.give(order);
  });
  await Promise.all(prepared);
  return fleetOf(workers, shares);
}

function fleetOf(workers: readonly Worker[], shares: readonly number[]): LeanFleet {
  const all = async (orderOf: (count: number) => Order): Promise<Outcome> => {
    const outcomes = await Promise.all(workers.map((worker, i) => worker.give(orderOf(shares[i] ?? 0))));
    return {
      elapsedMs: Math.max(...outcomes.map(({ elapsedMs }) => elapsedMs)),
      answers: outcomes.reduce((sum, { answers }) => sum + answers, 0),
      counts: addCounts(outcomes.map(({ counts }) => counts)),
    };
  };
  const perWorker = (count: number): number => Math.max(1, Math.ceil(count / workers.length));
  return {
    pids: workers.map(({ pid }) => pid),
    connect: (laneCount = LANES) => all(() => ({ kind: "connect", laneCount: perWorker(laneCount) })),
    beat: (share) => all((count) => ({ kind: "beat", range: rangeOf(count, { from: 0, to: share }) })),
    loop: (connectionCount, forMs) => all(() => ({ kind: "loop", connectionCount: perWorker(connectionCount), forMs })),
    beatEvery: (periodMs) => all(() => ({ kind: "beat-every", periodMs })),
    churn: (periodMs, cutsPerSecond) =>
      all(() => ({ kind: "churn", periodMs, cutsPerSecond: cutsPerSecond / workers.length })),
    turnHealth: (part) => all((count) => ({ kind: "turn-health", range: rangeOf(count, part) })),
    count: async (part = ALL) => (await all((count) => ({ kind: "count", range: rangeOf(count, part) }))).counts,
    async stop() {
      await Promise.all(workers.map((worker) => worker.stop()));
    },
  };
}

/** A count as so many whole numbers that are as equal as can be. Exported for its specs. */
export function split(count: number, parts: number): readonly number[] {
  return Array.from(
    { length: parts },
    (_, i) => Math.floor((count * (i + 1)) / parts) - Math.floor((count * i) / parts),
  );
}

/** A part of one process's agents. Exported for its specs. */
export function rangeOf(count: number, { from, to }: Part): Range {
  const first = Math.round(count * from);
  return { from: first, count: Math.round(count * to) - first };
}

interface Worker {
  readonly pid: number;
  give(order: Order): Promise<Outcome>;
  stop(): Promise<void>;
}

function startWorker(core: number | undefined): Worker {
  const child = fork(fileURLToPath(new URL("main.ts", import.meta.url)), {
    ...OWN_SESSION,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  guard(child);
  if (core !== undefined && child.pid !== undefined) pin(child.pid, core);
  const waiting = new Map<number, PromiseWithResolvers<Outcome>>();
  child.on("message", (message) => {
    const reply = message as Reply; // main.ts sends nothing else
    const { resolve, reject } = waiting.get(reply.id) ?? Promise.withResolvers<Outcome>();
    waiting.delete(reply.id);
    if ("outcome" in reply) resolve(reply.outcome);
    else reject(new Error(`a load process failed: ${reply.failure}`));
  });
  child.once("exit", (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`a load process ended (${signal ?? code})`));
  });
  let lastId = 0;
  const give = (order: Order): Promise<Outcome> => {
    if (!child.connected) return Promise.reject(new Error("the load process has ended"));
    const answer = Promise.withResolvers<Outcome>();
    lastId += 1;
    waiting.set(lastId, answer);
    child.send({ id: lastId, order });
    return answer.promise;
  };
  return { pid: child.pid ?? 0, give, stop: () => stopWorker(child, give) };
}

async function stopWorker(child: ChildProcess, give: Worker["give"]): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  await give({ kind: "stop" }).catch(() => {}); // it may be ending already
  if (child.connected) child.disconnect();
  await exited;
}
