// A whole Muster for one spec file: two Redis servers, every service as its own process, an operator's client, and
// fleets of simulated agents. Closed with everything in it; a test that dies leaves nothing behind.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type Stack, type StackOptions, startStack } from "@muster/local";
import { type Agent, AgentService } from "@muster/protocol/muster/agents";
import { ConfigService } from "@muster/protocol/muster/configs";
import { ConnectionService } from "@muster/protocol/muster/connections";
import { PackageService } from "@muster/protocol/muster/packages";
import {
  type Rollout,
  RolloutPhase,
  RolloutService,
  type StartRolloutRequest,
  type StartRolloutRequestSchema,
  type StartRolloutResponse,
} from "@muster/protocol/muster/rollouts";
import { SecretService } from "@muster/protocol/muster/secrets";
import { type Fleet, type FleetOptions, startFleet } from "@muster/simulator";
import { type RedisServer, startRedis, until } from "@muster/testkit";

/** What operators call. */
export interface Operator {
  readonly agents: Client<typeof AgentService>;
  readonly configs: Client<typeof ConfigService>;
  readonly connections: Client<typeof ConnectionService>;
  readonly packages: Client<typeof PackageService>;
  readonly rollouts: Client<typeof RolloutService>;
  readonly secrets: Client<typeof SecretService>;
}

/** A whole Muster. */
export interface World {
  /** Redis of the fleet state. */
  readonly fleetRedis: RedisServer;
  /** Redis of the control state, which keeps every answered write. */
  readonly controlRedis: RedisServer;
  readonly stack: Stack;
  readonly operator: Operator;
  /** Starts simulated agents at the first gateway, or where told, and resolves when all have been connected. */
  fleet(options: Partial<FleetOptions> & { readonly count: number }): Promise<Fleet>;
  close(): Promise<void>;
}

/** A config that every Collector runs. */
export const GOOD_CONFIG =
  "receivers: {nop: {}}\nexporters: {nop: {}}\nservice: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}\n";

/** However busy a machine is, all agents of a test connect within this, or no gateway is there. */
const STARTED_WITHIN_MS = 120_000;

