// Folds events into the view of one agent. Pure: apply(view, event) → view; the projector keeps views in Redis.
//
// Invariants
//   A1. Each facet carries the fence of the event it came from and takes only newer ones, so old and repeated
//       events change nothing and events of two sessions may arrive in any order.
//       Only since when an agent is well, and how often it was not, is read off what arrives: of what comes late, nothing.
//   A2. apply answers the very same object when nothing changed; callers compare by identity.

import { type Attempt, applyAcknowledgement, applyOffer, baselineOf, joinAttempts } from "./attempt.ts";
import { assertNever } from "./error.ts";
import {
  type AgentConfigOffered,
  type AgentConnected,
  type AgentEvent,
  type AgentHealthChanged,
  type AgentUnrecognizedReported,
  type DisconnectReason,
  type Fence,
  type Health,
  isNewer,
  type SettingsKind,
} from "./event.ts";
import type { InstanceUid } from "./ids.ts";
import { type Metadata, operatorLabels } from "./metadata.ts";
import type { AgentView, Connection, Runs, UnrecognizedPart } from "./view.ts";

/** How many custom messages an agent's record keeps; the oldest go first. */
export const MAX_CUSTOM_MESSAGES = 16;
/** How many actions an agent's record keeps; the oldest go first. */
export const MAX_ACTIONS = 10;
/** Parts of a report are the fields of one message; a few more than there are today. */
const MAX_UNRECOGNIZED = 32;
/** An agent is given a new uid now and then, not for ever. */
const MAX_PREVIOUS_UIDS = 16;

/** Folds one event into a view. Answers the same object when the event is old or repeated (A2). */
export function apply(agent: AgentView, event: AgentEvent): AgentView {
  switch (event.kind) {
    case "agent.connected":
      return withFacet(agent, "connection", event, openedConnection(event));
    case "agent.disconnected": {
      const live = agent.connection?.value ?? null;
      return withFacet(agent, "connection", event, endedConnection(live, event.reason, event.atMs));
    }
    case "agent.described": {
      const { identifying, nonIdentifying } = event;
      return withFacet(agent, "description", event, { identifying, nonIdentifying });
    }
    case "agent.capabilities-changed":
      return withFacet(agent, "capabilities", event, event.capabilities);
    case "agent.health-changed":
      return withHealth(agent, event);
    case "agent.effective-config-reported":
      return withFacet(agent, "effectiveConfig", event, { body: event.body, sizeBytes: event.sizeBytes });
    case "agent.config-acknowledged": {
      const { hash, state, error } = event;
      const acknowledged = withFacet(agent, "acknowledgement", event, { hash, state, error });
      return withAttempts(acknowledged, applyAcknowledgement(agent.attempts, event));
    }
    case "agent.config-offered":
      return withOffer(agent, event);
    default:
      return applyMore(agent, event);
  }
}

type ConfigEventKind =
  | "agent.connected"
  | "agent.disconnected"
  | "agent.described"
  | "agent.capabilities-changed"
  | "agent.health-changed"
  | "agent.effective-config-reported"
  | "agent.config-acknowledged"
  | "agent.config-offered";

/** What has nothing to do with configs. */
function applyMore(agent: AgentView, event: Exclude<AgentEvent, { kind: ConfigEventKind }>): AgentView {
  switch (event.kind) {
    case "agent.packages-reported": {
      const { packages, allHash, error } = event;
      return withFacet(agent, "packages", event, { packages, allHash, error });
    }
    case "agent.connection-settings-acknowledged": {
      const { settings, state, error } = event;
      return withFacet(agent, "connectionSettings", event, { settings, state, error });
    }
    case "agent.custom-capabilities-changed":
      return withFacet(agent, "customCapabilities", event, event.capabilities);
    case "agent.components-reported":
      return withFacet(agent, "components", event, { inventory: event.inventory, address: event.address });
    case "agent.settings-offered":
      return withFacet(agent, OFFER_FACETS[event.of], event, event.settings);
    case "agent.custom-message-received": {
      const { epoch, n, atMs, capability, type, body, sizeBytes } = event;
      const message = { epoch, n, atMs, capability, type, body, sizeBytes };
      return withOneMore(agent, "customMessages", message, MAX_CUSTOM_MESSAGES);
    }
    case "agent.action-sent": {
      const { epoch, n, atMs, actionId, action } = event;
      return withOneMore(agent, "actions", { epoch, n, atMs, actionId, action }, MAX_ACTIONS);
    }
    case "agent.unrecognized-reported":
      return withUnrecognized(agent, event);
    case "agent.renamed":
      return withPrevious(agent, [event.from]);
    case "agent.usage-measured":
      return withFacet(agent, "ownUsage", event, event.usage);
    case "agent.metadata-changed":
      return agent; // who folds looks it up: withMetadata
    default:
      return assertNever(event);
  }
}

