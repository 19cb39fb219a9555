// Every fact we record about an agent, as one union. Gateways write them, the projector folds them (agent.ts).
//
// Invariants
//   E1. An event is a snapshot of one facet, never a difference: the newest of its kind replaces the others, so
//       events may be merged before they are sent, repeated, and applied in any order.
//   E2. (epoch, n) orders the events of one agent: the store hands out a higher epoch whenever a session opens,
//       n counts within the session. What has no session has epoch 0: then n is when the store took it, in
//       milliseconds by the store's clock, as gateways' clocks differ.

import type { ConfigHash, GatewayId, InstanceUid } from "./ids.ts";
import type { OwnUsage } from "./own-metrics.ts";

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
  /** Absent when there are none, as nearly always. */
  readonly attributes?: Attributes;
}

/** What an agent does with a package; `unknown` is a word that this version does not have. */
export type PackageState =
  | "installed"
  | "install_pending"
  | "installing"
  | "install_failed"
  | "downloading"
  | "unknown";

/** How one package fares at an agent. Hashes are lower-case hexadecimal. */
export interface PackageReport {
  readonly name: string;
  readonly agentVersion: string;
  readonly agentHash: string;
  readonly offeredVersion: string;
  readonly offeredHash: string;
  readonly state: PackageState;
  readonly error: string;
  /** null when the agent does not say, or says no number. */
  readonly downloadPercent: number | null;
  readonly downloadBytesPerSecond: number | null;
}

/** What is offered to an agent beside its config. */
export type SettingsKind = "connection" | "packages";

/** What an agent can be asked once. */
export type ActionKind = "restart" | "refresh" | "custom_message";

/** What an agent says of a remote config; `unset` with an empty hash is "never received any". */
export type AckState = "unset" | "applied" | "applying" | "failed";

/** Why a session ended. */
export type DisconnectReason =
  | "agent_disconnect"
  | "closed"
  | "silent"
  | "gateway_lost"
  | "superseded"
  | "drained"
  | "renamed";

/** Orders the events of one agent (E2). */
export interface Fence {
  readonly epoch: number;
  readonly n: number;
}

interface Fact extends Fence {
  readonly uid: InstanceUid;
  /** When the gateway saw it, or, where there is no session, the store took it; milliseconds since 1970. */
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
  /** Which try of this hash it is, where a rollout tries again; absent: the first. */
  readonly tries?: number;
}

/** The agent says this of its packages. */
export interface AgentPackagesReported extends Fact {
  readonly kind: "agent.packages-reported";
  readonly packages: readonly PackageReport[];
  /** Hash of the whole offer that it last received, lower-case hexadecimal. */
  readonly allHash: string;
  readonly error: string;
}
/** The agent said this about offered connection settings. */
export interface AgentConnectionSettingsAcknowledged extends Fact {
  readonly kind: "agent.connection-settings-acknowledged";
  /** Which offer, lower-case hexadecimal. */
  readonly settings: string;
  readonly state: AckState;
  readonly error: string;
}
/** The agent takes custom messages of these capabilities, and no others. */
export interface AgentCustomCapabilitiesChanged extends Fact {
  readonly kind: "agent.custom-capabilities-changed";
  readonly capabilities: readonly string[];
}
/** The agent sent a custom message; its content is stored apart, under `body`. */
export interface AgentCustomMessageReceived extends Fact {
  readonly kind: "agent.custom-message-received";
  readonly capability: string;
  readonly type: string;
  /** null when it was too large to keep. */
  readonly body: string | null;
  readonly sizeBytes: number;
}
/** The agent can run these components; the inventory is stored apart, once for all that have it, under `address`. */
export interface AgentComponentsReported extends Fact {
  readonly kind: "agent.components-reported";
  /** The agent's own hash, lower-case hexadecimal. */
  readonly inventory: string;
  readonly address: string;
}
/** A part of a report has fields or values that this version does not know; the part is stored whole under `body`. */
export interface AgentUnrecognizedReported extends Fact {
  readonly kind: "agent.unrecognized-reported";
  /** The field of AgentToServer, or `message` for unknown fields of AgentToServer itself. */
  readonly part: string;
  /** null: nothing unknown is in it any more. */
  readonly body: string | null;
}
/** A gateway sent the agent connection settings or packages. */
export interface AgentSettingsOffered extends Fact {
  readonly kind: "agent.settings-offered";
  readonly of: SettingsKind;
  /** What was sent, lower-case hexadecimal. */
  readonly settings: string;
}
/** A gateway sent the agent something that it is asked once. */
export interface AgentActionSent extends Fact {
  readonly kind: "agent.action-sent";
  readonly actionId: string;
  readonly action: ActionKind;
}
/** The agent goes on under this uid; it was `from` before, and what is known of that uid is known of it. */
export interface AgentRenamed extends Fact {
  readonly kind: "agent.renamed";
  readonly from: InstanceUid;
}