/** Starts a world. `services` says how many processes of each, one each by default. */
export async function openWorld(
  services: StackOptions["services"] = {},
  env: StackOptions["env"] = {},
): Promise<World> {
  const stateDir = mkdtempSync(join(tmpdir(), "muster-e2e-"));
  const fleetRedis = await startRedis({ args: ["--appendonly", "yes", "--appendfsync", "everysec"] });
  const controlRedis = await startRedis({ args: ["--appendonly", "yes", "--appendfsync", "always"] });
  const ending = new AbortController();
  const options = { stateDir, redisUrl: fleetRedis.url, controlRedisUrl: controlRedis.url, services, env };
  const stack = await startStack(options, ending.signal).catch(async (error: unknown) => {
    await Promise.all([fleetRedis.stop(), controlRedis.stop()]);
    throw error;
  });
  const sessionManager = new Http2SessionManager(stack.managementUrl);
  const transport = createGrpcTransport({ baseUrl: stack.managementUrl, sessionManager });
  const fleets: Fleet[] = [];
  return {
    fleetRedis,
    controlRedis,
    stack,
    operator: {
      agents: createClient(AgentService, transport),
      configs: createClient(ConfigService, transport),
      connections: createClient(ConnectionService, transport),
      packages: createClient(PackageService, transport),
      rollouts: createClient(RolloutService, transport),
      secrets: createClient(SecretService, transport),
    },
    async fleet(wanted) {
      const fleet = startFleet({ endpoint: stack.opampUrls[0] ?? "", applyTimeoutMs: 300, ...wanted }, ending.signal);
      fleets.push(fleet);
      let isStarted = false;
      void fleet.started.then(() => {
        isStarted = true;
      });
      await until(() => isStarted, { timeoutMs: STARTED_WITHIN_MS, what: "every agent to connect" });
      return fleet;
    },
    async close() {
      await Promise.all(fleets.map((fleet) => fleet.stop()));
      ending.abort();
      sessionManager.abort();
      await stack.stop();
      await Promise.all([fleetRedis.stop(), controlRedis.stop()]);
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

/** Every agent that the selector matches. */
export async function listAll({ agents }: Operator, selector = ""): Promise<readonly Agent[]> {
  const all: Agent[] = [];
  let pageToken = "";
  do {
    const page = await agents.listAgents({ selector, pageSize: 1000, pageToken }, { timeoutMs: 5_000 });
    all.push(...page.agents);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}

/** Waits until the selector matches exactly this many agents, and answers them. */
export async function untilListed(
  operator: Operator,
  count: number,
  selector = "",
  timeoutMs = 20_000,
): Promise<readonly Agent[]> {
  const what = `${count} agents with "${selector}"`;
  return await until(
    async () => {
      const all = await listAll(operator, selector);
      return all.length === count ? all : false;
    },
    { timeoutMs, what },
  );
}

/** Creates a config for the selector and publishes a first revision; answers its hash. */
export async function publish(
  { configs }: Operator,
  configId: string,
  selector = "",
  body = GOOD_CONFIG,
): Promise<string> {
  await configs.createConfig({ configId, selector });
  return await publishAgain({ configs }, configId, body);
}

/** Publishes the next revision; answers its hash. */
export async function publishAgain(
  { configs }: Pick<Operator, "configs">,
  configId: string,
  body: string,
  contentType = "text/yaml",
): Promise<string> {
  const files = [{ name: "collector.yaml", contentType, body: Buffer.from(body) }];
  const { revision } = await configs.publishRevision({ configId, files });
  assert.ok(revision !== undefined);
  return revision.hash;
}

/** Follows a rollout's watch to its end and answers every state it showed. */
export async function watchToEnd(
  { rollouts }: Operator,
  rolloutId: string,
  timeoutMs = 60_000,
): Promise<readonly Rollout[]> {
  const seen: Rollout[] = [];
  for await (const { event } of rollouts.watchRollout({ rolloutId }, { timeoutMs })) {
    if (event.case === "rollout") seen.push(event.value);
  }
  return seen;
}

/** Waits until the rollout is where the predicate wants it. */
export async function untilRollout(
  { rollouts }: Operator,
  rolloutId: string,
  what: string,
  isThere: (rollout: Rollout) => boolean,
  timeoutMs = 60_000,
): Promise<Rollout> {
  return await until(
    async () => {
      const { rollout } = await rollouts.getRollout({ rolloutId });
      return rollout !== undefined && isThere(rollout) ? rollout : false;
    },
    { timeoutMs, what },
  );
}

/** Waits for the rollout's success. */
export async function untilSucceeded(operator: Operator, rolloutId: string, timeoutMs = 60_000): Promise<Rollout> {
  return await untilRollout(
    operator,
    rolloutId,
    "the rollout's success",
    ({ phase }) => phase === RolloutPhase.SUCCEEDED,
    timeoutMs,
  );
}

/** Hashes that an agent was offered, in order. */
export function offersTo(agent: Fleet["agents"][number]): readonly string[] {
  return agent.events().flatMap((event) => (event.kind === "config-offered" ? [event.hash] : []));
}

type StagesAndTimeout = Pick<
  Exclude<MessageInitShape<typeof StartRolloutRequestSchema>, StartRolloutRequest>,
  "stages" | "applyTimeout"
>;

/** Starts a rollout that neither soaks, bakes nor tries again unless it is told to: most specs are about something else. */
export async function startNow(
  { rollouts }: Pick<Operator, "rollouts">,
  request: Partial<Pick<StartRolloutRequest, "configId" | "revision">> & StagesAndTimeout,
): Promise<StartRolloutResponse> {
  const none = { seconds: 0n, nanos: 0 };
  const everybody = { size: { case: "percent", value: 100 } as const, bake: none };
  const settings = { timing: { soak: none, finalBake: none }, retry: { maxAttempts: 1 } };
  return await rollouts.startRollout({ stages: [everybody], settings, ...request });
}

/** Three stages of 10, 50 and 100 percent, each baking this long. */
export function threeStages(bakeMs: number) {
  const bake = { seconds: BigInt(Math.floor(bakeMs / 1000)), nanos: (bakeMs % 1000) * 1_000_000 };
  return [10, 50, 100].map((percent) => ({ size: { case: "percent", value: percent } as const, bake }));
}
