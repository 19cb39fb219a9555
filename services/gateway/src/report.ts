// What an agent said, in the domain's words: AgentToServer → Report. Pure. Together with session.ts and offer.ts the
// only code that knows both the wire and the fleet. Each sub-message becomes one facet with a digest, by which a
// session recognises what it has been told before without keeping it.

import { hash } from "node:crypto";
import {
  type AckState,
  type Attributes,
  type AttributeValue,
  type ConfigHash,
  type Health,
  parseConfigHash,
} from "@muster/fleet";
import { agentCapabilityNames, decodeAttributes, unknownCapabilities } from "@muster/protocol";
import type { AgentToServer, ComponentHealth, EffectiveConfig } from "@muster/protocol/opamp";
import { RemoteConfigStatuses } from "@muster/protocol/opamp";

/** One sub-message of a report. */
export type ReportedFacet =
  | {
      readonly kind: "description";
      readonly digest: string;
      readonly identifying: Attributes;
      readonly nonIdentifying: Attributes;
    }
  | { readonly kind: "health"; readonly digest: string; readonly health: Health }
  | {
      readonly kind: "acknowledgement";
      readonly digest: string;
      readonly hash: ConfigHash;
      readonly state: AckState;
      readonly error: string;
    }
  | {
      readonly kind: "effectiveConfig";
      readonly digest: string;
      readonly address: string;
      readonly body: Uint8Array;
      readonly sizeBytes: number;
    };

/** The name of a facet. */
export type FacetKind = ReportedFacet["kind"];

/** One message of an agent. */
export interface Report {
  readonly seq: bigint;
  /** Capability bits; 0 when the message leaves them out. */
  readonly capabilities: bigint;
  readonly facets: readonly ReportedFacet[];
  readonly isGoodbye: boolean;
}

/** Words of an agent are kept up to this many characters: a supervisor sends whole log tails as its error. */
const MAX_ERROR_CHARS = 4_096;
/** Parts of a health tree that are kept; the others are left out. */
const MAX_HEALTH_PARTS = 1_000;

/** Translates a message. `addressOf` tells where a body is stored (store's Bodies). */
export function translate(message: AgentToServer, addressOf: (body: Uint8Array) => string): Report {
  const facets: ReportedFacet[] = [];
  const { agentDescription, health, remoteConfigStatus, effectiveConfig } = message;
  if (agentDescription !== undefined) {
    const identifying = [...decodeAttributes(agentDescription.identifyingAttributes)] as Attributes;
    const nonIdentifying = [...decodeAttributes(agentDescription.nonIdentifyingAttributes)] as Attributes;
    facets.push({ kind: "description", digest: digest([identifying, nonIdentifying]), identifying, nonIdentifying });
  }
  if (health !== undefined) {
    const tree = translateHealth(health, { left: MAX_HEALTH_PARTS });
    facets.push({ kind: "health", digest: digest(tree), health: tree });
  }
  if (remoteConfigStatus !== undefined) {
    const configHash = parseConfigHash(Buffer.from(remoteConfigStatus.lastRemoteConfigHash).toString("hex"));
    const state = ackState(remoteConfigStatus.status);
    const error = remoteConfigStatus.errorMessage.slice(0, MAX_ERROR_CHARS);
    const told = { hash: configHash, state, error };
    facets.push({ kind: "acknowledgement", digest: digest(told), ...told });
  }
  if (effectiveConfig !== undefined) facets.push(translateEffectiveConfig(effectiveConfig, addressOf));
  const { sequenceNum: seq, capabilities } = message;
  return { seq, capabilities, facets, isGoodbye: message.agentDisconnect !== undefined };
}

/** Capability bits by name; those without one as `bit-<n>`. */
export function capabilityNames(bits: bigint): readonly string[] {
  const unknown = unknownCapabilities(bits).toString(2);
  const nameless = [...unknown].reverse().flatMap((bit, n) => (bit === "1" ? [`bit-${n}`] : []));
  return [...agentCapabilityNames(bits), ...nameless];
}

function translateHealth(health: ComponentHealth, budget: { left: number }): Health {
  const components: (readonly [string, Health])[] = [];
  for (const [name, part] of byName(health.componentHealthMap)) {
    if (budget.left <= 0) break;
    budget.left -= 1;
    components.push([name, translateHealth(part, budget)]);
  }
  return {
    healthy: health.healthy,
    status: health.status.slice(0, MAX_ERROR_CHARS),
    lastError: health.lastError.slice(0, MAX_ERROR_CHARS),
    startTimeUnixNano: String(health.startTimeUnixNano),
    statusTimeUnixNano: String(health.statusTimeUnixNano),
    components,
  };
}

/** An empty hash is "never received any", whatever the status says with it (R155). */
function ackState(status: RemoteConfigStatuses): AckState {
  switch (status) {
    case RemoteConfigStatuses.RemoteConfigStatuses_APPLIED:
      return "applied";
    case RemoteConfigStatuses.RemoteConfigStatuses_APPLYING:
      return "applying";
    case RemoteConfigStatuses.RemoteConfigStatuses_FAILED:
      return "failed";
    default:
      return "unset"; // UNSET, and numbers that a later specification gives a meaning (R148)
  }
}

function translateEffectiveConfig(config: EffectiveConfig, addressOf: (body: Uint8Array) => string): ReportedFacet {
  const files = byName(config.configMap?.configMap ?? {});
  const sizeBytes = files.reduce((sum, [, file]) => sum + file.body.byteLength, 0);
  const content = files.map(([name, file]) => [name, file.contentType, Buffer.from(file.body).toString("base64")]);
  const body = Buffer.from(JSON.stringify(content));
  const address = addressOf(body);
  return { kind: "effectiveConfig", digest: address, address, body, sizeBytes };
}

/** Encoders write maps in any order, and many in another every time: sorted, the same content has the same digest. */
function byName<Value>(map: Readonly<Record<string, Value>>): readonly (readonly [name: string, value: Value])[] {
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
}

function digest(value: AttributeValue | object): string {
  return hash("sha1", JSON.stringify(value), "base64url").slice(0, 12);
}
