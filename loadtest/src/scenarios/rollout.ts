// A rollout to a whole fleet in one stage, against real processes: how long a plan takes, how long it is from the start to
// the last offer at an agent, what the same broadcast costs as a bare loop over as many sockets, and what the workers
// cost while the rollout bakes. The agents are real OpAMP clients in this process, the same for both broadcasts; nothing of the
// one runs while the other does, and each round begins with the other. Both have all cores.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { hash } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AgentService } from "@muster/protocol/muster/agents";
import { ConfigService } from "@muster/protocol/muster/configs";
import { RolloutService, StageState } from "@muster/protocol/muster/rollouts";
import { type FleetOptions, startFleet } from "@muster/simulator";
import { guard, until } from "@muster/testkit";
import { LIKE_SERVICES } from "../measure/footing.ts";
import { cpuMicros } from "../measure/process-cost.ts";
import type { Reading } from "../results/plan.ts";
import { type Muster, openMuster } from "../servers/muster.ts";
import { MUSTER } from "../servers/server.ts";
import type { Run, Scenario } from "./scenario.ts";

const CONFIG =
  "receivers: {nop: {}}\nexporters: {nop: {}}\nservice: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}\n";
/** What agents say that they have then; any will do. */
const CONFIG_HASH = hash("sha256", CONFIG);
const PATIENCE_MS = 300_000;
const loopEntry = fileURLToPath(new URL("../../peers/bare-loop.ts", import.meta.url));

/** What a round measured of Muster. */
async function measureRollout(run: Run) {
  const { agents, windowMs, signal } = run;
  const services = { gateway: 1, projector: 1, rollout: 1, management: 1 };
  const muster = await openMuster({ services }, run);
  const sessionManager = new Http2SessionManager(muster.stack.managementUrl);
  try {
    return await measureMuster(muster, sessionManager, agents, windowMs, signal);
  } finally {
    sessionManager.abort();
    await muster.stop();
  }
}

async function measureMuster(
  muster: Muster,
  sessionManager: Http2SessionManager,
  agents: number,
  bakeMs: number,
  signal: AbortSignal,
) {
  const transport = createGrpcTransport({ baseUrl: muster.stack.managementUrl, sessionManager });
  const [configs, rollouts, fleetOf] = [
    createClient(ConfigService, transport),
    createClient(RolloutService, transport),
    createClient(AgentService, transport),
  ];
  const offers = countOffers(agents);
  const fleet = startFleet(
    { ...fleetOptions(agents, muster.stack.opampUrls[0] ?? ""), onEvent: offers.onEvent },
    signal,
  );
  await fleet.started;
  await configs.createConfig({ configId: "base" });
  await configs.publishRevision({
    configId: "base",
    files: [{ name: "base.yaml", body: Buffer.from(CONFIG) }],
  });
  const request = {
    configId: "base",
    stages: [
      { size: { case: "percent", value: 100 } as const, bake: { seconds: BigInt(Math.ceil(bakeMs / 1_000) + 60) } },
    ],
    settings: { timing: { soak: { seconds: 0n }, finalBake: { seconds: 0n } } },
  };
  // Every agent has been heard of when the plan reaches them all.
  await until(async () => (await rollouts.planRollout({ rollout: request })).targeted === BigInt(agents), {
    timeoutMs: PATIENCE_MS,
    what: "all agents in the plan",
  });
  await fleetOf.listAgents({ pageSize: 1 });
  const plannedAtMs = performance.now();
  await rollouts.planRollout({ rollout: request });
  const planMs = performance.now() - plannedAtMs;
  const startedAtMs = performance.now();
  const { rollout } = await rollouts.startRollout(request);
  const offersMs = (await offers.last) - startedAtMs;
  const rolloutId = rollout?.rolloutId ?? "";
  await until(async () => (await rollouts.getRollout({ rolloutId })).rollout?.stages[0]?.state === StageState.BAKING, {
    timeoutMs: PATIENCE_MS,
    what: "the stage to bake",
  });
  const bakeCpuShare = await shareOfCore(muster, bakeMs);
  await fleet.stop();
  return { plan: planMs, offers: offersMs, bake: bakeCpuShare };
}

