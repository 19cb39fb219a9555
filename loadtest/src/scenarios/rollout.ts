// A rollout to a whole fleet in one stage, against real processes: how long a plan takes, how long it is from the start to
// the last offer at an agent, what the same broadcast costs as a bare loop over as many sockets, and what the workers
// cost while the rollout bakes. The agents are real OpAMP clients in this process, the same for both broadcasts.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type Stack, startStack } from "@muster/local";
import { AgentService } from "@muster/protocol/muster/agents";
import { ConfigService } from "@muster/protocol/muster/configs";
import { RolloutService, StageState } from "@muster/protocol/muster/rollouts";
import { type FleetOptions, startFleet } from "@muster/simulator";
import { startRedis, until } from "@muster/testkit";
import { cpuMicros } from "../measure/process-cost.ts";
import type { Reading } from "../results/plan.ts";
import { MUSTER } from "../servers/server.ts";
import type { Run, Scenario } from "./scenario.ts";

/** What was measured. */
export interface RolloutResult {
  readonly agents: number;
  /** PlanRollout, from the call to its answer. */
  readonly planMs: number;
  /** From StartRollout to the last offer that an agent received. */
  readonly offersMs: number;
  /** The same broadcast by a bare loop, to its last offer. */
  readonly bareMs: number;
  /** Share of a core that all workers took while the stage baked, 0 to 1, and for how long that was watched. */
  readonly bakeCpuShare: number;
  readonly bakeWatchedMs: number;
}

const CONFIG =
  "receivers: {nop: {}}\nexporters: {nop: {}}\nservice: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}\n";
const PATIENCE_MS = 300_000;
/** A gateway takes this many upgrades a second here: the storm of the start is not what is measured. */
const UPGRADES_PER_SECOND = "20000";

/** Runs the scenario; the stage bakes for as long as its workers are watched, `bakeMs`. */
export async function runRollout(agents: number, bakeMs: number): Promise<RolloutResult> {
  const stateDir = await mkdtemp(join(tmpdir(), "muster-load-"));
  const redis = await startRedis();
  const ending = new AbortController();
  const env = { gateway: { MUSTER_GATEWAY_UPGRADES_PER_SECOND: UPGRADES_PER_SECOND } };
  const stack = await startStack({ stateDir, redisUrl: redis.url, env }, ending.signal);
  const sessionManager = new Http2SessionManager(stack.managementUrl);
  try {
    const measured = await measureMuster(stack, sessionManager, agents, bakeMs, ending.signal);
    const bareMs = await measureBare(agents, measured.hash, ending.signal);
    const { hash: _, ...rest } = measured;
    return { agents, bareMs, ...rest };
  } finally {
    ending.abort();
    sessionManager.abort();
    await stack.stop();
    await redis.stop();
    await rm(stateDir, { recursive: true, force: true });
  }
}

async function measureMuster(
  stack: Stack,
  sessionManager: Http2SessionManager,
  agents: number,
  bakeMs: number,
  signal: AbortSignal,
) {
  const transport = createGrpcTransport({ baseUrl: stack.managementUrl, sessionManager });
  const [configs, rollouts, fleetOf] = [
    createClient(ConfigService, transport),
    createClient(RolloutService, transport),
    createClient(AgentService, transport),
  ];
  const offers = countOffers(agents);
  const fleet = startFleet({ ...fleetOptions(agents, stack.opampUrls[0] ?? ""), onEvent: offers.onEvent }, signal);
  await fleet.started;
  await configs.createConfig({ configId: "base" });
  const { revision } = await configs.publishRevision({
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
  const bakeCpuShare = await shareOfCore(stack, bakeMs);
  await fleet.stop();
  return { planMs, offersMs, bakeCpuShare, bakeWatchedMs: bakeMs, hash: revision?.hash ?? "" };
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
async function shareOfCore(stack: Stack, forMs: number): Promise<number> {
  const pids = stack.of("rollout").map((worker) => worker.pid() ?? 0);
  const sum = (): number => pids.reduce((micros, pid) => micros + cpuMicros(pid), 0);
  const before = sum();
  await sleep(forMs);
  return (sum() - before) / 1_000 / forMs;
}

/** The same agents, the same config, and nothing but a loop. */
async function measureBare(agents: number, hash: string, signal: AbortSignal): Promise<number> {
  const server = spawn(process.execPath, [fileURLToPath(new URL("bare-server.ts", import.meta.url)), CONFIG, hash], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const port = await firstLine(server);
    const offers = countOffers(agents);
    const fleet = startFleet({ ...fleetOptions(agents, `ws://127.0.0.1:${port}`), onEvent: offers.onEvent }, signal);
    await fleet.started;
    await until(() => fleet.counts().received >= agents, { timeoutMs: PATIENCE_MS, what: "an answer to every agent" });
    const startedAtMs = performance.now();
    server.stdin.write("go\n");
    const ms = (await offers.last) - startedAtMs;
    await fleet.stop();
    return ms;
  } finally {
    server.stdin.end();
    if (server.exitCode === null) await once(server, "exit");
  }
}

async function firstLine(server: ChildProcessByStdio<Writable, Readable, null>): Promise<string> {
  for await (const line of createInterface({ input: server.stdout })) return line;
  throw new Error("the bare server ended before it said its port");
}

const BARE_LOOP = "bare-loop";
const REFERENCE_AGENTS = 10_000;

/** Each round is a fleet and a Muster of its own, so that rounds tell the spread. */
async function runRounds({ agents, rounds, windowMs, say }: Run): Promise<readonly Reading[]> {
  const readings: Reading[] = [];
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}`);
    const { planMs, offersMs, bareMs, bakeCpuShare } = await runRollout(agents, windowMs);
    readings.push({ round, subject: MUSTER, values: { plan: planMs, offers: offersMs, bake: bakeCpuShare } });
    readings.push({ round, subject: BARE_LOOP, values: { offers: bareMs } });
  }
  return readings;
}

export const rollout: Scenario = {
  name: "rollout",
  summary:
    "A rollout to a whole fleet of fully simulated agents in one stage, and the same broadcast as a bare loop over as many sockets.",
  full: { agents: REFERENCE_AGENTS, rounds: 3, windowMs: 60_000 },
  smoke: { agents: 20, rounds: 1, windowMs: 1_000 },
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
