// What a fleet costs Redis: commands for an unchanged heartbeat, and memory for an agent that said everything once.
//
// Idle processes send commands too (leases, blocking reads, and every half minute the workers look at everything), at the same
// pace whatever the agents do. So commands are counted in a window without heartbeats and in one of the same length with
// them, of half a minute each; what there are more is theirs.

import { setTimeout as sleep } from "node:timers/promises";
import { prepareFleet } from "../lean/fleet.ts";
import { CORE } from "../measure/pin.ts";
import { type Muster, openMuster, settled } from "../servers/muster.ts";
import { MUSTER } from "../servers/server.ts";
import { eachRound } from "./alone.ts";
import type { Run, Scenario } from "./scenario.ts";

const REFERENCE_AGENTS = 10_000;
const LOOP_CONNECTIONS = 500;
const PATIENCE_MS = 120_000;
/** What keys hold that are bodies: contents that agents with the same content share. */
const BODY_KINDS = ["body", "inventory"];
/** Kinds of keys whose memory is told apart. */
const KINDS = ["agent", "session", "labels", "rows", "agents", "unassigned", "body-uses", "events", "changes"] as const;

async function measure(run: Run) {
  const { agents, windowMs } = run;
  const muster = await openMuster({ services: { gateway: 1, projector: 1, rollout: 1 }, core: CORE.server }, run);
  const fleet = await prepareFleet({ count: agents, urls: muster.stack.opampUrls, cores: [CORE.load] });
  try {
    const before = await muster.redisCost.usedBytes();
    await fleet.connect();
    await settled(muster, PATIENCE_MS);
    const usedBytes = (await muster.redisCost.usedBytes()) - before;
    const kinds = await muster.redisCost.bytesByKind();
    const bodyBytes = BODY_KINDS.reduce((sum, kind) => sum + (kinds.get(kind) ?? 0), 0);
    const idle = await commandsIn(muster, () => sleep(windowMs));
    const { answers } = await fleet.loop(LOOP_CONNECTIONS, 1);
    let heartbeats = answers;
    const loud = await commandsIn(muster, async () => {
      heartbeats = (await fleet.loop(LOOP_CONNECTIONS, windowMs)).answers;
    });
    return {
      perHeartbeat: Math.max(0, loud - idle) / heartbeats,
      heartbeats,
      idleCommands: idle,
      loudCommands: loud,
      memory: (usedBytes - bodyBytes) / agents,
      body: bodyBytes / agents,
      ...Object.fromEntries(KINDS.map((kind) => [kind, (kinds.get(kind) ?? 0) / agents])),
    };
  } finally {
    await fleet.stop();
    await muster.stop();
  }
}

async function commandsIn(muster: Muster, act: () => Promise<unknown>): Promise<number> {
  const sum = async (): Promise<number> => {
    let calls = 0;
    for (const [, count] of await muster.redisCost.commands()) calls += count;
    return calls;
  };
  const before = await sum();
  await act();
  return (await sum()) - before;
}

export const redisCost: Scenario = {
  name: "redis-cost",
  summary:
    "Commands that Redis runs for unchanged heartbeats, and its memory per agent beyond the bodies that agents share.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 30_000 },
  smoke: { agents: 40, rounds: 1, windowMs: 300 },
  isPinned: true,
  takesServers: false,
  plan: () => ({
    metrics: [
      { id: "perHeartbeat", title: "Redis commands per unchanged heartbeat", unit: "count" },
      { id: "heartbeats", title: "heartbeats in the window", unit: "count" },
      { id: "idleCommands", title: "commands in a window without heartbeats", unit: "count" },
      { id: "loudCommands", title: "commands in the window with them", unit: "count" },
      { id: "memory", title: "Redis memory per agent beyond bodies", unit: "bytes" },
      ...KINDS.map((kind) => ({ id: kind, title: `of it ${kind} keys`, unit: "bytes" }) as const),
      { id: "body", title: "bodies per agent, beside that", unit: "bytes" },
    ],
    ratios: [],
    targets: [
      {
        // What is done at its own pace falls into one window a little more often than into the other: some ten commands in
        // millions of heartbeats.
        title: "Redis commands per unchanged heartbeat: none (fewer than one in a hundred thousand heartbeats)",
        measured: { kind: "metric", metric: "perHeartbeat", subject: MUSTER },
        bound: "at most",
        limit: 0.000_01,
        unit: "count",
        minAgents: REFERENCE_AGENTS,
      },
      {
        title: "Redis memory per agent beyond bodies shared by content",
        measured: { kind: "metric", metric: "memory", subject: MUSTER },
        bound: "at most",
        limit: 2_048,
        unit: "bytes",
        minAgents: REFERENCE_AGENTS,
      },
    ],
  }),
  run: (run) => eachRound(run, measure),
};
