// A large fleet in one Redis, without sockets (fill.ts): what it takes, and how long operators wait for answers about it,
// through the API of a management process. The same at a hundredth and a tenth of the size shows what grows with the fleet.

import { setTimeout as sleep } from "node:timers/promises";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AgentService } from "@muster/protocol/muster/agents";
import type { Store } from "@muster/store";
import { until } from "@muster/testkit";
import { changeHealth, type Filled, fill } from "../fill/fill.ts";
import { cpuMicros } from "../measure/process-cost.ts";
import type { Metric, Reading, TargetPlan } from "../results/plan.ts";
import { type Muster, openMuster } from "../servers/muster.ts";
import type { Run, Scenario } from "./scenario.ts";

const REFERENCE_AGENTS = 1_000_000;
const PATIENCE_MS = 600_000;
/** What is asked; each as often as CALLS says. */
const SELECTIVE = "env=dev,region=ap,team=team-7,os.type=windows";
const HALF = "region=eu,connected=true";
const COUNTED = "env=prod,healthy=true,version!=0.146.1,region in (eu,us)";
const GLOBBED = "team=team-1*,component=receivers/*";
const GROUPED = "team";
const CALLS = 200;
const RARE_CALLS = 40;
/** Changes that flow while a watch is timed, and agents that are changed for the projector. */
const CHANGES_PER_SECOND = 5_000;
const TICK_MS = 20;
const BURST = 60_000;
const STREAM_ROOM = 50_000;
const WATCHED = "team=team-7,env=prod";

type Agents = Client<typeof AgentService>;

async function measure(run: Run, round: number): Promise<readonly Reading[]> {
  const { agents, windowMs, signal, say } = run;
  const muster = await openMuster({ services: { projector: 1, management: 1 } }, run);
  const sessionManager = new Http2SessionManager(muster.stack.managementUrl);
  const store = await muster.openStore();
  const api = createClient(AgentService, createGrpcTransport({ baseUrl: muster.stack.managementUrl, sessionManager }));
  const readings: Reading[] = [];
  try {
    const all: Filled[] = [];
    for (const size of [agents / 100, agents / 10, agents]) {
      const startedAtMs = performance.now();
      for (const each of await fill(store, all.length, size, signal)) all.push(each);
      say(`round ${round}: ${size} agents are there after ${Math.round((performance.now() - startedAtMs) / 1_000)} s`);
      const values = await measureAt(muster, store, api, all, windowMs, signal);
      readings.push({ round, subject: subjectOf(size), values });
    }
    return readings;
  } finally {
    sessionManager.abort();
    store.close();
    await muster.stop();
  }
}

function subjectOf(size: number): string {
  return `${size} agents`;
}

async function measureAt(
  muster: Muster,
  store: Store,
  api: Agents,
  all: readonly Filled[],
  windowMs: number,
  signal: AbortSignal,
): Promise<Readonly<Record<string, number>>> {
  const usedBytes = await muster.redisCost.usedBytes();
  const list = (selector: string) => () => api.listAgents({ selector, pageSize: 50 });
  const pages = {
    selective: await p99Of(CALLS, list(SELECTIVE)),
    half: await p99Of(CALLS, list(HALF)),
    glob: await p99Of(CALLS, list(GLOBBED)),
    count: await p99Of(RARE_CALLS, () => api.countAgents({ selector: COUNTED })),
    summary: await p99Of(RARE_CALLS, () => api.summarizeAgents({ groupBy: GROUPED })),
  };
  const watch = await measureWatch(store, api, all, windowMs, signal);
  return {
    memory: usedBytes,
    perAgent: usedBytes / all.length,
    ...pages,
    watch,
    projected: await measureProjector(muster, store, all),
  };
}

/** How long all but the slowest hundredth of some calls took, one after another; a tenth more goes before, unmeasured. */
async function p99Of(calls: number, call: () => Promise<unknown>): Promise<number> {
  const took: number[] = [];
  for (let i = -Math.ceil(calls / 10); i < calls; i++) {
    const startedAtMs = performance.now();
    await call();
    if (i >= 0) took.push(performance.now() - startedAtMs);
  }
  return quantile(took, 0.99);
}

function quantile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.ceil(share * values.length) - 1] ?? Number.NaN;
}

/** Sequence of the changes of all agents: each newer than the last. */
let changes = 1_000;

