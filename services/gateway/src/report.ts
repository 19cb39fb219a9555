// What an agent said, in the domain's words: AgentToServer → Report. Pure. Together with session.ts and what it decides
// by the only code that knows both the wire and the fleet. Each sub-message becomes one facet with a digest, by which a
// session recognises what it has been told before without keeping it; the parts are translated in report-parts.ts.
//
// Limits: words, parts and names beyond them are left out, never refused: an agent
// that says too much is still an agent.

import { create, type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";
import type { AckState, Attributes, ConfigHash, Health, PackageReport } from "@muster/fleet";
import { agentCapabilityNames, hasUnrecognized, unknownCapabilities } from "@muster/protocol";
import type { AgentToServer } from "@muster/protocol/opamp";
import {
  AgentToServerFlags,
  AgentToServerSchema,
  AvailableComponentsSchema,
  ConnectionSettingsRequestSchema,
} from "@muster/protocol/opamp";
import {
  translateAcknowledgement,
  translateComponents,
  translateConnectionStatus,
  translateCustomCapabilities,
  translateDescription,
  translateEffectiveConfig,
  translateHealth,
  translateMessage,
  translatePackages,
} from "./report-parts.ts";

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
    }
  | {
      readonly kind: "packages";
      readonly digest: string;
      readonly packages: readonly PackageReport[];
      readonly allHash: string;
      readonly error: string;
    }
  | {
      readonly kind: "connectionSettings";
      readonly digest: string;
      readonly settings: string;
      readonly state: AckState;
      readonly error: string;
    }
  | { readonly kind: "customCapabilities"; readonly digest: string; readonly capabilities: readonly string[] }
  | {
      readonly kind: "components";
      /** Tells apart whether the inventory itself came, too. */
      readonly digest: string;
      readonly inventory: string;
      readonly address: string;
      /** null when only its hash came. */
      readonly body: Uint8Array | null;
    }
  | {
      readonly kind: "unrecognized";
      readonly digest: string;
      readonly part: string;
      /** null: nothing unknown is in the part; the digest is then "". */
      readonly kept: { readonly address: string; readonly body: Uint8Array } | null;
    };

/** A custom message. */
export interface ReportedMessage {
  readonly capability: string;
  readonly type: string;
  readonly sizeBytes: number;
  /** null when it is too large to keep. */
  readonly kept: { readonly address: string; readonly body: Uint8Array } | null;
}

/** What a facet's digest is remembered under. */
export type FacetKey = Exclude<ReportedFacet["kind"], "unrecognized"> | `unrecognized:${string}`;

/** One message of an agent. */
export interface Report {
  readonly seq: bigint;
  /** Capability bits; 0 when the message leaves them out. */
  readonly capabilities: bigint;
  readonly facets: readonly ReportedFacet[];
  readonly message: ReportedMessage | null;
  /** The agent asks for a uid of the server's making (R27). */
  readonly wantsUid: boolean;
  /** A certificate signing request, PEM; empty when the request holds none (R116). */
  readonly csr: Uint8Array | null;
  readonly isGoodbye: boolean;
}

/** Where bodies are stored (store's Bodies). */
export interface Addresses {
  ofContent(body: Uint8Array): string;
  ofInventory(hash: string): string;
}

/** What a facet's digest is remembered under. */
export function keyOf(facet: ReportedFacet): FacetKey {
  return facet.kind === "unrecognized" ? `unrecognized:${facet.part}` : facet.kind;
}

/** Whether a message says nothing but that its agent lives. */
export function isBare({ facets, message, isGoodbye, wantsUid, csr }: Report): boolean {
  return facets.length === 0 && message === null && !isGoodbye && !wantsUid && csr === null;
}

/** Translates a message. */
export function translate(message: AgentToServer, addresses: Addresses): Report {
  const { agentDescription, health, remoteConfigStatus, effectiveConfig, packageStatuses } = message;
  const { connectionSettingsStatus, customCapabilities, availableComponents, connectionSettingsRequest } = message;
  const facets: ReportedFacet[] = [];
  if (agentDescription !== undefined) facets.push(translateDescription(agentDescription));
  if (health !== undefined) facets.push(translateHealth(health));
  if (remoteConfigStatus !== undefined) facets.push(translateAcknowledgement(remoteConfigStatus));
  if (effectiveConfig !== undefined) facets.push(translateEffectiveConfig(effectiveConfig, addresses));
  if (packageStatuses !== undefined) facets.push(translatePackages(packageStatuses));
  if (connectionSettingsStatus !== undefined) facets.push(translateConnectionStatus(connectionSettingsStatus));
  if (customCapabilities !== undefined) facets.push(translateCustomCapabilities(customCapabilities));
  if (availableComponents !== undefined) {
    const serialize = (): Uint8Array => toBinary(AvailableComponentsSchema, availableComponents);
    facets.push(translateComponents(availableComponents, addresses, serialize));
  }
  facets.push(...unrecognizedParts(message, addresses));
  return {
    seq: message.sequenceNum,
    capabilities: message.capabilities,
    facets,
    message: message.customMessage === undefined ? null : translateMessage(message.customMessage, addresses),
    wantsUid: (message.flags & BigInt(AgentToServerFlags.AgentToServerFlags_RequestInstanceUid)) !== 0n,
    csr:
      connectionSettingsRequest === undefined
        ? null
        : (connectionSettingsRequest.opamp?.certificateRequest?.csr.slice() ?? new Uint8Array()),
    isGoodbye: message.agentDisconnect !== undefined,
  };
}

/** Capability bits by name; those without one as `bit-<n>`. */
export function capabilityNames(bits: bigint): readonly string[] {
  const unknown = unknownCapabilities(bits).toString(2);
  const nameless = [...unknown].reverse().flatMap((bit, n) => (bit === "1" ? [`bit-${n}`] : []));
  return [...agentCapabilityNames(bits), ...nameless];
}

/** Every sub-message of which a newer specification may say more, and the message around them. */
function unrecognizedParts(message: AgentToServer, addresses: Addresses): readonly ReportedFacet[] {
  const values = message as unknown as Readonly<Record<string, unknown>>; // a message has a property per field
  const parts = AgentToServerSchema.fields.flatMap((field) => {
    const part = values[field.localName];
    if (field.fieldKind !== "message" || part === undefined || TRANSIENT.has(field.message)) return [];
    return [unrecognized(field.name, field.message, part as Message, addresses)];
  });
  if (message.$unknown === undefined || message.$unknown.length === 0) return parts;
  const { $unknown } = message;
  const shell = { ...EMPTY_MESSAGE, $unknown } as AgentToServer; // its unknown fields alone
  return [...parts, unrecognized("message", AgentToServerSchema, shell, addresses)];
}

/** Requests are answered, not remembered. */
const TRANSIENT: ReadonlySet<DescMessage> = new Set([ConnectionSettingsRequestSchema]);
const EMPTY_MESSAGE = create(AgentToServerSchema);

function unrecognized(part: string, desc: DescMessage, value: Message, addresses: Addresses): ReportedFacet {
  if (!hasUnrecognized(desc, value)) return { kind: "unrecognized", digest: "", part, kept: null };
  const body = toBinary(desc, value);
  const address = addresses.ofContent(body);
  return { kind: "unrecognized", digest: address, part, kept: { address, body } };
}
