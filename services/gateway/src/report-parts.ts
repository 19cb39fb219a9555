// The sub-messages of a report, one function each: wire → facet. Pure. Called by report.ts, which says what the limits
// are for.

import { hash } from "node:crypto";
import {
  type AckState,
  type Attributes,
  type AttributeValue,
  encodeEffective,
  type Health,
  type PackageReport,
  type PackageState,
  parseConfigHash,
} from "@muster/fleet";
import { decodeAttributes } from "@muster/protocol";
import type { KeyValue } from "@muster/protocol/anyvalue";
import type {
  AgentDescription,
  AvailableComponents,
  ComponentHealth,
  ConnectionSettingsStatus,
  CustomCapabilities,
  CustomMessage,
  EffectiveConfig,
  PackageStatus,
  PackageStatuses,
  RemoteConfigStatus,
} from "@muster/protocol/opamp";
import { PackageStatusEnum, RemoteConfigStatuses } from "@muster/protocol/opamp";
import type { Addresses, ReportedFacet, ReportedMessage } from "./report.ts";

/** Words of an agent are kept up to this many characters: a supervisor sends whole log tails as its error. */
const MAX_ERROR_CHARS = 4_096;
/** Names of packages, capabilities and message types. */
const MAX_NAME_CHARS = 1_024;
/** Parts of a health tree, attributes of one list, packages, custom capabilities. */
const MAX_HEALTH_PARTS = 1_000;
/** Levels of a health tree and of an attribute's value. Readers of our API nest them further, and stop at 100 levels. */
const MAX_HEALTH_LEVELS = 32;
const MAX_VALUE_LEVELS = 16;
const MAX_ATTRIBUTES = 1_000;
const MAX_PACKAGES = 1_000;
const MAX_CUSTOM_CAPABILITIES = 256;
/** Hashes are opaque, but nobody's digest is longer than this. */
const MAX_HASH_BYTES = 256;
/** An inventory beyond this is not kept; those of the largest distributions are a tenth of it. */
const MAX_INVENTORY_BYTES = 512 * 1024;
/** A custom message's content beyond this is not kept; its size is. */
const MAX_MESSAGE_BYTES = 1024 * 1024;

type FacetOf<Kind extends ReportedFacet["kind"]> = Extract<ReportedFacet, { readonly kind: Kind }>;

export function translateDescription(description: AgentDescription): FacetOf<"description"> {
  const identifying = attributesOf(description.identifyingAttributes);
  const nonIdentifying = attributesOf(description.nonIdentifyingAttributes);
  return { kind: "description", digest: digest([identifying, nonIdentifying]), identifying, nonIdentifying };
}

export function translateHealth(health: ComponentHealth): FacetOf<"health"> {
  const tree = healthTree(health, { left: MAX_HEALTH_PARTS }, MAX_HEALTH_LEVELS);
  return { kind: "health", digest: digest(tree), health: tree };
}

export function translateAcknowledgement(status: RemoteConfigStatus): FacetOf<"acknowledgement"> {
  const told = {
    hash: parseConfigHash(hex(status.lastRemoteConfigHash)),
    state: ackState(status.status),
    error: words(status.errorMessage),
  };
  return { kind: "acknowledgement", digest: digest(told), ...told };
}

export function translateConnectionStatus(status: ConnectionSettingsStatus): FacetOf<"connectionSettings"> {
  const told = {
    settings: hex(status.lastConnectionSettingsHash),
    state: ackState(status.status), // the two enums have the same numbers
    error: words(status.errorMessage),
  };
  return { kind: "connectionSettings", digest: digest(told), ...told };
}

export function translateEffectiveConfig(config: EffectiveConfig, addresses: Addresses): FacetOf<"effectiveConfig"> {
  const files = byName(config.configMap?.configMap ?? {});
  const sizeBytes = files.reduce((sum, [, file]) => sum + file.body.byteLength, 0);
  const body = encodeEffective(files.map(([name, { contentType, body }]) => ({ name, contentType, body })));
  const address = addresses.ofContent(body);
  return { kind: "effectiveConfig", digest: address, address, body, sizeBytes };
}

export function translatePackages(statuses: PackageStatuses): FacetOf<"packages"> {
  const told = {
    packages: byName(statuses.packages)
      .slice(0, MAX_PACKAGES)
      .map(([name, status]) => packageReport(name, status)),
    allHash: hex(statuses.serverProvidedAllPackagesHash),
    error: words(statuses.errorMessage),
  };
  return { kind: "packages", digest: digest(told), ...told };
}

export function translateCustomCapabilities(custom: CustomCapabilities): FacetOf<"customCapabilities"> {
  const names = new Set(custom.capabilities.slice(0, MAX_CUSTOM_CAPABILITIES).map(name));
  const capabilities = [...names].sort();
  return { kind: "customCapabilities", digest: digest(capabilities), capabilities };
}

