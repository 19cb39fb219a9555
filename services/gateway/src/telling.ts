// What a report adds to what is known of an agent, as events: the part of the session machine (session.ts) that talks to
// the projector. Pure. A sub-message with the digest that is known already adds nothing (S4).

import type { AgentEvent, InstanceUid } from "@muster/fleet";
import { withFailed } from "./known.ts";
import { capabilityNames, type ReportedFacet } from "./report.ts";
import type { ActiveSession, Effect } from "./session.ts";

export function withCapabilities(
  session: ActiveSession,
  bits: bigint,
  nowMs: number,
): [ActiveSession, readonly Effect[]] {
  if (bits === 0n || bits === session.known.capabilities) return [session, []];
  const knowing = { ...session, known: { ...session.known, capabilities: bits } };
  const capabilities = capabilityNames(bits);
  return emit(knowing, nowMs, (fence) => ({ kind: "agent.capabilities-changed", ...fence, capabilities }));
}

export function withFacets(
  [session, effects]: readonly [ActiveSession, readonly Effect[]],
  facets: readonly ReportedFacet[],
  nowMs: number,
): [ActiveSession, readonly Effect[]] {
  let [current, all] = [session, effects];
  for (const facet of facets) {
    if (current.known.digests[facet.kind] === facet.digest) continue;
    const [next, more] = withFacet(current, facet, nowMs);
    current = next;
    all = [...all, ...more];
  }
  return [current, all];
}

function withFacet(session: ActiveSession, facet: ReportedFacet, nowMs: number): [ActiveSession, readonly Effect[]] {
  const digests = { ...session.known.digests, [facet.kind]: facet.digest };
  const known = { ...session.known, digests };
  switch (facet.kind) {
    case "description": {
      const { identifying, nonIdentifying } = facet;
      return emit({ ...session, known }, nowMs, (fence) => ({
        kind: "agent.described",
        ...fence,
        identifying,
        nonIdentifying,
      }));
    }
    case "health":
      return emit({ ...session, known }, nowMs, (fence) => ({
        kind: "agent.health-changed",
        ...fence,
        health: facet.health,
      }));
    case "acknowledgement": {
      const { hash, state, error } = facet;
      const acknowledged = hash === "" ? null : { hash, isApplying: state === "applying" };
      const failed = state === "failed" && hash !== "" ? withFailed(known.failed, { hash, atMs: nowMs }) : known.failed;
      const knowing = { ...session, known: { ...known, acknowledged, failed } };
      return emit(knowing, nowMs, (fence) => ({ kind: "agent.config-acknowledged", ...fence, hash, state, error }));
    }
    case "effectiveConfig": {
      const { address, body, sizeBytes } = facet;
      const [next, emitted] = emit({ ...session, known }, nowMs, (fence) => ({
        kind: "agent.effective-config-reported",
        ...fence,
        body: address,
        sizeBytes,
      }));
      return [next, [{ kind: "keep-body", address, body }, ...emitted]];
    }
  }
}

interface EventHead {
  readonly uid: InstanceUid;
  readonly epoch: number;
  readonly n: number;
  readonly atMs: number;
}

export function emit(
  session: ActiveSession,
  nowMs: number,
  make: (head: EventHead) => AgentEvent,
): [ActiveSession, readonly Effect[]] {
  const n = session.n + 1;
  const event = make({ uid: session.peer.uid, epoch: session.epoch, n, atMs: nowMs });
  return [{ ...session, n }, [{ kind: "emit", event }]];
}
