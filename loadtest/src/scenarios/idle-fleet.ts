// A large fleet that has nothing to say: what six gateways cost together while every agent sends its heartbeat every 30
// seconds. The load takes several processes of its own, since a process may open 20,000 files.

import { setTimeout as sleep } from "node:timers/promises";
import { prepareFleet } from "../lean/fleet.ts";
import { cpuMicros, residentBytes } from "../measure/process-cost.ts";
import { openMuster, settled } from "../servers/muster.ts";
import { MUSTER } from "../servers/server.ts";
import { eachRound } from "./alone.ts";
import type { Run, Scenario } from "./scenario.ts";

const REFERENCE_AGENTS = 100_000;
const GATEWAYS = 6;
const PERIOD_MS = 30_000;
const PATIENCE_MS = 300_000;
/** A smoke test cannot wait for 30 s; its windows are shorter than this. */
const SHORT_WINDOW_MS = 5_000;

async function measure(run: Run) {
  const { agents, windowMs, say } = run;
  const services = { gateway: GATEWAYS, projector: 1 };
  const muster = await openMuster({ services }, run);
  const fleet = await prepareFleet({ count: agents, urls: muster.stack.opampUrls });
  const gateways = muster.pidsOf("gateway");
  try {
    const { elapsedMs } = await fleet.connect();
    say(`all connected after ${(elapsedMs / 1_000).toFixed(1)} s`);
    await settled(muster, PATIENCE_MS);
    const periodMs = windowMs < SHORT_WINDOW_MS ? windowMs : PERIOD_MS;
    await fleet.beatEvery(periodMs);
    await sleep(periodMs); // every agent is heard once before anything is read
    const others = [...muster.pidsOf("projector"), muster.redisPid];
    const before = { gateways: cpuMicros(...gateways), others: cpuMicros(...others), counts: await fleet.count() };
    const startedAtMs = performance.now();
    await sleep(windowMs);
    const elapsedMicros = (performance.now() - startedAtMs) * 1_000;
    const counts = await fleet.count();
    return {
      share: (cpuMicros(...gateways) - before.gateways) / elapsedMicros,
      memory: residentBytes(...gateways),
      heartbeats: ((counts.answers - before.counts.answers) * 1_000_000) / elapsedMicros,
      losses: counts.losses,
      otherShare: (cpuMicros(...others) - before.others) / elapsedMicros,
      connected: (agents * 1_000) / elapsedMs,
    };
  } finally {
    await fleet.stop();
    await muster.stop();
  }
}

export const idleFleet: Scenario = {
  name: "idle-fleet",
  summary:
    "A large idle fleet with heartbeats every 30 s over six gateways: their processor time and memory, together.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 60_000 },
  smoke: { agents: 60, rounds: 1, windowMs: 500 },
  isPinned: false,
  takesServers: false,
  plan: () => ({
    metrics: [
      { id: "share", title: "share of a core, six gateways together", unit: "share" },
      { id: "memory", title: "memory, six gateways together", unit: "bytes" },
      { id: "heartbeats", title: "heartbeats answered", unit: "per second" },
      { id: "losses", title: "connections lost", unit: "count" },
      { id: "otherShare", title: "share of a core, projector and Redis", unit: "share" },
      { id: "connected", title: "agents that connected", unit: "per second" },
    ],
    ratios: [],
    targets: [
      {
        title: "100,000 idle agents with heartbeats every 30 s, six gateways: share of a core",
        measured: { kind: "metric", metric: "share", subject: MUSTER },
        bound: "at most",
        limit: 0.6,
        unit: "share",
        minAgents: REFERENCE_AGENTS,
      },
      {
        title: "the same: memory of all gateways",
        measured: { kind: "metric", metric: "memory", subject: MUSTER },
        bound: "at most",
        limit: 1024 ** 3,
        unit: "bytes",
        minAgents: REFERENCE_AGENTS,
      },
    ],
  }),
  run: (run) => eachRound(run, measure),
};