const OFFER_FACETS = { connection: "connectionOffer", packages: "packagesOffer" } as const satisfies Record<
  SettingsKind,
  keyof AgentView
>;

type FacetName =
  | "connection"
  | "description"
  | "capabilities"
  | "health"
  | "acknowledgement"
  | "effectiveConfig"
  | "packages"
  | "connectionSettings"
  | "customCapabilities"
  | "components"
  | "connectionOffer"
  | "packagesOffer"
  | "ownUsage";

/** The facets of a view, each with a fence of its own. */
export const FACET_NAMES = Object.keys({
  connection: true,
  description: true,
  capabilities: true,
  health: true,
  acknowledgement: true,
  effectiveConfig: true,
  packages: true,
  connectionSettings: true,
  customCapabilities: true,
  components: true,
  connectionOffer: true,
  packagesOffer: true,
  ownUsage: true,
} satisfies Record<FacetName, true>) as readonly FacetName[]; // the keys of the literal
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

/** What an agent does from the offer on is told apart from what it did before. */
function withOffer(agent: AgentView, event: AgentConfigOffered): AgentView {
  const { health } = agent;
  const attempts = applyOffer(agent.attempts, event, baselineOf(health?.value ?? null));
  if (attempts === agent.attempts) return agent;
  return { ...agent, attempts, health: health === null || health.drops === 0 ? health : { ...health, drops: 0 } };
}

/** Times of reports that say nothing new of its being well do not move the time since when it is. */
function withHealth(agent: AgentView, event: AgentHealthChanged): AgentView {
  const { epoch, n, atMs, health } = event;
  const { health: before } = agent;
  if (!isNewer(event, before)) return agent;
  const isAsBefore = before !== null && before.value.healthy === health.healthy;
  // What it did before its last offer, though it is heard of later, does not count.
  const hasDropped = before?.value.healthy === true && !health.healthy && isNewer(event, agent.attempts.at(-1) ?? null);
  const drops = (before?.drops ?? 0) + (hasDropped ? 1 : 0);
  const runs = runsAfter(agent, health);
  return {
    ...agent,
    runs,
    health: { epoch, n, atMs, value: health, sinceMs: isAsBefore ? before.sinceMs : atMs, drops },
  };
}

/** A later start than the last one is a restart; between the two an agent may say that it does not run. */
function runsAfter({ health: before, runs }: AgentView, { startTimeUnixNano: start }: Health): Runs | null {
  const known = before === null ? "0" : before.value.startTimeUnixNano;
  const lastStart = known === "0" ? (runs?.lastStart ?? "") : known;
  if (start === known || lastStart === "") return runs;
  if (start === "0") return { restarts: runs?.restarts ?? 0, lastStart };
  const restarts = (runs?.restarts ?? 0) + (BigInt(start) > BigInt(lastStart) ? 1 : 0);
  return restarts === 0 ? null : { restarts, lastStart: "" };
}

function withAttempts(agent: AgentView, attempts: readonly Attempt[]): AgentView {
  return attempts === agent.attempts ? agent : { ...agent, attempts };
}

