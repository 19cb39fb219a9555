// The parts of a gateway, each given what it needs of the store, the clock and the other parts. Called by gateway.ts.

import { readFileSync } from "node:fs";
import { FleetError, type GatewayId, type InstanceUid, parseInstanceUid } from "@muster/fleet";
import type { Store } from "@muster/store";
import { LRUCache } from "lru-cache";
import { v7 } from "uuid";
import { type Authority, openAuthority } from "./authority.ts";
import { createBucket } from "./bucket.ts";
import { type Claims, createClaims } from "./claim.ts";
import { createDoor, type Door } from "./door.ts";
import type { GatewayDeps } from "./gateway.ts";
import { createHub, type Hub, type HubDeps } from "./hub.ts";
import { componentNames } from "./inventory.ts";
import type { Counts } from "./metrics.ts";
import { createOffers } from "./offers.ts";
import { createOutbox, type Outbox } from "./outbox.ts";
import { createOwnMetrics, type OwnMetrics } from "./own-metrics.ts";
import { createPresence, type Presence } from "./presence.ts";
import type { Replies } from "./replies.ts";
import { parseWanted } from "./settings.ts";
import type { Connection } from "./socket.ts";
import { createVoice } from "./voice.ts";

/** Files that a process needs beside its sockets. */
const RESERVED_FILES = 256;
/** Custom messages and parts that are not understood, which agents may send without end, are kept at this pace and no faster. */
const LOOSE_BYTES_PER_SECOND = 512 * 1024;
const LOOSE_BURST_SECONDS = 32;
/** For how long a gateway trusts that an inventory is there which it saw. */
const INVENTORY_MS = 10 * 60_000;

