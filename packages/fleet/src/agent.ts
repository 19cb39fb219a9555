// The view of one agent, folded from its events. Pure: apply(view, event) → view; the projector keeps views in Redis.
//
// Invariants
//   A1. Each facet carries the fence of the event it came from and takes only newer ones, so old and repeated
//       events change nothing and events of two sessions may arrive in any order.
//   A2. apply answers the very same object when nothing changed; callers compare by identity.

import { type Attempt, applyAcknowledgement, applyOffer } from "./attempt.ts";
import { assertNever } from "./error.ts";
import {
  type AckState,
  type AgentEvent,
  type Attributes,
  type AttributeValue,
  type DisconnectReason,
  type Fence,
  type Health,
  isNewer,
  type Transport,
} from "./event.ts";
import type { ConfigHash, GatewayId, InstanceUid } from "./ids.ts";

/** One aspect of an agent as last reported, with the fence that guards it (A1). */
export interface Facet<Value> extends Fence {
  readonly atMs: number;
  readonly value: Value;
}

/** A session with a gateway, live or ended. */
export interface Connection {
  readonly gateway: GatewayId | null;
  readonly transport: Transport | null;
  readonly remoteAddress: string;
  readonly connectedAtMs: number;
  /** null while live. */
  readonly ended: { readonly reason: DisconnectReason; readonly atMs: number } | null;
}

export interface Description {
  readonly identifying: Attributes;
  readonly nonIdentifying: Attributes;
}

export interface Acknowledgement {
  readonly hash: ConfigHash;
  readonly state: AckState;
  readonly error: string;
}

export interface EffectiveConfigRef {
  /** Address of the sealed body in the agent's partition. */
  readonly body: string;
  readonly sizeBytes: number;
}

/** Everything known of one agent. */
export interface AgentView {
  readonly uid: InstanceUid;
  readonly firstSeenAtMs: number;
  readonly connection: Facet<Connection> | null;
  readonly description: Facet<Description> | null;
  readonly capabilities: Facet<readonly string[]> | null;
  readonly health: Facet<Health> | null;
  readonly acknowledgement: Facet<Acknowledgement> | null;
  readonly effectiveConfig: Facet<EffectiveConfigRef> | null;
  /** Newest last, bounded (attempt.ts). */
  readonly attempts: readonly Attempt[];
}

/** The view of an agent of which nothing is known yet. */
export function unknownAgent(uid: InstanceUid, atMs: number): AgentView {
  return {
    uid,
    firstSeenAtMs: atMs,
    connection: null,
    description: null,
    capabilities: null,
    health: null,
    acknowledgement: null,
    effectiveConfig: null,
    attempts: [],
  };
}

/** Folds one event into a view. Answers the same object when the event is old or repeated (A2). */
export function apply(agent: AgentView, event: AgentEvent): AgentView {
  switch (event.kind) {
    case "agent.connected": {
      const { gateway, transport, remoteAddress, atMs } = event;
      return withFacet(agent, "connection", event, {
        gateway,
        transport,
        remoteAddress,
        connectedAtMs: atMs,
        ended: null,
      });
    }
    case "agent.disconnected":
      return withFacet(
        agent,
        "connection",
        event,
        endedConnection(agent.connection?.value ?? null, event.reason, event.atMs),
      );
    case "agent.described": {
      const { identifying, nonIdentifying } = event;
      return withFacet(agent, "description", event, { identifying, nonIdentifying });
    }
    case "agent.capabilities-changed":
      return withFacet(agent, "capabilities", event, event.capabilities);
    case "agent.health-changed":
      return withFacet(agent, "health", event, event.health);
    case "agent.effective-config-reported":
      return withFacet(agent, "effectiveConfig", event, { body: event.body, sizeBytes: event.sizeBytes });
    case "agent.config-acknowledged": {
      const { hash, state, error } = event;
      const acknowledged = withFacet(agent, "acknowledgement", event, { hash, state, error });
      return withAttempts(acknowledged, applyAcknowledgement(agent.attempts, event));
    }
    case "agent.config-offered":
      return withAttempts(agent, applyOffer(agent.attempts, event));
    default:
      return assertNever(event);
  }
}

type FacetName = "connection" | "description" | "capabilities" | "health" | "acknowledgement" | "effectiveConfig";
type FacetValue<Name extends FacetName> = NonNullable<AgentView[Name]>["value"];

function withFacet<Name extends FacetName>(
  agent: AgentView,
  name: Name,
  event: Fence & { readonly atMs: number },
  value: FacetValue<Name>,
): AgentView {
  if (!isNewer(event, agent[name])) return agent;
  return { ...agent, [name]: { epoch: event.epoch, n: event.n, atMs: event.atMs, value } };
}

function withAttempts(agent: AgentView, attempts: readonly Attempt[]): AgentView {
  return attempts === agent.attempts ? agent : { ...agent, attempts };
}

function endedConnection(live: Connection | null, reason: DisconnectReason, atMs: number): Connection {
  const ended = { reason, atMs };
  if (live === null) return { gateway: null, transport: null, remoteAddress: "", connectedAtMs: atMs, ended };
  return { ...live, ended };
}

/** Whether a session of the agent is live. */
export function isConnected(agent: AgentView): boolean {
  return agent.connection !== null && agent.connection.value.ended === null;
}

/** Whether the agent says that it can do this; false while its capabilities are unknown. */
export function hasCapability(agent: AgentView, name: string): boolean {
  return agent.capabilities?.value.includes(name) ?? false;
}

/** When anything last changed, milliseconds since 1970. */
export function updatedAtMs(agent: AgentView): number {
  const facets = [agent.connection, agent.description, agent.capabilities, agent.health, agent.acknowledgement];
  return Math.max(agent.firstSeenAtMs, agent.effectiveConfig?.atMs ?? 0, ...facets.map((facet) => facet?.atMs ?? 0));
}

/**
 * What selectors see of an agent: every attribute that is a single value, as text; where a key is both
 * identifying and not, the identifying one counts.
 */
export function labelsOf(agent: AgentView): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  const { nonIdentifying = [], identifying = [] } = agent.description?.value ?? {};
  for (const [key, value] of [...nonIdentifying, ...identifying]) {
    const text = labelText(value);
    if (text !== null) labels.set(key, text);
  }
  return labels;
}

function labelText(value: AttributeValue): string | null {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : null;
}

/** Facts that queries may use beside labels; configs may not, since a target must not flap with them. */
export function factsOf(agent: AgentView): ReadonlyMap<string, string> {
  const facts = new Map<string, string>([["connected", String(isConnected(agent))]]);
  if (agent.health !== null) facts.set("healthy", String(agent.health.value.healthy));
  if (agent.acknowledgement !== null) facts.set("config.status", agent.acknowledgement.value.state);
  const gateway = agent.connection?.value.gateway;
  if (typeof gateway === "string") facts.set("gateway", gateway);
  return facts;
}