/** Agents as fast as they may be, but for the five seconds that a supervisor takes to say APPLIED. */
function fleetOptions(count: number, endpoint: string): FleetOptions {
  return { count, endpoint, maxEvents: 8, connectConcurrencyCount: 256 };
}

/** Resolves with when the last of so many agents was offered a config. */
function countOffers(agents: number) {
  const { promise, resolve } = Promise.withResolvers<number>();
  const offered = new Set<string>();
  const onEvent: NonNullable<FleetOptions["onEvent"]> = (event, agent) => {
    if (event.kind !== "config-offered") return;
    offered.add(agent.uid);
    if (offered.size === agents) resolve(performance.now());
  };
  return { last: promise, onEvent };
}

/** What all workers cost together in a while. */
async function shareOfCore(muster: Muster, forMs: number): Promise<number> {
  const pids = muster.pidsOf("rollout");
  const before = cpuMicros(...pids);
  await sleep(forMs);
  return (cpuMicros(...pids) - before) / 1_000 / forMs;
}

/** The same agents, the same config, and nothing but a loop. */
async function measureLoop({ agents, signal }: Run) {
  const server = spawn(process.execPath, [loopEntry, CONFIG, CONFIG_HASH], {
    ...LIKE_SERVICES,
    stdio: ["pipe", "pipe", "inherit"],
  });
  guard(server);
  try {
    const url = await firstLine(server);
    const offers = countOffers(agents);
    const fleet = startFleet({ ...fleetOptions(agents, url), onEvent: offers.onEvent }, signal);
    await fleet.started;
    await until(() => fleet.counts().received >= agents, { timeoutMs: PATIENCE_MS, what: "an answer to every agent" });
    const startedAtMs = performance.now();
    server.stdin.write("go\n");
    const offersMs = (await offers.last) - startedAtMs;
    await fleet.stop();
    return { offers: offersMs };
  } finally {
    server.stdin.end();
    if (server.exitCode === null) await once(server, "exit");
  }
}

async function firstLine(server: ChildProcessByStdio<Writable, Readable, null>): Promise<string> {
  for await (const line of createInterface({ input: server.stdout })) return line;
  throw new Error("the bare loop ended before it said its address");
}

const BARE_LOOP = "bare-loop";
const REFERENCE_AGENTS = 10_000;

async function runRounds(run: Run): Promise<readonly Reading[]> {
  const readings: Reading[] = [];
  for (let round = 1; round <= run.rounds; round++) {
    run.say(`round ${round} of ${run.rounds}`);
    const measures = [
      async () => readings.push({ round, subject: MUSTER, values: await measureRollout(run) }),
      async () => readings.push({ round, subject: BARE_LOOP, values: await measureLoop(run) }),
    ];
    for (const measure of round % 2 === 1 ? measures : measures.toReversed()) await measure();
  }
  return readings;
}

export const rollout: Scenario = {
  name: "rollout",
  summary:
    "A rollout to a whole fleet of fully simulated agents in one stage, and the same broadcast as a bare loop over as many sockets.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 60_000 },
  smoke: { agents: 20, rounds: 1, windowMs: 1_000 },
  isPinned: false,
  takesServers: false,
  plan: () => ({
    metrics: [
      { id: "plan", title: "plan of the rollout", unit: "ms" },
      { id: "offers", title: "start to the last offer, one stage", unit: "ms" },
      { id: "bake", title: "workers' share of a core while the stage bakes", unit: "share" },
    ],
    ratios: [
      { id: "offers-to-bare", title: "offers, Muster to a bare loop", metric: "offers", of: MUSTER, to: BARE_LOOP },
    ],
    targets: [
      {
        title: "StartRollout to the last offer on the socket",
        measured: { kind: "metric", metric: "offers", subject: MUSTER },
        bound: "at most",
        limit: 3_000,
        unit: "ms",
        minAgents: REFERENCE_AGENTS,
      },
      {
        title: "StartRollout to the last offer, to a bare push loop",
        measured: { kind: "ratio", ratio: "offers-to-bare" },
        bound: "at most",
        limit: 2,
        unit: "ratio",
        minAgents: REFERENCE_AGENTS,
      },
    ],
  }),
  run: runRounds,
};
