// A gateway, wired: sockets → intake → hub → outbox, with the store behind and presence beside. main.ts opens it.

import { randomBytes } from "node:crypto";
import { type GatewayId, type InstanceUid, parseGatewayId } from "@muster/fleet";
import type { Clock, RunInBackground } from "@muster/runtime";
import type { Store } from "@muster/store";
import type { Metrics } from "@muster/telemetry";
import { type Claims, createClaims } from "./claim.ts";
import type { Config } from "./config.ts";
import { drain } from "./drain.ts";
import { createHub, type Hub } from "./hub.ts";
import { createIntake, type Intake } from "./intake.ts";
import { type Counts, createCounts, observeGateway } from "./metrics.ts";
import { createOffers } from "./offers.ts";
import { createOutbox, type Outbox } from "./outbox.ts";
import { createPresence, type Presence } from "./presence.ts";
import { type Connection, openSockets, type SocketHandlers } from "./socket.ts";

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
/** After a flush that failed: the store is away, and asking in every tick would not bring it back. */
const FLUSH_RETRY_MS = 250;

/** Opens a gateway; it serves until it is drained. */
export async function openGateway(deps: GatewayDeps): Promise<Gateway> {
  const { config, store, clock, background, onError } = deps;
  // Beyond the process's own signal: hints are heard and changes written until the last socket is closed.
  const living = new AbortController();
  const self = parseGatewayId(`${config.name}-${randomBytes(3).toString("hex")}`);
  const counts = createCounts();
  const connections = new Set<Connection>();
  const retryAfterMs = (): number => RETRY_AFTER_MS * (1 + clock.random());
  const outbox = openOutbox(deps, counts, () => hub);
  const claims = createClaims({
    self,
    open: store.sessions.open,
    readLeft: store.sessions.readLeft,
    isAlive: store.gateways.isAlive,
    hint: store.gateways.hint,
    nowMs: clock.nowMs,
    onError,
    onHandOver: () => {
      counts.handOvers += 1;
    },
  });
  const hub: Hub = createHub({
    self,
    claims,
    outbox,
    counts,
    background,
    onError,
    offers: createOffers({ loadRevision: store.configs.revision }),
    nowMs: clock.nowMs,
    mayAskFullState: createBudget(config.fullStatePerSecond, clock.nowMs, () => counts.fullStateRequests),
  });
  const { maxMessageBytes } = config;
  const addressOf = store.bodies.addressOf;
  const intake = createIntake({ hub, counts, maxMessageBytes, addressOf, nowMs: clock.nowMs, retryAfterMs });
  const handlers = socketHandlers({ intake, hub, counts, connections, isReady: store.isReady, retryAfterMs });
  const sockets = await openSockets(config, handlers);
  const info = JSON.stringify({ name: config.name, port: sockets.port, startedAtMs: clock.nowMs() });
  const presence = openPresence(deps, { self, hub, outbox, claims, info });
  const gauges = { sessions: () => hub.entries.size, sockets: () => connections.size, waiting: () => outbox.size };
  observeGateway(deps.metrics, counts, gauges);
  background("presence", presence.run(living.signal));
  background("flush", flushLoop(outbox, config.flushMs, clock, living.signal));
  background("silence", silenceLoop(hub, config.httpSilenceMs, clock, living.signal));
  return {
    port: sockets.port,
    async drain(spreadMs) {
      const pause = (ms: number): Promise<void> => clock.delay(ms, new AbortController().signal);
      const { flushAll } = outbox;
      await drain({
        hub,
        connections,
        flushAll,
        stopListening: sockets.stopListening,
        pause,
        random: clock.random,
        spreadMs,
      });
      living.abort();
      await store.gateways.leave(self).catch(onError);
      sockets.close();
    },
  };
}

interface Parts {
  readonly self: GatewayId;
  readonly hub: Hub;
  readonly outbox: Outbox;
  readonly claims: Claims;
  readonly info: string;
}

function openPresence({ store, clock, background, onError, config }: GatewayDeps, parts: Parts): Presence {
  const { self, hub, outbox, claims, info } = parts;
  return createPresence({
    self,
    hub,
    info,
    background,
    onError,
    gateways: store.gateways,
    loadDesired: store.desired.load,
    flushAgent: outbox.flushAgent,
    handedOver: claims.handedOver,
    delay: clock.delay,
    resyncMs: config.resyncMs,
  });
}

/** The hub is asked for late: it needs the outbox, and the outbox tells it of lost sessions. */
function openOutbox({ store, onError }: GatewayDeps, counts: Counts, hub: () => Hub): Outbox {
  return createOutbox({
    partitionOf: store.sessions.partitionOf,
    flush: store.sessions.flush,
    putBody: store.bodies.put,
    onFlushed: (count) => {
      counts.agentsFlushed += count;
    },
    onError: (error) => {
      counts.storeErrors += 1;
      onError(error);
    },
    onLost: (uid: InstanceUid, epoch, what) => {
      if (what === "unknown") hub().reopen(uid);
      else hub().letGo(uid, epoch);
    },
  });
}

interface HandlerDeps {
  readonly intake: Intake;
  readonly hub: Hub;
  readonly counts: Counts;
  readonly connections: Set<Connection>;
  isReady(): boolean;
  retryAfterMs(): number;
}

function socketHandlers(deps: HandlerDeps): SocketHandlers {
  const { intake, hub, counts, connections } = deps;
  return {
    opened(connection) {
      counts.websocketConnections += 1;
      connections.add(connection);
    },
    closed(connection) {
      connections.delete(connection);
      hub.connectionClosed(connection);
    },
    // Without its store a gateway cannot take anybody over; those it has it keeps.
    refusalS: () => (deps.isReady() ? null : Math.ceil(deps.retryAfterMs() / 1_000)),
    message: (connection, frame) => intake.frame(connection, frame),
    text: (connection) => intake.text(connection),
    oversized: (connection) => intake.oversized(connection),
    post: (exchange, body) => intake.post(exchange, body),
  };
}

/** A budget per second: whether one more may be asked for its full state. `spent` counts all that were. */
function createBudget(perSecond: number, nowMs: () => number, spent: () => number): () => boolean {
  let second = 0;
  let spentBefore = 0;
  return () => {
    const now = Math.floor(nowMs() / 1_000);
    if (now !== second) {
      second = now;
      spentBefore = spent();
    }
    return spent() - spentBefore < perSecond;
  };
}

async function flushLoop(outbox: Outbox, flushMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const isWritten = outbox.size === 0 || (await outbox.flushAll());
    await clock.delay(isWritten ? flushMs : FLUSH_RETRY_MS, signal);
  }
}

async function silenceLoop(hub: Hub, silenceMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.delay(SILENCE_CHECK_MS, signal);
    const limitMs = clock.nowMs() - silenceMs;
    for (const entry of [...hub.entries.values()]) {
      if (entry.connection === null && entry.lastSeenAtMs < limitMs) hub.end(entry.uid, "silent");
    }
  }
}
