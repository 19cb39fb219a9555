// Every fact we record about an agent, as one union. Gateways write them, the projector folds them (agent.ts).
//
// Invariants
//   E1. An event is a snapshot of one facet, never a difference: the newest of its kind replaces the others, so
//       events may be merged before they are sent, repeated, and applied in any order.
//   E2. (epoch, n) orders the events of one agent: the store hands out a higher epoch whenever a session opens,
//       n counts within the session.

import type { ConfigHash, GatewayId, InstanceUid } from "./ids.ts";

/** What an attribute may hold. Integers beyond 2^53 are decimal text, bytes are base64 text. */
export type AttributeValue =
  | string
  | number
  | boolean
  | null
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue };

/** Attributes in the agent's order. Pairs, not an object: keys come from outside and may be `__proto__`. */
export type Attributes = readonly (readonly [key: string, value: AttributeValue])[];

/** How an agent reaches its gateway. */
export type Transport = "websocket" | "http";

/** Health of an agent or a part of it. */
export interface Health {
  readonly healthy: boolean;
  readonly status: string;
  readonly lastError: string;
  /** Nanoseconds since 1970 as decimal text; "0" when not running. */
  readonly startTimeUnixNano: string;
  readonly statusTimeUnixNano: string;
  /** Health of the parts, by name. */
  readonly components: readonly (readonly [name: string, health: Health])[];
}

/** What an agent says of a remote config; `unset` with an empty hash is "never received any". */
export type AckState = "unset" | "applied" | "applying" | "failed";

/** Why a session ended. */
export type DisconnectReason = "agent_disconnect" | "closed" | "silent" | "gateway_lost" | "superseded" | "drained";

/** Orders the events of one agent (E2). */
export interface Fence {
  readonly epoch: number;
  readonly n: number;
}

interface Fact extends Fence {
  readonly uid: InstanceUid;
  /** When the gateway saw it, milliseconds since 1970. */
  readonly atMs: number;
}

/** A session opened. */
export interface AgentConnected extends Fact {
  readonly kind: "agent.connected";
  readonly gateway: GatewayId;
  readonly transport: Transport;
  readonly remoteAddress: string;
}
/** A session ended. */
export interface AgentDisconnected extends Fact {
  readonly kind: "agent.disconnected";
  readonly reason: DisconnectReason;
}
/** The agent described itself. */
export interface AgentDescribed extends Fact {
  readonly kind: "agent.described";
  readonly identifying: Attributes;
  readonly nonIdentifying: Attributes;
}
/** The agent's OpAMP capabilities are these, by name. */
export interface AgentCapabilitiesChanged extends Fact {
  readonly kind: "agent.capabilities-changed";
  readonly capabilities: readonly string[];
}
/** The agent's health is this. */
export interface AgentHealthChanged extends Fact {
  readonly kind: "agent.health-changed";
  readonly health: Health;
}
/** The agent said this about a remote config. */
export interface AgentConfigAcknowledged extends Fact {
  readonly kind: "agent.config-acknowledged";
  readonly hash: ConfigHash;
  readonly state: AckState;
  readonly error: string;
}
/** The agent says it runs this; the body is stored apart, under `body`. */
export interface AgentEffectiveConfigReported extends Fact {
  readonly kind: "agent.effective-config-reported";
  /** Address of the sealed body in the agent's partition. */
  readonly body: string;
  readonly sizeBytes: number;
}
/** A gateway sent the agent an offer of this config. */
export interface AgentConfigOffered extends Fact {
  readonly kind: "agent.config-offered";
  readonly hash: ConfigHash;
}

/** Every fact we record about an agent. */
export type AgentEvent =
  | AgentConnected
  | AgentDisconnected
  | AgentDescribed
  | AgentCapabilitiesChanged
  | AgentHealthChanged
  | AgentConfigAcknowledged
  | AgentEffectiveConfigReported
  | AgentConfigOffered;

const EVENT_KINDS: Readonly<Record<AgentEvent["kind"], true>> = {
  "agent.connected": true,
  "agent.disconnected": true,
  "agent.described": true,
  "agent.capabilities-changed": true,
  "agent.health-changed": true,
  "agent.config-acknowledged": true,
  "agent.effective-config-reported": true,
  "agent.config-offered": true,
};

/** Whether this is a kind of event that this version knows; gateways may be newer than who reads them. */
export function isEventKind(kind: unknown): kind is AgentEvent["kind"] {
  return typeof kind === "string" && Object.hasOwn(EVENT_KINDS, kind);
}

/** Whether `a` is newer than `b` (E2); anything is newer than nothing. */
export function isNewer(a: Fence, b: Fence | null): boolean {
  return b === null || a.epoch > b.epoch || (a.epoch === b.epoch && a.n > b.n);
}

/** How many acknowledgements and offers of different hashes are kept while they wait to be written. */
const MAX_DISTINCT_HASHES = 8;

/**
 * Adds an event to those of the same agent that wait to be written, so that what waits stays bounded however
 * long the store is away (E1). Acknowledgements and offers replace only those of the same hash: FAILED(new)
 * followed by APPLIED(old) is a self-rollback, and both must arrive.
 */
export function coalesce(waiting: readonly AgentEvent[], event: AgentEvent): readonly AgentEvent[] {
  const kept = waiting.filter((earlier) => !replaces(event, earlier));
  const merged = [...kept, event];
  const sameKind = merged.filter((e) => e.kind === event.kind);
  const oldest = sameKind[0];
  return sameKind.length > MAX_DISTINCT_HASHES ? merged.filter((e) => e !== oldest) : merged;
}

function replaces(event: AgentEvent, earlier: AgentEvent): boolean {
  if (event.kind !== earlier.kind) return false;
  return "hash" in event && "hash" in earlier ? event.hash === earlier.hash : true;
}