/** An inventory is kept under the agent's own hash of it, so that the whole fleet tells it once. */
export function translateComponents(
  components: AvailableComponents,
  addresses: Addresses,
  serialize: () => Uint8Array,
): FacetOf<"components"> {
  const inventory = hex(components.hash);
  const isWhole = Object.keys(components.components).length > 0;
  const serialized = isWhole ? serialize() : null;
  const body = serialized !== null && serialized.byteLength <= MAX_INVENTORY_BYTES ? serialized : null;
  // Without a hash there is nothing to recognise the inventory by but its content.
  const address = inventory === "" && body !== null ? addresses.ofContent(body) : addresses.ofInventory(inventory);
  return { kind: "components", digest: `${address}${isWhole ? WHOLE : ""}`, inventory, address, body };
}

/** Marks the digest of an inventory that was told and not only named: telling it is news. */
const WHOLE = "+";

/** The address in the digest of a components facet. */
export function inventoryAddress(digest: string): string {
  return digest.endsWith(WHOLE) ? digest.slice(0, -WHOLE.length) : digest;
}

export function translateMessage(message: CustomMessage, addresses: Addresses): ReportedMessage {
  const sizeBytes = message.data.byteLength;
  const body = sizeBytes <= MAX_MESSAGE_BYTES ? message.data.slice() : null;
  const kept = body === null ? null : { address: addresses.ofContent(body), body };
  return { capability: name(message.capability), type: name(message.type), sizeBytes, kept };
}

function attributesOf(pairs: readonly KeyValue[]): Attributes {
  const attributes = [...decodeAttributes(pairs.slice(0, MAX_ATTRIBUTES))];
  return attributes.map(([key, value]) => [key, shallow(value, MAX_VALUE_LEVELS)]);
}

/** What lies deeper is null. */
function shallow(value: AttributeValue, levels: number): AttributeValue {
  if (typeof value !== "object" || value === null) return value;
  if (levels <= 1) return null;
  if (Array.isArray(value)) return value.map((item) => shallow(item, levels - 1));
  const parts = Object.entries(value).map(([key, part]) => [key, shallow(part, levels - 1)]);
  return Object.fromEntries(parts); // takes `__proto__` as any other key
}

function healthTree(health: ComponentHealth, budget: { left: number }, levels: number): Health {
  const components: (readonly [string, Health])[] = [];
  for (const [part, its] of byName(health.componentHealthMap)) {
    if (budget.left <= 0 || levels <= 1) break;
    budget.left -= 1;
    components.push([part, healthTree(its, budget, levels - 1)]);
  }
  const attributes = attributesOf(health.attributes);
  return {
    healthy: health.healthy,
    status: words(health.status),
    lastError: words(health.lastError),
    startTimeUnixNano: String(health.startTimeUnixNano),
    statusTimeUnixNano: String(health.statusTimeUnixNano),
    components,
    ...(attributes.length > 0 && { attributes }),
  };
}

const ACK_STATES: Readonly<Record<number, AckState>> = {
  [RemoteConfigStatuses.RemoteConfigStatuses_APPLIED]: "applied",
  [RemoteConfigStatuses.RemoteConfigStatuses_APPLYING]: "applying",
  [RemoteConfigStatuses.RemoteConfigStatuses_FAILED]: "failed",
};

/** UNSET, and numbers that a later specification gives a meaning (R148): those are kept as they came, too. */
function ackState(status: number): AckState {
  return ACK_STATES[status] ?? "unset";
}

const PACKAGE_STATES: Readonly<Record<number, PackageState>> = {
  [PackageStatusEnum.PackageStatusEnum_Installed]: "installed",
  [PackageStatusEnum.PackageStatusEnum_InstallPending]: "install_pending",
  [PackageStatusEnum.PackageStatusEnum_Installing]: "installing",
  [PackageStatusEnum.PackageStatusEnum_InstallFailed]: "install_failed",
  [PackageStatusEnum.PackageStatusEnum_Downloading]: "downloading",
};

/** The map's key is the name: agents are lenient about the field (R97). */
function packageReport(key: string, status: PackageStatus): PackageReport {
  const { downloadDetails } = status;
  return {
    name: name(key),
    agentVersion: name(status.agentHasVersion),
    agentHash: hex(status.agentHasHash),
    offeredVersion: name(status.serverOfferedVersion),
    offeredHash: hex(status.serverOfferedHash),
    state: PACKAGE_STATES[status.status] ?? "unknown",
    error: words(status.errorMessage),
    downloadPercent: finite(downloadDetails?.downloadPercent),
    downloadBytesPerSecond: finite(downloadDetails?.downloadBytesPerSecond),
  };
}

/** Agents divide by the length that a server did not tell. */
function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

function words(text: string): string {
  return text.slice(0, MAX_ERROR_CHARS);
}

function name(text: string): string {
  return text.slice(0, MAX_NAME_CHARS);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, MAX_HASH_BYTES)).toString("hex");
}

/** Encoders write maps in any order, and many in another every time: sorted, the same content has the same digest. */
function byName<Value>(map: Readonly<Record<string, Value>>): readonly (readonly [name: string, value: Value])[] {
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
}

function digest(value: object): string {
  return hash("sha1", JSON.stringify(value), "base64url").slice(0, 12);
}
