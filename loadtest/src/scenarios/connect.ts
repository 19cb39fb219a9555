// A fleet that comes at once: what an agent costs from its TCP connect until an operator sees it, gateway,
// projector and Redis together, on a core of their own beside the load's; and then, with a Muster that has both cores as the load
// does, how many come through a second. That they are there is
// seen by counting them: the list, which has them at the same moment, takes a second to be read, and is read afterwards. The bare
// servers beside it are done with an agent when they have answered, the bare pipeline when there is a record of it.

import { type LeanFleet, prepareFleet } from "../lean/fleet.ts";
import { CORE } from "../measure/pin.ts";
import { cpuMicros } from "../measure/process-cost.ts";
import type { Reading } from "../results/plan.ts";
import { openMuster } from "../servers/muster.ts";
import {
  BARE_PIPELINE,
  BARE_STORE,
  barePipeline,
  bareStore,
  type Contestant,
  MUSTER,
  OPAMP_GO,
  OPAMP_GO_MISSING,
  opampGoPeer,
} from "../servers/server.ts";
import type { Run, Scenario } from "./scenario.ts";

const REFERENCE_AGENTS = 10_000;
/** Agents that are there before: what a process does for the first time is no agent's cost. */
const WARM_UP_SHARE = 0.5;
const PATIENCE_MS = 120_000;
/** Agents on their way at once: many, so that no server waits for agents. */
const LANES = 1_000;

async function runRounds(run: Run): Promise<readonly Reading[]> {
  const go = opampGoPeer();
  if (go === null) run.say(OPAMP_GO_MISSING);
  const readings: Reading[] = [];
  for (let round = 1; round <= run.rounds; round++) {
    run.say(`round ${round} of ${run.rounds}`);
    const measures = [
      async () => readings.push({ round, subject: MUSTER, values: await measureMuster(run) }),
      async () => readings.push({ round, subject: BARE_STORE, values: await measurePeer(bareStore, run) }),
      async () => readings.push({ round, subject: BARE_PIPELINE, values: await measurePeer(barePipeline, run) }),
      async () => go !== null && readings.push({ round, subject: OPAMP_GO, values: await measurePeer(go, run) }),
    ];
    for (const measure of round % 2 === 1 ? measures : measures.toReversed()) await measure();
  }
  return readings;
}

async function measureMuster(run: Run) {
  const free = await connectAll(run, false);
  const { costs, answeredRate } = await connectAll(run, true);
  return { ...costs, answeredRate, rate: free.rate };
}

/** A whole fleet connects to a Muster of its own, which is kept to a core beside the load's, or has both as the load does. */
async function connectAll(run: Run, isPinned: boolean) {
  const { agents } = run;
  const core = isPinned ? { core: CORE.server } : {};
  const muster = await openMuster({ services: { gateway: 1, projector: 1, management: 1 }, ...core }, run);
  const url = muster.stack.opampUrls[0] ?? "";
  const [warmUp, fleet] = await prepareBoth(agents, url, isPinned ? CORE.load : undefined);
  try {
    const { counts } = await warmUp.connect();
    await muster.visible(counts.up, PATIENCE_MS);
    const pids = { gateway: muster.pidsOf("gateway"), projector: muster.pidsOf("projector"), redis: [muster.redisPid] };
    const costs = () => ({
      gateway: cpuMicros(...pids.gateway),
      projector: cpuMicros(...pids.projector),
      redis: cpuMicros(...pids.redis),
    });
    const [before, startedAtMs] = [costs(), performance.now()];
    const { elapsedMs } = await fleet.connect(LANES);
    await muster.visible(counts.up + agents, PATIENCE_MS);
    const visibleMs = performance.now() - startedAtMs;
    const after = costs();
    await muster.mustList(counts.up + agents);
    const gateway = (after.gateway - before.gateway) / agents;
    const projector = (after.projector - before.projector) / agents;
    const redis = (after.redis - before.redis) / agents;
    return {
      costs: { connect: gateway + projector + redis, gateway, projector, redis },
      answeredRate: (agents * 1_000) / elapsedMs,
      rate: (agents * 1_000) / visibleMs,
    };
  } finally {
    await fleet.stop();
    await warmUp.stop();
    await muster.stop();
  }
}

async function measurePeer(peer: Contestant, { agents }: Run) {
  const server = await peer.start();
  const [warmUp, fleet] = await prepareBoth(agents, server.url, CORE.load);
  try {
    await warmUp.connect();
    await server.settled();
    const before = cpuMicros(...server.pids);
    const { elapsedMs } = await fleet.connect(LANES);
    await server.settled();
    const connect = (cpuMicros(...server.pids) - before) / agents;
    return { connect, answeredRate: (agents * 1_000) / elapsedMs };
  } finally {
    await fleet.stop();
    await warmUp.stop();
    await server.stop();
  }
}

function prepareBoth(agents: number, url: string, core?: number): Promise<[LeanFleet, LeanFleet]> {
  const common = { urls: [url], ...(core === undefined ? {} : { cores: [core] }) };
  return Promise.all([
    prepareFleet({ ...common, count: Math.ceil(agents * WARM_UP_SHARE), firstIndex: agents }),
    prepareFleet({ ...common, count: agents }),
  ]);
}

export const connect: Scenario = {
  name: "connect",
  summary:
    "A fleet connects as fast as it can and tells everything: until it is answered, and until an operator sees all of it.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 0 },
  smoke: { agents: 40, rounds: 1, windowMs: 0 },
  isPinned: true,
  takesServers: false,
  plan: () => ({
    metrics: [
      {
        id: "connect",
        title: "processor time per agent, until visible (bare servers: until done)",
        unit: "us",
      },
      { id: "gateway", title: "of it the gateway", unit: "us" },
      { id: "projector", title: "of it the projector", unit: "us" },
      { id: "redis", title: "of it Redis", unit: "us" },
      { id: "answeredRate", title: "agents answered, by servers on one core", unit: "per second" },
      { id: "rate", title: "agents visible, on both cores", unit: "per second" },
    ],
    ratios: [
      {
        id: "connect-to-opamp-go",
        title: "connect, Muster to opamp-go",
        metric: "connect",
        of: MUSTER,
        to: OPAMP_GO,
      },
      {
        id: "store-to-opamp-go",
        title: "connect, a bare server that only keeps what it is told in a Redis, to opamp-go",
        metric: "connect",
        of: BARE_STORE,
        to: OPAMP_GO,
      },
      {
        id: "pipeline-to-opamp-go",
        title: "connect, the bare pipeline to opamp-go",
        metric: "connect",
        of: BARE_PIPELINE,
        to: OPAMP_GO,
      },
    ],
    targets: [
      {
        title: "processor time from TCP connect to visible, to bare opamp-go's connect",
        measured: { kind: "ratio", ratio: "connect-to-opamp-go" },
        bound: "at most",
        limit: 3,
        unit: "ratio",
        minAgents: REFERENCE_AGENTS,
      },
      {
        title: "agents that become visible, on two cores",
        measured: { kind: "metric", metric: "rate", subject: MUSTER },
        bound: "at least",
        limit: 2_500,
        unit: "per second",
        minAgents: REFERENCE_AGENTS,
      },
    ],
  }),
  run: runRounds,
};
