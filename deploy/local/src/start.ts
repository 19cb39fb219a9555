// `npm start`: everything on this machine, in the foreground, until Ctrl-C. Run by bootstrap.mjs, which made sure of
// the runtime and the dependencies. Decides the order in which things start and end; the rest is in stack.ts,
// redis.ts and simulator.ts.
//
// Invariants
//   N1. Whatever was started is ended before this process ends, in reverse: agents, services, Redis.
//   N2. An end that was asked for exits 0; one that was not exits 1 after one line that names what to do.

import { join } from "node:path";
import type { Child, Crash } from "./child.ts";
import { listenForInterrupts } from "./interrupt.ts";
import { parseOptions, type StartOptions, usage } from "./options.ts";
import { shown, stateDirOf } from "./paths.ts";
import { assertPortsFree, lockState, type WantedPort } from "./preflight.ts";
import { findGivenRedis, startRedis } from "./redis.ts";
import { exitWith, print, Remedy, say, wordsFor } from "./say.ts";
import { createSimulator } from "./simulator.ts";
import { type Stack, serviceNames, startStack } from "./stack.ts";
import { type AgentCounter, createAgentCounter } from "./visible.ts";

/** How long services may drain, so that Ctrl-C is answered within 10 s with agents and Redis before and after them. */
const drainMs = 5_000;

const stateDir = stateDirOf(process.env);

/** Ends in reverse what was started; each says whether it ended well. */
type Undo = () => Promise<boolean> | boolean;

async function main(): Promise<boolean> {
  const options = parseOptions(process.argv.slice(2), process.env);
  if (options.help) {
    print(usage);
    return true;
  }
  const interrupts = listenForInterrupts();
  const undo: Undo[] = [];
  const crashed = createCrashSignal();
  let ok = true;
  try {
    const signal = AbortSignal.any([interrupts.signal, crashed.signal]);
    await bringUp(options, undo, crashed.report, signal);
    await aborted(signal);
  } catch (error) {
    if (!interrupts.signal.aborted && !crashed.signal.aborted) {
      say(wordsFor(error));
      ok = false;
    }
  }
  if (crashed.signal.aborted) {
    say(wordsFor(crashed.signal.reason));
    ok = false;
  } else if (interrupts.signal.aborted) {
    say("stopping; once more to stop at once ...");
  }
  const ended = await Promise.race([takeDown(undo), interrupts.insisted.then(() => null)]);
  if (ended === null) say("stopped at once; what still ran is ended within seconds.");
  else if (!ended) say(`not everything ended in order; see ${shown(join(stateDir, "logs"))}.`);
  return ended === true && ok;
}

async function bringUp(options: StartOptions, undo: Undo[], onCrash: (crash: Crash) => void, signal: AbortSignal) {
  undo.push(lockReleased());
  await assertPortsFree(wantedPorts(options));
  const redis = (await findGivenRedis(process.env)) ?? (await startLocalRedis(options, undo, onCrash, signal));

  say("starting gateway, projector, rollout and management ...");
  const stack = await startStack(
    {
      stateDir,
      redisUrl: redis.url,
      controlRedisUrl: redis.controlUrl,
      ports: options.ports,
      baseEnv: process.env,
      logLevel: options.logLevel,
      logFormat: "text",
      drainMs,
      onCrash,
    },
    signal,
  );
  undo.push(() => stack.stop());
  const counter = createAgentCounter(stack.managementUrl);
  undo.push(() => {
    counter.close();
    return true;
  });
  await bringUpAgents(options, stack, counter, undo, onCrash, signal);
  print(welcome(options, stack));
}

async function startLocalRedis(
  { redisPort }: StartOptions,
  undo: Undo[],
  onCrash: (crash: Crash) => void,
  signal: AbortSignal,
) {
  say("starting Redis (fleet state and control state) ...");
  const onChild = (child: Child) => undo.push(() => child.stop());
  return startRedis({ stateDir, onCrash, onChild, ...(redisPort === undefined ? {} : { port: redisPort }) }, signal);
}

async function bringUpAgents(
  { agents }: StartOptions,
  stack: Stack,
  counter: AgentCounter,
  undo: Undo[],
  onCrash: (crash: Crash) => void,
  signal: AbortSignal,
) {
  if (agents === 0) return;
  say(`starting ${agents} simulated agents and waiting until all are listed ...`);
  const simulator = createSimulator({ agents, opampUrls: stack.opampUrls, stateDir, counter, onCrash });
  undo.push(async () => {
    await simulator.stop();
    return true; // agents are there to be lost; how they end is no news
  });
  await simulator.start(signal);
}

function lockReleased(): Undo {
  const release = lockState(stateDir);
  return () => {
    release();
    return true;
  };
}

function wantedPorts({ ports, redisPort }: StartOptions): WantedPort[] {
  const redis = redisPort === undefined ? [] : [redisPort, redisPort + 1];
  return [
    { port: ports.opamp, what: "OpAMP", option: "--opamp-port" },
    { port: ports.management, what: "management API", option: "--grpc-port" },
    ...serviceNames.map((name, index) => ({
      port: ports.health + index,
      what: `health of ${name}`,
      option: "--health-port",
    })),
    ...redis.map((port) => ({ port, what: "Redis", option: "--redis-port" })),
  ];
}

/** Runs all of it, the last first; true when every part ended well. */
async function takeDown(undo: readonly Undo[]): Promise<boolean> {
  let clean = true;
  for (const each of [...undo].reverse()) clean = (await each()) && clean;
  return clean;
}

/** The first crash ends the stack; those that follow from it are not reported. */
function createCrashSignal() {
  const controller = new AbortController();
  const report = ({ sentence }: Crash) =>
    controller.abort(new Remedy(`${sentence} Stopping everything; run npm start again.`));
  return { signal: controller.signal, report };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function welcome({ agents, ports }: StartOptions, stack: Stack): string {
  const health = stack.processes.map(({ name, healthUrl }) => `${name} :${new URL(healthUrl).port}`).join(", ");
  return `
Muster is running${agents === 0 ? "" : ` with ${agents} simulated agents`}.

  OpAMP        ${stack.opampUrls[0]} (plain HTTP at the same place)
  management   127.0.0.1:${ports.management} (gRPC, with reflection)
  metrics      ${health}, each with /metrics and /readyz
  logs, state  ${shown(join(stateDir, "logs"))}, ${shown(stateDir)}

Try, in another terminal:

  npx muster agents list
  npx muster configs create demo && npx muster configs publish demo -f examples/collector.yaml
  npx muster rollouts start demo --stages 10%,50%,100% --bake 5s --soak 5s --final-bake 5s --watch

Ctrl-C stops everything; the next start finds its state again.
`;
}

await exitWith(main);
