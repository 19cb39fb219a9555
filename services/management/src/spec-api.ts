// The API for specs: a real server on a real socket over a real Redis, with a real client. Never used in the service.

import { randomBytes } from "node:crypto";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { AgentEvent, GatewayId, InstanceUid, RolloutId } from "@muster/fleet";
import { parseGatewayId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { AgentService } from "@muster/protocol/muster/agents";
import { AuditService } from "@muster/protocol/muster/audit";
import { CalendarService } from "@muster/protocol/muster/calendars";
import { ConfigService } from "@muster/protocol/muster/configs";
import { ConnectionService } from "@muster/protocol/muster/connections";
import { GroupService } from "@muster/protocol/muster/groups";
import { PackageService } from "@muster/protocol/muster/packages";
import { PolicyService } from "@muster/protocol/muster/policies";
import { RolloutService } from "@muster/protocol/muster/rollouts";
import { SecretService } from "@muster/protocol/muster/secrets";
import { createBackground, systemClock } from "@muster/runtime";
import { type Hint, openStore, type Store } from "@muster/store";
import { createLogger, createMetrics } from "@muster/telemetry";
import { startRedis } from "@muster/testkit";
import { openManagement } from "./management.ts";
import { createCallMetrics } from "./metrics.ts";
import { type ApiServer, openServer, type Served } from "./server.ts";

/** A running API and what is behind it. */
export interface SpecApi {
  readonly agents: Client<typeof AgentService>;
  readonly configs: Client<typeof ConfigService>;
  readonly rollouts: Client<typeof RolloutService>;
  readonly connections: Client<typeof ConnectionService>;
  readonly packages: Client<typeof PackageService>;
  readonly calendars: Client<typeof CalendarService>;
  readonly groups: Client<typeof GroupService>;
  readonly policies: Client<typeof PolicyService>;
  readonly audit: Client<typeof AuditService>;
  readonly secrets: Client<typeof SecretService>;
  readonly store: Store;
  readonly server: ApiServer;
  /** Rollouts that a worker was asked to look at. */
  readonly asked: readonly RolloutId[];
  /** Lines of the log, parsed. */
  readonly logged: readonly Readonly<Record<string, unknown>>[];
  /** What a gateway is told to look at from now on; grows as it comes. */
  readHints(gateway: GatewayId): readonly Hint[];
  stop(): Promise<void>;
}

/** Starts everything; `extra` services are served beside the real ones. */
export async function startApi(extra: readonly Served[] = []): Promise<SpecApi> {
  const redis = await startRedis();
  const encryptionKey = randomBytes(32);
  const onError = () => {};
  const store = await openStore({ redisUrl: redis.url, controlUrl: redis.url, partitions: 4, encryptionKey, onError });
  const logged: Record<string, unknown>[] = [];
  const log = createLogger({ service: "spec", level: "debug", write: (line) => logged.push(JSON.parse(line)) });
  const { background, idle } = createBackground(log);
  const asked: RolloutId[] = [];
  const queue = { requestReconcileNow: async (id: RolloutId) => void asked.push(id) };
  const stop = new AbortController();
  const served = await openManagement({ store, queue, clock: systemClock, background, onError }, stop.signal);
  const inboxes: Promise<void>[] = [];
  let count = 0;
  const deps = {
    log,
    metrics: createCallMetrics(createMetrics("spec")),
    nowMs: Date.now,
    newId: () => `made-${++count}`,
  };
  const server = await openServer([...served, ...extra], { host: "127.0.0.1", port: 0, tls: null }, deps);
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${server.port}` });
  return {
    agents: createClient(AgentService, transport),
    configs: createClient(ConfigService, transport),
    rollouts: createClient(RolloutService, transport),
    connections: createClient(ConnectionService, transport),
    packages: createClient(PackageService, transport),
    calendars: createClient(CalendarService, transport),
    groups: createClient(GroupService, transport),
    policies: createClient(PolicyService, transport),
    audit: createClient(AuditService, transport),
    secrets: createClient(SecretService, transport),
    store,
    server,
    asked,
    logged,
    readHints(gateway) {
      const hints: Hint[] = [];
      const onHint = (hint: Hint) => void hints.push(hint);
      inboxes.push(store.gateways.readInbox(gateway, onHint, () => {}, stop.signal));
      return hints;
    },
    async stop() {
      stop.abort();
      await Promise.all(inboxes);
      await server.drain(1_000);
      await idle();
      store.close();
      await redis.stop();
    },
  };
}

/** The error that a call fails with; fails when it does not. */
export async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call succeeded");
}

/** Waits for the next message of a stream that `pick` makes something of; others are skipped. */
export async function next<Message, Picked>(
  stream: AsyncIterator<Message>,
  pick: (message: Message) => Picked | undefined,
): Promise<Picked> {
  for (;;) {
    const { done, value } = await stream.next();
    if (done) throw new ConnectError("the stream ended", Code.OutOfRange);
    const picked = pick(value);
    if (picked !== undefined) return picked;
  }
}

/** Traits of an agent that is stored for a spec. */
export interface StoredTraits {
  readonly capabilities?: readonly string[];
  readonly customCapabilities?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly healthy?: boolean;
  readonly connected?: boolean;
  /** Orders what is said of one agent; a later call needs a higher one. Default 1. */
  readonly epoch?: number;
}

/** Stores the n-th agent, or what is new of it. */
export async function storeAgent(store: Store, n: number, traits: StoredTraits = {}): Promise<InstanceUid> {
  const { labels, healthy, connected = true, epoch = 1, capabilities, customCapabilities } = traits;
  const uid = aUid(n);
  const fact = { uid, epoch, atMs: 1_000 * epoch };
  const events: AgentEvent[] = [
    connected
      ? {
          ...fact,
          n: 1,
          kind: "agent.connected",
          gateway: parseGatewayId("gw"),
          transport: "websocket",
          remoteAddress: "10.0.0.1",
        }
      : { ...fact, n: 1, kind: "agent.disconnected", reason: "closed" },
  ];
  if (labels !== undefined) {
    const nonIdentifying = Object.entries(labels);
    events.push({ ...fact, n: 2, kind: "agent.described", identifying: [["service.name", "otelcol"]], nonIdentifying });
  }
  if (healthy !== undefined) {
    const health = {
      healthy,
      status: "",
      lastError: "",
      startTimeUnixNano: "0",
      statusTimeUnixNano: "0",
      components: [],
    };
    events.push({ ...fact, n: 3, kind: "agent.health-changed", health });
  }
  if (capabilities !== undefined) events.push({ ...fact, n: 4, kind: "agent.capabilities-changed", capabilities });
  if (customCapabilities !== undefined) {
    events.push({ ...fact, n: 5, kind: "agent.custom-capabilities-changed", capabilities: customCapabilities });
  }
  await store.agents.project(uid, events);
  return uid;
}