/** Adds to a bounded history, in the order of the fences. What is there already, or older than all that is kept, adds nothing. */
function withOneMore<Name extends "customMessages" | "actions">(
  agent: AgentView,
  name: Name,
  entry: AgentView[Name][number],
  limit: number,
): AgentView {
  const kept: readonly AgentView[Name][number][] = agent[name];
  if (kept.some(({ epoch, n }) => epoch === entry.epoch && n === entry.n)) return agent;
  const sorted = [...kept, entry].sort((a, b) => a.epoch - b.epoch || a.n - b.n).slice(-limit);
  return sorted.includes(entry) ? { ...agent, [name]: sorted } : agent;
}

/** A part that holds nothing unknown any more stays as a fence, so that an older event does not bring it back. */
function withUnrecognized(agent: AgentView, { epoch, n, part, body }: AgentUnrecognizedReported): AgentView {
  const before = agent.unrecognized.find((known) => known.part === part) ?? null;
  if (!isNewer({ epoch, n }, before)) return agent;
  const others = agent.unrecognized.filter((known) => known.part !== part);
  return { ...agent, unrecognized: [...others, { epoch, n, part, body }].slice(-MAX_UNRECOGNIZED) };
}

/** What operators say of the agent, as it was looked up. Answers the same object when the view says so already. */
export function withMetadata(agent: AgentView, metadata: Metadata): AgentView {
  const labels = operatorLabels(metadata);
  const { metadata: before } = agent;
  if (before === labels || JSON.stringify(before) === JSON.stringify(labels)) return agent;
  return { ...agent, metadata: labels };
}

function withPrevious(agent: AgentView, uids: readonly InstanceUid[]): AgentView {
  const news = [...new Set(uids)].filter((uid) => uid !== agent.uid && !agent.previousUids.includes(uid));
  if (news.length === 0) return agent;
  return { ...agent, previousUids: [...agent.previousUids, ...news].slice(-MAX_PREVIOUS_UIDS) };
}

/**
 * What is known of an agent that goes on under a new uid: all that was known under the old one, each facet unless a newer
 * one is known already. Epochs are compared across the two, so the new uid's must be handed out above the old one's.
 */
export function adopt(agent: AgentView, former: AgentView): AgentView {
  const merged: Record<string, unknown> = { ...agent };
  for (const name of FACET_NAMES) {
    const [own, old] = [agent[name], former[name]];
    merged[name] = old !== null && isNewer(old, own) ? old : own;
  }
  merged["firstSeenAtMs"] = Math.min(agent.firstSeenAtMs, former.firstSeenAtMs);
  merged["attempts"] = joinAttempts(former.attempts, agent.attempts);
  merged["runs"] = agent.runs ?? former.runs;
  merged["drift"] = agent.drift ?? former.drift;
  merged["previousUids"] = [];
  // Field for field an AgentView: only values of the same fields were exchanged.
  let view = merged as unknown as AgentView;
  for (const message of former.customMessages) view = withOneMore(view, "customMessages", message, MAX_CUSTOM_MESSAGES);
  for (const action of former.actions) view = withOneMore(view, "actions", action, MAX_ACTIONS);
  for (const part of former.unrecognized) view = adoptUnrecognized(view, part);
  return withPrevious(view, [...former.previousUids, former.uid, ...agent.previousUids]);
}

function adoptUnrecognized(agent: AgentView, part: UnrecognizedPart): AgentView {
  const own = agent.unrecognized.find((known) => known.part === part.part) ?? null;
  if (!isNewer(part, own)) return agent;
  return { ...agent, unrecognized: [...agent.unrecognized.filter((known) => known !== own), part] };
}

function openedConnection({ gateway, transport, remoteAddress, atMs }: AgentConnected): Connection {
  return { gateway, transport, remoteAddress, connectedAtMs: atMs, ended: null };
}

function endedConnection(live: Connection | null, reason: DisconnectReason, atMs: number): Connection {
  const ended = { reason, atMs };
  if (live === null) return { gateway: null, transport: null, remoteAddress: "", connectedAtMs: atMs, ended };
  return { ...live, ended };
}