/** From the write of a change to its arrival at a watcher, while changes of the whole fleet flow. */
async function measureWatch(
  store: Store,
  api: Agents,
  all: readonly Filled[],
  windowMs: number,
  signal: AbortSignal,
): Promise<number> {
  const ending = new AbortController();
  const sentAtMs = new Map<string, number>();
  const took: number[] = [];
  let isFollowing = false;
  const watching = (async () => {
    for await (const { event } of api.watchAgents({ selector: WATCHED }, { signal: ending.signal })) {
      if (event.case === "bookmark") isFollowing = true;
      if (event.case !== "agent") continue;
      const sent = sentAtMs.get(event.value.instanceUid);
      if (sent === undefined) continue;
      sentAtMs.delete(event.value.instanceUid);
      took.push(performance.now() - sent);
    }
  })().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
  });
  await until(() => isFollowing, { timeoutMs: PATIENCE_MS, what: "the snapshot of the watch" });
  const perTick = (CHANGES_PER_SECOND * TICK_MS) / 1_000;
  const startedAtMs = performance.now();
  for (let tick = 0; performance.now() - startedAtMs < windowMs; tick++) {
    signal.throwIfAborted();
    changes += 1;
    const some = Array.from({ length: perTick }, (_, i) => all[((tick * perTick + i) * 7_919) % all.length] as Filled); // within
    for (const { uid } of some) if (!sentAtMs.has(uid)) sentAtMs.set(uid, performance.now());
    await changeHealth(store, some, changes, changes % 2 === 0);
    await sleep(Math.max(0, startedAtMs + (tick + 1) * TICK_MS - performance.now()));
  }
  await drained(store);
  await sleep(1_000); // what is on its way arrives, or counts for nothing
  ending.abort();
  await watching;
  return quantile(took, 0.99);
}

/** Changes that the projector applies in a second of its own processor time. */
async function measureProjector(muster: Muster, store: Store, all: readonly Filled[]): Promise<number> {
  const count = Math.min(BURST, 6 * all.length);
  const pids = muster.pidsOf("projector");
  const before = cpuMicros(...pids);
  for (let from = 0; from < count; from += 2_000) {
    changes += 1;
    const some = Array.from(
      { length: Math.min(2_000, count - from) },
      (_, i) => all[(from + i) % all.length] as Filled,
    );
    await changeHealth(store, some, changes, changes % 2 === 0);
    if (from % STREAM_ROOM === 0) await drained(store);
  }
  await drained(store);
  return (count * 1e6) / (cpuMicros(...pids) - before);
}

async function drained(store: Store): Promise<void> {
  await until(async () => (await store.events.lag()) === 0, {
    timeoutMs: PATIENCE_MS,
    what: "the projector to catch up",
  });
}

const METRICS: readonly Metric[] = [
  { id: "memory", title: "memory of Redis", unit: "bytes" },
  { id: "perAgent", title: "of it per agent", unit: "bytes" },
  { id: "selective", title: "first page of a selective query, p99", unit: "ms" },
  { id: "half", title: "first page of a query for half of all, p99", unit: "ms" },
  { id: "glob", title: "first page of a query with globs, p99", unit: "ms" },
  { id: "count", title: "count by selector, p99", unit: "ms" },
  { id: "summary", title: "summary by one label, p99", unit: "ms" },
  { id: "watch", title: `change to watcher while ${CHANGES_PER_SECOND} changes/s flow, p99`, unit: "ms" },
  { id: "projected", title: "changes that a core of projectors applies", unit: "per second" },
];

const LIMITS = [
  { metric: "memory", bound: "at most", limit: 2.5e9 },
  { metric: "selective", bound: "at most", limit: 50 },
  { metric: "half", bound: "at most", limit: 100 },
  { metric: "count", bound: "at most", limit: 150 },
  { metric: "summary", bound: "at most", limit: 300 },
  { metric: "watch", bound: "at most", limit: 500 },
  { metric: "projected", bound: "at least", limit: 20_000 },
] as const;

function targetOf({ metric, bound, limit }: (typeof LIMITS)[number]): TargetPlan {
  const { title, unit } = METRICS.find(({ id }) => id === metric) ?? { title: metric, unit: "count" };
  const subject = subjectOf(REFERENCE_AGENTS);
  return {
    title: `${title}, ${REFERENCE_AGENTS.toLocaleString("en")} agents`,
    measured: { kind: "metric", metric, subject },
    bound,
    limit,
    unit,
    minAgents: REFERENCE_AGENTS,
  };
}

export const queries: Scenario = {
  name: "queries",
  summary:
    "A fleet that is only in Redis: its memory, and how long lists, counts, summaries and watches take, at a hundredth of its size, a tenth, and whole.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 10_000 },
  smoke: { agents: 2_000, rounds: 1, windowMs: 500 },
  isPinned: false,
  takesServers: false,
  plan: () => ({ metrics: METRICS, ratios: [], targets: LIMITS.map(targetOf) }),
  async run(run) {
    const readings: Reading[] = [];
    for (let round = 1; round <= run.rounds; round++) readings.push(...(await measure(run, round)));
    return readings;
  },
};