export function openClaims({ store, clock, onError }: GatewayDeps, self: GatewayId, counts: Counts): Claims {
  return createClaims({
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
}

interface HubParts {
  readonly self: GatewayId;
  readonly counts: Counts;
  readonly claims: Claims;
  readonly outbox: Outbox;
  readonly replies: Replies;
  readonly authority: Authority | null;
  readonly inventories: Inventories;
  /** How many gateways there are to share what the fleet may be asked for. */
  readonly share: { liveCount: number };
}

export function openHub(deps: GatewayDeps, parts: HubParts): Hub {
  const { self, counts, claims, outbox, replies, authority, inventories, share } = parts;
  const { config, store, clock, background, onError } = deps;
  const { nowMs } = clock;
  const freshUid = (): InstanceUid => parseInstanceUid(v7());
  const offers = createOffers({ loadRevision: store.configs.revision, openSecret: store.secrets.open });
  const { maxMessageBytes, isStrict } = config;
  const voice = createVoice({ replies, offers, counts, maxMessageBytes, freshUid, background, onError });
  return createHub({
    self,
    claims,
    outbox,
    voice,
    counts,
    isStrict,
    freshUid,
    nowMs,
    background,
    onError,
    delay: (ms) => clock.delay(ms, new AbortController().signal),
    loadWanted: wantedLoader(store),
    loadDesired: store.desired.load,
    takeAction: store.actions.take,
    moveWanted: store.settings.move,
    inventories,
    rename: (from, identity) => store.sessions.rename(from, freshUid(), identity),
    async certify(uid, csr, authorization) {
      if (authority === null) return { kind: "refused", sentence: "This server signs no certificates." };
      const wanted = (await store.settings.load(uid)).connection;
      return await authority.certify({ uid, csr, connection: wanted?.body ?? null, authorization });
    },
    mayKeep: createBucket(LOOSE_BYTES_PER_SECOND, LOOSE_BURST_SECONDS, nowMs),
    mayAskFullState: createBudget(config.fullStatePerSecond, share, nowMs, () => counts.fullStateRequests),
  });
}

function wantedLoader({ settings }: Store): HubDeps["loadWanted"] {
  return async (uid) => parseWanted(await settings.load(uid));
}

/** Inventories that a gateway looks up, and knows for a while. */
type Inventories = HubDeps["inventories"] & { forget(): void };

/** What a gateway saw to be there it need not ask for a while, whoever connects with it. */
export function rememberInventories({ inventories }: Store): Inventories {
  const known = new LRUCache<string, true>({ max: 10_000, ttl: INVENTORY_MS });
  return {
    forget: () => known.clear(),
    async has(address) {
      if (known.has(address)) return true;
      const isThere = await inventories.has(address);
      if (isThere) known.set(address, true);
      return isThere;
    },
    put: (address, inventory) => inventories.put(address, inventory, componentNames(inventory)),
  };
}

export async function openConfiguredAuthority({ config, clock }: GatewayDeps): Promise<Authority | null> {
  const { caCertFile, caKeyFile, publicEndpoint, certificateDays } = config;
  if (caCertFile === undefined && caKeyFile === undefined) return null;
  if (caCertFile === undefined || caKeyFile === undefined || publicEndpoint === undefined) {
    const message = "A CA needs MUSTER_GATEWAY_CA_CERT_FILE, _CA_KEY_FILE and _PUBLIC_ENDPOINT; set all three or none.";
    throw new FleetError("invalid", message);
  }
  return await openAuthority({
    certificateFile: caCertFile,
    keyFile: caKeyFile,
    endpoint: publicEndpoint,
    lifetimeDays: certificateDays,
    nowMs: clock.nowMs,
  });
}

interface DoorParts {
  readonly counts: Counts;
  readonly connections: ReadonlySet<Connection>;
  retryAfterS(): number;
}

export function openDoor({ config, store, clock }: GatewayDeps, { counts, connections, retryAfterS }: DoorParts): Door {
  return createDoor({
    tokens: new Map(config.tokens.map((entry) => [entry.slice(-64), entry.slice(0, -65)])),
    upgradesPerSecond: config.upgradesPerSecond,
    maxConnections: config.maxConnections || openFilesLimit() - RESERVED_FILES,
    openConnections: () => connections.size,
    isReady: store.isReady,
    nowMs: clock.nowMs,
    retryAfterS,
    onRefused: () => {
      counts.refusals += 1;
    },
  });
}

/** Beyond it the system refuses sockets without a word to those who wait. Unlimited where the system does not say. */
function openFilesLimit(): number {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

export function openOwnMetrics(
  { store, clock, onError }: GatewayDeps,
  counts: Counts,
  retryAfterS: () => number,
): OwnMetrics {
  return createOwnMetrics({ usages: store.usages, counts, nowMs: clock.nowMs, retryAfterS, onError });
}

interface PresenceParts extends Pick<HubParts, "self" | "claims" | "outbox" | "share" | "inventories"> {
  readonly hub: Hub;
  readonly info: string;
  readonly ownMetrics: OwnMetrics;
}

export function openPresence(
  deps: GatewayDeps,
  { self, hub, outbox, claims, info, share, inventories, ownMetrics }: PresenceParts,
): Presence {
  const { store, clock, background, onError, config } = deps;
  return createPresence({
    self,
    hub,
    info,
    background,
    onError,
    gateways: store.gateways,
    loadDesired: store.desired.load,
    loadWanted: wantedLoader(store),
    flushAgent: outbox.flushAgent,
    handedOver: claims.handedOver,
    pinging: claims.pinging,
    reclaim: async (uid) => (await store.sessions.open(uid, self, 0, null, hub.entries.get(uid)?.identity)).epoch,
    onLost() {
      inventories.forget();
      ownMetrics.forget();
    },
    onShared: (liveCount) => {
      share.liveCount = liveCount;
    },
    nowMs: clock.nowMs,
    delay: clock.delay,
    resyncMs: config.resyncMs,
  });
}

/** The hub is asked for late: it needs the outbox, and the outbox tells it of lost sessions. */
export function openOutbox({ store, onError }: GatewayDeps, counts: Counts, hub: () => Hub): Outbox {
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
      if (what === "unknown") hub().feed(uid, { kind: "lost" });
      else hub().letGo(uid, epoch);
    },
  });
}

/** A budget per second, shared by all gateways: whether one more may be asked for its full state. `spent` counts all that were. */
function createBudget(
  perSecond: number,
  share: { readonly liveCount: number },
  nowMs: () => number,
  spent: () => number,
): () => boolean {
  let second = 0;
  let spentBefore = 0;
  return () => {
    const now = Math.floor(nowMs() / 1_000);
    if (now !== second) {
      second = now;
      spentBefore = spent();
    }
    return spent() - spentBefore < Math.max(1, perSecond / share.liveCount);
  };
}
