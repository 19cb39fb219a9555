// Thousands of agents in one process: identities, endpoints and source addresses handed out, starts paced.

import { Agent } from "./agent.ts";
import type { Backoff } from "./backoff.ts";
import { OPAMP_BACKOFF } from "./backoff.ts";
import { createCompose } from "./compose.ts";
import type { AgentEvent } from "./event.ts";
import { createIdentity } from "./identity.ts";
import type { BehaviourOptions } from "./profile.ts";
import { resolveBehaviour } from "./profile.ts";
import { createRandom, seedOf } from "./random.ts";
import type { AttributePairs, ConfigStatus, Identity } from "./state.ts";
import { createHttpPool } from "./transport-http.ts";
import type { AgentCounts } from "./view.ts";
import { createCounts } from "./view.ts";

/** A fleet to start; what is left out has the default of the profile. */
export interface FleetOptions extends BehaviourOptions {
  /** How many agents. */
  readonly count: number;
  /** Server URL or URLs; agents take them in turn. The scheme of the first decides on the transport. */
  readonly endpoint: string | readonly string[];
  /** Same seed, same fleet. Default 1. */
  readonly seed?: number;
  /** Number of the first agent, so that several processes can share one fleet. Default 0. */
  readonly firstIndex?: number;
  /** Attributes to add to, or replace among, the non-identifying ones of agent `index`. */
  readonly attributes?: (index: number) => AttributePairs;
  /** Headers of the upgrade or of every request, e.g. authorization. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Agents that may be connecting for the first time at once. Default 64. Reconnects are never held back. */
  readonly connectConcurrencyCount?: number;
  /** Default: as opamp-go, 0.5 s to 60 s. */
  readonly backoff?: Backoff;
  /** Events kept per agent. Default 64. */
  readonly maxEvents?: number;
  /** Called with every event of every agent. Must not throw. */
  readonly onEvent?: (event: AgentEvent, agent: Agent) => void;
}

/** Sums over a fleet at one instant. */
export interface FleetCounts extends AgentCounts {
  readonly agents: number;
  readonly connected: number;
  /** Agents by config status. */
  readonly statuses: Readonly<Record<ConfigStatus["status"], number>>;
}

/** A running fleet. */
export interface Fleet {
  readonly agents: readonly Agent[];
  counts(): FleetCounts;
  /** Resolves once every agent has been connected; also when the fleet is stopped before that. */
  readonly started: Promise<void>;
  /** Stops all agents in an orderly way. Safe to call twice. */
  stop(): Promise<void>;
}

/** From this size on loopback connections are spread over source addresses: one has about 28,000 ports. */
const SPREAD_FROM_COUNT = 2000;
const FIRST_SOURCE = 2;
const LAST_SOURCE = 250;

/** Starts a fleet. It runs until `stop`, or until the signal aborts, which stops it as well. */
export function startFleet(options: FleetOptions, signal: AbortSignal): Fleet {
  const pool = createHttpPool();
  const agents = createAgents(options, pool);
  const ending = new AbortController();
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      ending.abort();
      await Promise.all(agents.map((agent) => agent.stop()));
      await pool.close();
    })();
    return stopped;
  };
  const started = startPaced(agents, options.connectConcurrencyCount ?? 64, ending.signal);
  if (signal.aborted) void stop();
  else signal.addEventListener("abort", () => void stop(), { once: true, signal: ending.signal });
  return { agents, counts: () => countFleet(agents), started, stop };
}

function createAgents(options: FleetOptions, pool: ReturnType<typeof createHttpPool>): readonly Agent[] {
  const endpoints = typeof options.endpoint === "string" ? [options.endpoint] : options.endpoint;
  const [firstEndpoint] = endpoints;
  if (firstEndpoint === undefined) throw new Error("a fleet needs an endpoint");
  const behaviour = resolveBehaviour(options, firstEndpoint.startsWith("http"), createCompose());
  const seed = options.seed ?? 1;
  const random = createRandom(seedOf(seed, -1));
  return Array.from({ length: options.count }, (_, offset) => {
    const index = (options.firstIndex ?? 0) + offset;
    const endpoint = endpoints[offset % endpoints.length] ?? firstEndpoint;
    return new Agent({
      identity: withAttributes(createIdentity(seed, index), options.attributes?.(index) ?? []),
      endpoint,
      behaviour,
      backoff: options.backoff ?? OPAMP_BACKOFF,
      random,
      pool,
      headers: options.headers ?? {},
      localAddress: options.count < SPREAD_FROM_COUNT ? undefined : sourceAddress(endpoint, offset),
      maxEvents: options.maxEvents ?? 64,
      onEvent: options.onEvent,
    });
  });
}

function withAttributes(identity: Identity, attributes: AttributePairs): Identity {
  return attributes.length === 0 ? identity : { ...identity, other: [...new Map([...identity.other, ...attributes])] };
}

/** 127.0.0.2 to 127.0.0.250 in turn for servers on loopback; elsewhere the system chooses. */
function sourceAddress(endpoint: string, offset: number): string | undefined {
  const { hostname } = new URL(endpoint);
  if (!hostname.startsWith("127.") && hostname !== "localhost") return undefined;
  return `127.0.0.${FIRST_SOURCE + (offset % (LAST_SOURCE - FIRST_SOURCE + 1))}`;
}

/**
 * Starts agents in a few lanes: the next one of a lane starts when the one before has made its first attempt.
 * Resolves when all of them have been connected.
 */
async function startPaced(agents: readonly Agent[], lanes: number, signal: AbortSignal): Promise<void> {
  const queue = agents[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (const agent of queue) {
      if (signal.aborted) return;
      agent.start();
      await agent.attempted(signal);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  await Promise.all(agents.map((agent) => connectedOnce(agent, signal)));
}

async function connectedOnce(agent: Agent, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && agent.counts.connects === 0) await agent.attempted(signal);
}

function countFleet(agents: readonly Agent[]): FleetCounts {
  const statuses = { UNSET: 0, APPLIED: 0, APPLYING: 0, FAILED: 0 };
  const sums = createCounts();
  let connected = 0;
  for (const agent of agents) {
    statuses[agent.configStatus]++;
    if (agent.connected) connected++;
    for (const name of COUNT_NAMES) sums[name] += agent.counts[name];
  }
  return { ...sums, agents: agents.length, connected, statuses };
}

const COUNT_NAMES = [
  "connects",
  "sent",
  "received",
  "offers",
  "fullStateRequests",
  "errors",
  "refusals",
] as const satisfies readonly (keyof AgentCounts)[];
