// A gateway: sockets → intake → hub → outbox, with the store behind and presence beside. The parts are given what they
// need in wiring.ts. main.ts opens it.

import { randomBytes } from "node:crypto";
import { parseGatewayId } from "@muster/fleet";
import type { Clock, RunInBackground } from "@muster/runtime";
import type { Store } from "@muster/store";
import type { Metrics } from "@muster/telemetry";
import type { Config } from "./config.ts";
import type { Door } from "./door.ts";
import { drain } from "./drain.ts";
import type { Entry } from "./entry.ts";
import { flushLoop } from "./flush-loop.ts";
import type { Hub } from "./hub.ts";
import { createIntake, type Intake } from "./intake.ts";
import { type Counts, createCounts, observeGateway } from "./metrics.ts";
import type { OwnMetrics } from "./own-metrics.ts";
import { createReplies } from "./replies.ts";
import { type Connection, openSockets, type PostRoute, type SocketHandlers } from "./socket.ts";
import {
  openClaims,
  openConfiguredAuthority,
  openDoor,
  openHub,
  openOutbox,
  openOwnMetrics,
  openPresence,
  rememberInventories,
} from "./wiring.ts";

/** What a gateway needs of its process. */
export interface GatewayDeps {
  readonly config: Config;
  readonly store: Store;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly background: RunInBackground;
  onError(error: unknown): void;
}

/** A running gateway. */
export interface Gateway {
  readonly port: number;
  /** Leaves: see drain.ts. */
  drain(spreadMs: number): Promise<void>;
}

/** The least a client that is turned away is told to wait; jitter doubles it at most (R60). */
const RETRY_AFTER_MS = 30_000;
/** How often polling agents are looked over for silence. */
const SILENCE_CHECK_MS = 5_000;
/** Opens a gateway; it serves until it is drained. @throws FleetError `invalid` when its CA cannot be used */
export async function openGateway(deps: GatewayDeps): Promise<Gateway> {
  const { config, store, clock, background, onError } = deps;
  // Beyond the process's own signal: hints are heard and changes written until the last socket is closed.
  const living = new AbortController();
  const self = parseGatewayId(`${config.name}-${randomBytes(3).toString("hex")}`);
  const counts = createCounts();
  const connections = new Set<Connection>();
  const retryAfterMs = (): number => RETRY_AFTER_MS * (1 + clock.random());
  const retryAfterS = (): number => Math.ceil(retryAfterMs() / 1_000);
  const authority = await openConfiguredAuthority(deps);
  const { customCapabilities, maxMessageBytes } = config;
  const replies = createReplies({ signsCertificates: authority !== null, customCapabilities });
  const outbox = openOutbox(deps, counts, () => hub);
  const share = { liveCount: 1 };
  const claims = openClaims(deps, self, counts);
  const inventories = rememberInventories(store);
  const hub: Hub = openHub(deps, { self, counts, claims, outbox, replies, authority, inventories, share });
  const addresses = {
    ofContent: store.bodies.addressOf,
    ofInventory: store.inventories.addressOf,
  };
  const { nowMs } = clock;
  const intake = createIntake({ hub, counts, maxMessageBytes, replies, addresses, nowMs, retryAfterMs, onError });
  const door = openDoor(deps, { counts, connections, retryAfterS });
  const ownMetrics = openOwnMetrics(deps, counts, retryAfterS);
  const { path } = config;
  const handlers = socketHandlers({ intake, hub, counts, connections, door, retryAfterS, ownMetrics, path });
  // Whoever takes an agent over must be known to live, or the agent is taken for lost with it (reap.ts of the projector). Where
  // this fails, Redis is away: nobody is taken over until it is back, and presence renews the lease first.
  await store.gateways.renew(self, JSON.stringify({ name: config.name })).catch(onError);
  const sockets = await openSockets(config, handlers);
  const info = JSON.stringify({ name: config.name, port: sockets.port, startedAtMs: clock.nowMs() });
  const presence = openPresence(deps, { self, hub, claims, outbox, info, share, inventories, ownMetrics });
  const gauges = { sessions: () => hub.entries.size, sockets: () => connections.size, waiting: () => outbox.size };
  observeGateway(deps.metrics, counts, gauges);
  background("presence", presence.run(living.signal));
  background("flush", flushLoop({ outbox, presence, flushMs: config.flushMs, clock }, living.signal));
  background("silence", silenceLoop(hub, config.httpSilenceMs, clock, living.signal));
  const pause = (ms: number): Promise<void> => clock.delay(ms, new AbortController().signal);
  return {
    port: sockets.port,
    async drain(spreadMs) {
      const { stopListening, endPosts } = sockets;
      const { flushAll } = outbox;
      await drain({ hub, connections, flushAll, stopListening, endPosts, pause, random: clock.random, spreadMs });
      living.abort();
      await store.gateways.leave(self).catch(onError);
      sockets.close();
    },
  };
}

interface HandlerDeps {
  readonly intake: Intake;
  readonly hub: Hub;
  readonly counts: Counts;
  readonly connections: Set<Connection>;
  readonly door: Door;
  readonly ownMetrics: OwnMetrics;
  /** Of OpAMP. */
  readonly path: string;
  retryAfterS(): number;
}

function socketHandlers(deps: HandlerDeps): SocketHandlers {
  const { intake, hub, counts, connections, ownMetrics, path } = deps;
  const opamp: PostRoute = {
    path,
    post: (exchange, body) => intake.post(exchange, body),
    unreadable: (exchange) => intake.unreadable(exchange),
  };
  return {
    routes: [opamp, ownMetrics],
    opened(connection) {
      counts.websocketConnections += 1;
      connections.add(connection);
    },
    closed(connection) {
      connections.delete(connection);
      hub.connectionClosed(connection);
    },
    admit: deps.door,
    overloadedS: deps.retryAfterS,
    message: (connection, frame) => intake.frame(connection, frame),
    text: (connection) => intake.text(connection),
    oversized: (connection) => intake.oversized(connection),
  };
}

/** Three polls and some slack; an agent that was offered a longer interval keeps to that (R138). */
function patienceMs({ session }: Entry, silenceMs: number): number {
  const offeredMs = session.kind === "active" ? (session.wanted.connection?.heartbeatMs ?? 0) : 0;
  return Math.max(silenceMs, 3.5 * offeredMs);
}

async function silenceLoop(hub: Hub, silenceMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.delay(SILENCE_CHECK_MS, signal);
    const nowMs = clock.nowMs();
    for (const entry of hub.entries.values()) {
      const isPolling = entry.connection === null;
      // An entry that ends leaves the map, which the loop does not mind.
      if (isPolling && nowMs - entry.lastSeenAtMs > patienceMs(entry, silenceMs)) hub.end(entry.uid, "silent");
    }
  }
}
