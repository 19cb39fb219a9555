// What a report adds to what is known of an agent, as events: the part of the session machine (session.ts) that talks to
// the projector. Pure. A sub-message with the digest that is known already adds nothing (S4).

import type { AgentEvent, InstanceUid, SettingsKind } from "@muster/fleet";
import { type Known, withFailed } from "./known.ts";
import { capabilityNames, keyOf, type ReportedFacet, type ReportedMessage } from "./report.ts";
import type { ActiveSession, Effect } from "./session.ts";

type Told = readonly [ActiveSession, readonly Effect[]];

export function withCapabilities(session: ActiveSession, bits: bigint, nowMs: number): Told {
  if (bits === 0n || bits === session.known.capabilities) return [session, []];
  const knowing = { ...session, known: { ...session.known, capabilities: bits } };
  const capabilities = capabilityNames(bits);
  return emit(knowing, nowMs, (head) => ({ kind: "agent.capabilities-changed", ...head, capabilities }));
}

export function withFacets([session, effects]: Told, facets: readonly ReportedFacet[], nowMs: number): Told {
  const news = facets.filter((facet) => (session.known.digests[keyOf(facet)] ?? "") !== facet.digest);
  if (news.length === 0) return [session, effects];
  const digests = { ...session.known.digests };
  const all = [...effects];
  let known: Known = { ...session.known, digests };
  let { n } = session;
  for (const facet of news) {
    digests[keyOf(facet)] = facet.digest;
    known = withFacet(known, facet, nowMs);
    all.push(...bodiesOf(facet));
    n += 1;
    all.push({ kind: "emit", event: toldBy(facet, headOf(session, n, nowMs)) });
  }
  return [{ ...session, n, known }, all];
}

export function withMessage([session, effects]: Told, message: ReportedMessage | null, nowMs: number): Told {
  if (message === null) return [session, effects];
  const { capability, type, sizeBytes, kept } = message;
  const body = kept?.address ?? null;
  const [next, more] = emit(session, nowMs, (head) => {
    return { kind: "agent.custom-message-received", ...head, capability, type, body, sizeBytes };
  });
  return [next, [...effects, ...(kept === null ? [] : [keepBody(kept)]), ...more]];
}

/** What of a facet later decisions rest on. */
function withFacet(known: Known, facet: ReportedFacet, nowMs: number): Known {
  switch (facet.kind) {
    case "acknowledgement": {
      const { hash, state } = facet;
      const acknowledged = hash === "" ? null : { hash, isApplying: state === "applying" };
      const failed = state === "failed" && hash !== "" ? withFailed(known.failed, { hash, atMs: nowMs }) : known.failed;
      return { ...known, acknowledged, failed };
    }
    case "connectionSettings":
      return withReceived(known, "connection", facet.settings, facet.state === "failed");
    case "packages":
      return withReceived(known, "packages", facet.allHash, facet.error !== "");
    case "customCapabilities":
      return { ...known, custom: facet.capabilities };
    case "description":
    case "health":
    case "effectiveConfig":
    case "components":
    case "unrecognized":
      return known;
  }
}

function withReceived(known: Known, of: SettingsKind, hash: string, hasFailed: boolean): Known {
  return { ...known, received: { ...known.received, [of]: { hash, hasFailed } } };
}

function toldBy(facet: ReportedFacet, head: EventHead): AgentEvent {
  switch (facet.kind) {
    case "description": {
      const { identifying, nonIdentifying } = facet;
      return { kind: "agent.described", ...head, identifying, nonIdentifying };
    }
    case "health":
      return { kind: "agent.health-changed", ...head, health: facet.health };
    case "acknowledgement": {
      const { hash, state, error } = facet;
      return { kind: "agent.config-acknowledged", ...head, hash, state, error };
    }
    case "effectiveConfig":
      return { kind: "agent.effective-config-reported", ...head, body: facet.address, sizeBytes: facet.sizeBytes };
    case "packages": {
      const { packages, allHash, error } = facet;
      return { kind: "agent.packages-reported", ...head, packages, allHash, error };
    }
    case "connectionSettings": {
      const { settings, state, error } = facet;
      return { kind: "agent.connection-settings-acknowledged", ...head, settings, state, error };
    }
    case "customCapabilities":
      return { kind: "agent.custom-capabilities-changed", ...head, capabilities: facet.capabilities };
    case "components":
      return { kind: "agent.components-reported", ...head, inventory: facet.inventory, address: facet.address };
    case "unrecognized":
      return { kind: "agent.unrecognized-reported", ...head, part: facet.part, body: facet.kept?.address ?? null };
  }
}

function bodiesOf(facet: ReportedFacet): readonly Effect[] {
  switch (facet.kind) {
    case "effectiveConfig":
      return [keepBody(facet)];
    case "components":
      // Maybe another agent has told it; who looks it up asks this one if not.
      if (facet.body === null) return [{ kind: "look-up-inventory", address: facet.address }];
      return [{ kind: "keep-inventory", address: facet.address, inventory: facet.body }];
    case "unrecognized":
      return facet.kept === null ? [] : [keepBody(facet.kept)];
    default:
      return [];
  }
}

function keepBody({ address, body }: { readonly address: string; readonly body: Uint8Array }): Effect {
  return { kind: "keep-body", address, body };
}

interface EventHead {
  readonly uid: InstanceUid;
  readonly epoch: number;
  readonly n: number;
  readonly atMs: number;
}

export function emit(session: ActiveSession, nowMs: number, make: (head: EventHead) => AgentEvent): Told {
  const n = session.n + 1;
  return [{ ...session, n }, [{ kind: "emit", event: make(headOf(session, n, nowMs)) }]];
}

function headOf({ peer, epoch }: ActiveSession, n: number, nowMs: number): EventHead {
  return { uid: peer.uid, epoch, n, atMs: nowMs };
}
