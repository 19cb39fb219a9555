// The messages of a lean agent that are more than a heartbeat. Identity and attributes are the simulator's, so that a fleet
// of lean agents looks like one of full agents; the effective config is the size that a real Collector's has. Pure.

import { create } from "@bufbuild/protobuf";
import {
  agentCapabilityMask,
  encodeAgentBody,
  encodeAttributes,
  frameOf,
  ProtocolError,
  parseUid,
} from "@muster/protocol";
import { type AgentToServer, AgentToServerSchema, RemoteConfigStatuses } from "@muster/protocol/opamp";
import { createIdentity } from "@muster/simulator";
import { clientFrame, OPCODE } from "./frames.ts";

/** Which agent, and what it says it runs. */
export interface Who {
  readonly seed: number;
  readonly index: number;
  /** Size of its effective config. */
  readonly configBytes: number;
}

/** What changes over the life of an agent. */
export interface Condition {
  readonly sequenceNum: number;
  readonly isHealthy: boolean;
  readonly startedAtMs: number;
  readonly nowMs: number;
  /** The last offer and how far it is; null before the first. */
  readonly offer: Offer | null;
}

/** An offered config at the agent. */
export interface Offer {
  readonly hash: Uint8Array;
  readonly status: "APPLYING" | "APPLIED";
}

/** What a lean agent says it can do. It takes configs, and does not list components. */
export const CAPABILITIES = agentCapabilityMask([
  "ReportsStatus",
  "AcceptsRemoteConfig",
  "ReportsEffectiveConfig",
  "ReportsHealth",
  "ReportsRemoteConfig",
  "ReportsHeartbeat",
]);

/** The uid of an agent, 16 bytes. */
export function uidOf({ seed, index }: Pick<Who, "seed" | "index">): Uint8Array {
  const uid = parseUid(createIdentity(seed, index).uid);
  if (uid instanceof ProtocolError) throw uid; // identities are ours: a bad one is a bug
  return uid;
}

/** Everything there is to tell, as the first report and the answer to ReportFullState do. */
export function fullReport(who: Who, condition: Condition): Buffer {
  const { uid, identifying, other } = createIdentity(who.seed, who.index);
  return frameFor(who, condition, {
    agentDescription: {
      identifyingAttributes: encodeAttributes([...identifying, ["service.instance.id", uid]]),
      nonIdentifyingAttributes: encodeAttributes(other),
    },
    health: healthOf(condition),
    effectiveConfig: effectiveConfigOf(uid, who.configBytes),
    remoteConfigStatus: statusOf(condition.offer),
  });
}

/** What changed and nothing else; a config that is applied comes with what the agent runs now. */
export function changeReport(
  who: Who,
  condition: Condition,
  changed: { readonly health: boolean; readonly config: boolean },
): Buffer {
  const { uid } = createIdentity(who.seed, who.index);
  const isApplied = changed.config && condition.offer?.status === "APPLIED";
  return frameFor(who, condition, {
    ...(changed.health ? { health: healthOf(condition) } : {}),
    ...(changed.config ? { remoteConfigStatus: statusOf(condition.offer) } : {}),
    ...(isApplied ? { effectiveConfig: effectiveConfigOf(uid, who.configBytes) } : {}),
  });
}

type Parts = Parameters<typeof create<typeof AgentToServerSchema>>[1];

function frameFor(who: Who, { sequenceNum }: Condition, parts: Parts): Buffer {
  const message: AgentToServer = create(AgentToServerSchema, {
    ...parts,
    instanceUid: uidOf(who),
    sequenceNum: BigInt(sequenceNum),
    capabilities: CAPABILITIES,
  });
  return clientFrame(OPCODE.binary, frameOf(encodeAgentBody(message)));
}

function healthOf({ isHealthy, startedAtMs, nowMs }: Condition) {
  const statusTimeUnixNano = BigInt(Math.trunc(nowMs)) * 1_000_000n;
  const status = isHealthy ? "StatusOK" : "StatusRecoverableError";
  const part = { healthy: isHealthy, status, statusTimeUnixNano };
  return {
    ...part,
    lastError: isHealthy ? "" : "exporter otlp: connection refused",
    startTimeUnixNano: BigInt(Math.trunc(startedAtMs)) * 1_000_000n,
    componentHealthMap: { extensions: part, "pipeline:metrics": part },
  };
}

function statusOf(offer: Offer | null) {
  if (offer === null) return { status: RemoteConfigStatuses.RemoteConfigStatuses_UNSET };
  const status =
    offer.status === "APPLIED"
      ? RemoteConfigStatuses.RemoteConfigStatuses_APPLIED
      : RemoteConfigStatuses.RemoteConfigStatuses_APPLYING;
  return { lastRemoteConfigHash: offer.hash, status };
}

/** A Collector's config that names the agent it runs at, as supervisors report it: no two agents have the same one. */
function effectiveConfigOf(uid: string, bytes: number) {
  const body = Buffer.alloc(bytes, " ");
  body.write(`extensions:\n  opamp:\n    instance_uid: ${uid}\n`);
  let at = 80;
  for (let scraper = 0; at < bytes - 80; scraper++) {
    at += body.write(`receivers/${scraper}: {hostmetrics: {collection_interval: ${10 + scraper}s}}\n`, at);
  }
  return { configMap: { configMap: { "": { body } } } };
}
