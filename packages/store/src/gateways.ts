// Gateways as the others see them: who lives (leases), what they should look at (inboxes), and whether the fleet
// state is still the one they know (incarnation).
//
// A hint carries ids, never the change: losing one delays, repeating one changes nothing.

import { randomUUID } from "node:crypto";
import { type GatewayId, type InstanceUid, parseGatewayId, type Transport } from "@muster/fleet";
import type { Redis } from "ioredis";
import { fleetKeys } from "./keys.ts";
import { closeRedis, type OnRedisError, openPatient, pause } from "./redis.ts";

/** How long a gateway counts as alive after it last said so. */
export const LEASE_MS = 10_000;
const INBOX_LENGTH = 10_000;
const INBOX_TTL_S = 600;
const READ_BLOCK_MS = 5_000;
const READ_COUNT = 256;
const READ_RETRY_MS = 1_000;

/** What a gateway is asked to look at. */
export type Hint =
  /** Desired configs of these agents may have changed. */
  | { readonly kind: "desired"; readonly uids: readonly InstanceUid[] }
  /** Another gateway took this agent over and needs what this one knows. */
  | {
      readonly kind: "hand-over";
      readonly uid: InstanceUid;
      readonly epoch: number;
      readonly to: GatewayId;
      /** How the agent reached the one that asks; older gateways do not say. */
      readonly transport?: Transport;
    }
  /** The agent that was asked for is pinged before it is handed over. */
  | { readonly kind: "pinging"; readonly uid: InstanceUid }
  /** Another gateway took this agent over and needs nothing. */
  | { readonly kind: "superseded"; readonly uid: InstanceUid; readonly epoch: number }
  /** The agent that was asked for was handed over. */
  | {
      readonly kind: "handed-over";
      readonly uid: InstanceUid;
      /** Whether its connection answered still: two agents with one uid, then. Older gateways do not say. */
      readonly isAlive?: boolean;
    }
  /** Something waits that this agent is to be asked once. */
  | { readonly kind: "actions"; readonly uid: InstanceUid }
  /** Connection settings or packages of this agent may have changed. */
  | { readonly kind: "settings"; readonly uid: InstanceUid };

/** When the present fleet state began, and what tells it from others. */
export interface Incarnation {
  readonly id: string;
  readonly sinceMs: number;
}

/** What a renewal found. */
export interface Renewal {
  readonly incarnation: Incarnation;
  /** There was no lease to renew: for a while others took the gateway for dead, unless it is new. */
  readonly hadLapsed: boolean;
  /** How many gateways live now, this one included: its share of what the fleet may do at once. */
  readonly liveCount: number;
}

/** Leases, inboxes and the incarnation. */
export interface Gateways {
  /** Says that a gateway lives, for LEASE_MS. Creates the incarnation when there is none. */
  renew(id: GatewayId, info: string): Promise<Renewal>;
  /** Gives the lease up. */
  leave(id: GatewayId): Promise<void>;
  isAlive(id: GatewayId): Promise<boolean>;
  /** All gateways that are remembered, with whether they live and when they last renewed. */
  list(): Promise<readonly { readonly id: GatewayId; readonly isAlive: boolean; readonly renewedAtMs: number }[]>;
  forget(id: GatewayId): Promise<void>;
  incarnation(): Promise<Incarnation>;
  hint(to: GatewayId, hint: Hint): Promise<void>;
  /**
   * Reads a gateway's inbox until the signal aborts. `onGap` is called first, and again whenever hints may have
   * been lost: the caller then looks at everything it holds.
   */
  readInbox(id: GatewayId, onHint: (hint: Hint) => void, onGap: () => void, signal: AbortSignal): Promise<void>;
}

/** Inboxes are read over connections of their own to `url`, whose trouble `onError` is told; they end with their signal. */
export function createGateways(fleet: Redis, url: string, onError: OnRedisError): Gateways {
  async function incarnation(): Promise<Incarnation> {
    const fresh = `${Date.now()}-${randomUUID()}`;
    const [, id] = await Promise.all([fleet.set(fleetKeys.incarnation, fresh, "NX"), fleet.get(fleetKeys.incarnation)]);
    return { id: id ?? fresh, sinceMs: Number((id ?? fresh).split("-")[0]) };
  }
  return {
    incarnation,
    async renew(id, info) {
      const nowMs = Date.now();
      const [known, before, , liveCount] = await Promise.all([
        incarnation(),
        fleet.set(fleetKeys.gateway(id), info, "PX", LEASE_MS, "GET"),
        fleet.zadd(fleetKeys.gateways, String(nowMs), id),
        fleet.zcount(fleetKeys.gateways, nowMs - LEASE_MS, "+inf"),
      ]);
      return { incarnation: known, hadLapsed: before === null, liveCount: Math.max(1, liveCount) };
    },
    async leave(id) {
      await fleet.del(fleetKeys.gateway(id));
    },
    async isAlive(id) {
      return (await fleet.exists(fleetKeys.gateway(id))) === 1;
    },
    async list() {
      const flat = await fleet.zrange(fleetKeys.gateways, 0, "-1", "WITHSCORES");
      const ids = flat.filter((_, i) => i % 2 === 0);
      const alive = await Promise.all(ids.map((id) => fleet.exists(fleetKeys.gateway(id))));
      return ids.map((id, i) => ({
        id: parseGatewayId(id),
        isAlive: alive[i] === 1,
        renewedAtMs: Number(flat[2 * i + 1]),
      }));
    },
    async forget(id) {
      await fleet.zrem(fleetKeys.gateways, id);
    },
    async hint(to, hint) {
      const inbox = fleetKeys.inbox(to);
      await Promise.all([
        fleet.xadd(inbox, "MAXLEN", "~", INBOX_LENGTH, "*", "h", JSON.stringify(hint)),
        fleet.expire(inbox, INBOX_TTL_S),
      ]);
    },
    async readInbox(id, onHint, onGap, signal) {
      const reader = openPatient(url, onError);
      const stop = (): void => closeRedis(reader);
      signal.addEventListener("abort", stop, { once: true });
      const onTrouble = (error: Error): void => {
        onError(error);
        onGap();
      };
      // Whatever was said while the connection was away is unknown.
      reader.on("ready", onGap);
      try {
        await readHints(reader, fleetKeys.inbox(id), (text) => takeHint(text, onHint, onError), onTrouble, signal);
      } finally {
        closeRedis(reader);
      }
    },
  };
}

async function readHints(
  reader: Redis,
  inbox: string,
  onText: (text: string) => void,
  onTrouble: (error: Error) => void,
  signal: AbortSignal,
): Promise<void> {
  let position = "0";
  while (!signal.aborted) {
    const reply = await reader
      .xread("COUNT", READ_COUNT, "BLOCK", READ_BLOCK_MS, "STREAMS", inbox, position)
      .catch(async (error) => {
        if (signal.aborted) return null;
        // A server that fails over or is busy refuses for a while; a gateway that stopped listening would be deaf for good.
        onTrouble(error);
        await pause(READ_RETRY_MS, signal);
        return null;
      });
    for (const [entryId, [, text = "{}"]] of reply?.[0]?.[1] ?? []) {
      position = entryId;
      onText(text);
    }
  }
}

/** A hint that cannot be read must not stop those after it. */
function takeHint(text: string, onHint: (hint: Hint) => void, onError: OnRedisError): void {
  let hint: Hint;
  try {
    hint = JSON.parse(text) as Hint; // written by hint()
  } catch (error) {
    return onError(new Error(`a hint cannot be read: ${text.slice(0, 100)}`, { cause: error }));
  }
  onHint(hint);
}