/** Operators say something else of the agent: a hint to look it up again, which carries nothing itself. */
export interface AgentMetadataChanged extends Fact {
  readonly kind: "agent.metadata-changed";
}

/** The agent's own metrics say that it takes this. They come by a way of their own, with or without a session. */
export interface AgentUsageMeasured extends Fact {
  readonly kind: "agent.usage-measured";
  readonly usage: OwnUsage;
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
  | AgentConfigOffered
  | AgentPackagesReported
  | AgentConnectionSettingsAcknowledged
  | AgentCustomCapabilitiesChanged
  | AgentCustomMessageReceived
  | AgentComponentsReported
  | AgentUnrecognizedReported
  | AgentSettingsOffered
  | AgentActionSent
  | AgentRenamed
  | AgentMetadataChanged
  | AgentUsageMeasured;

const EVENT_KINDS: Readonly<Record<AgentEvent["kind"], true>> = {
  "agent.connected": true,
  "agent.disconnected": true,
  "agent.described": true,
  "agent.capabilities-changed": true,
  "agent.health-changed": true,
  "agent.config-acknowledged": true,
  "agent.effective-config-reported": true,
  "agent.config-offered": true,
  "agent.packages-reported": true,
  "agent.connection-settings-acknowledged": true,
  "agent.custom-capabilities-changed": true,
  "agent.custom-message-received": true,
  "agent.components-reported": true,
  "agent.unrecognized-reported": true,
  "agent.settings-offered": true,
  "agent.action-sent": true,
  "agent.renamed": true,
  "agent.metadata-changed": true,
  "agent.usage-measured": true,
};

/** Whether this is a kind of event that this version knows; gateways may be newer than who reads them. */
export function isEventKind(kind: unknown): kind is AgentEvent["kind"] {
  return typeof kind === "string" && Object.hasOwn(EVENT_KINDS, kind);
}

/** Whether `a` is newer than `b` (E2); anything is newer than nothing. */
export function isNewer(a: Fence, b: Fence | null): boolean {
  return b === null || a.epoch > b.epoch || (a.epoch === b.epoch && a.n > b.n);
}

/** How many distinct events of one kind are kept while they wait to be written; the oldest go first. */
const MAX_DISTINCT = 8;

/**
 * Adds an event to those of the same agent that wait to be written, so that what waits stays bounded however
 * long the store is away (E1). Acknowledgements and offers replace only those of the same hash: FAILED(new)
 * followed by APPLIED(old) is a self-rollback, and both must arrive.
 */
export function coalesce(waiting: readonly AgentEvent[], event: AgentEvent): readonly AgentEvent[] {
  // Most are the first of their kind.
  if (waiting.every(({ kind }) => kind !== event.kind)) return [...waiting, event];
  const subject = subjectOf(event);
  const kept = waiting.filter((earlier) => earlier.kind !== event.kind || subjectOf(earlier) !== subject);
  const merged = [...kept, event];
  const sameKind = merged.filter((e) => e.kind === event.kind);
  const oldest = sameKind[0];
  // Parts of a report are the fields of one message: as many as there are.
  const limit = event.kind === "agent.unrecognized-reported" ? Number.POSITIVE_INFINITY : MAX_DISTINCT;
  return sameKind.length > limit ? merged.filter((e) => e !== oldest) : merged;
}

/** What an event is about: the newest of its kind about the same replaces the others. */
function subjectOf(event: AgentEvent): string {
  switch (event.kind) {
    case "agent.config-acknowledged":
    case "agent.config-offered":
      return event.hash;
    case "agent.unrecognized-reported":
      return event.part;
    case "agent.settings-offered":
      return event.of;
    case "agent.action-sent":
      return event.actionId;
    case "agent.custom-message-received":
      return `${event.epoch}-${event.n}`;
    default:
      return "";
  }
}
