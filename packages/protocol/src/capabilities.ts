// Capability bitmasks: bits to names and back, and which bit an offer or a report needs.
//
// Masks are bigint end to end: the wire has 64 bits and `&` on numbers keeps 32. Unknown bits are kept, never
// refused; they belong to specifications that are newer than ours.

/** The bits of `AgentToServer.capabilities` by name. */
export const AGENT_CAPABILITIES = {
  ReportsStatus: 0x1n,
  AcceptsRemoteConfig: 0x2n,
  ReportsEffectiveConfig: 0x4n,
  AcceptsPackages: 0x8n,
  ReportsPackageStatuses: 0x10n,
  ReportsOwnTraces: 0x20n,
  ReportsOwnMetrics: 0x40n,
  ReportsOwnLogs: 0x80n,
  AcceptsOpAMPConnectionSettings: 0x100n,
  AcceptsOtherConnectionSettings: 0x200n,
  AcceptsRestartCommand: 0x400n,
  ReportsHealth: 0x800n,
  ReportsRemoteConfig: 0x1000n,
  ReportsHeartbeat: 0x2000n,
  ReportsAvailableComponents: 0x4000n,
  ReportsConnectionSettingsStatus: 0x8000n,
} as const;

/** Name of something an agent can do. */
export type AgentCapability = keyof typeof AGENT_CAPABILITIES;

/** The bits of `ServerToAgent.capabilities` by name. */
export const SERVER_CAPABILITIES = {
  AcceptsStatus: 0x1n,
  OffersRemoteConfig: 0x2n,
  AcceptsEffectiveConfig: 0x4n,
  OffersPackages: 0x8n,
  AcceptsPackagesStatus: 0x10n,
  OffersConnectionSettings: 0x20n,
  AcceptsConnectionSettingsRequest: 0x40n,
} as const;

/** Name of something a server can do. */
export type ServerCapability = keyof typeof SERVER_CAPABILITIES;

/**
 * What a server may send only to an agent that has the bit. `custom_message` is missing on purpose: it depends
 * on the agent's CustomCapabilities, not on a bit.
 */
export const OFFER_REQUIRES = {
  remoteConfig: "AcceptsRemoteConfig",
  packagesAvailable: "AcceptsPackages",
  opampConnection: "AcceptsOpAMPConnectionSettings",
  ownMetricsConnection: "ReportsOwnMetrics",
  ownTracesConnection: "ReportsOwnTraces",
  ownLogsConnection: "ReportsOwnLogs",
  otherConnections: "AcceptsOtherConnectionSettings",
  command: "AcceptsRestartCommand",
  reportAvailableComponents: "ReportsAvailableComponents",
} as const satisfies Record<string, AgentCapability>;

/** Something a server can offer or ask for. */
export type Offerable = keyof typeof OFFER_REQUIRES;

/**
 * What to expect only from an agent that has the bit. Receive liberally all the same: common agents send
 * health, empty package statuses and an UNSET config status without the bits.
 */
export const REPORT_REQUIRES = {
  effectiveConfig: "ReportsEffectiveConfig",
  packageStatuses: "ReportsPackageStatuses",
  health: "ReportsHealth",
  remoteConfigStatus: "ReportsRemoteConfig",
  availableComponents: "ReportsAvailableComponents",
  connectionSettingsStatus: "ReportsConnectionSettingsStatus",
  heartbeat: "ReportsHeartbeat",
} as const satisfies Record<string, AgentCapability>;

/** Something an agent reports if it has the bit. */
export type Reportable = keyof typeof REPORT_REQUIRES;

/** Says whether an agent's mask has the named bit. */
export function hasCapability(mask: bigint, capability: AgentCapability): boolean {
  return (mask & AGENT_CAPABILITIES[capability]) !== 0n;
}

/** Says whether this may be sent to an agent with that mask. */
export function mayOffer(mask: bigint, what: Offerable): boolean {
  return hasCapability(mask, OFFER_REQUIRES[what]);
}

/** Says whether this is to be expected from an agent with that mask. */
export function mayReport(mask: bigint, what: Reportable): boolean {
  return hasCapability(mask, REPORT_REQUIRES[what]);
}

/** Names the known bits of an agent's mask in bit order. Unknown bits have no name; see `unknownCapabilities`. */
export function agentCapabilityNames(mask: bigint): readonly AgentCapability[] {
  return AGENT_NAMES.filter((name) => hasCapability(mask, name));
}

/** Joins named bits to an agent's mask. */
export function agentCapabilityMask(names: Iterable<AgentCapability>): bigint {
  let mask = 0n;
  for (const name of names) mask |= AGENT_CAPABILITIES[name];
  return mask;
}

/** Keeps the bits of an agent's mask that this specification does not name. */
export function unknownCapabilities(mask: bigint): bigint {
  return mask & ~ALL_AGENT_BITS;
}

/** Names the known bits of a server's mask in bit order. */
export function serverCapabilityNames(mask: bigint): readonly ServerCapability[] {
  return SERVER_NAMES.filter((name) => (mask & SERVER_CAPABILITIES[name]) !== 0n);
}

/** Joins named bits to a server's mask. */
export function serverCapabilityMask(names: Iterable<ServerCapability>): bigint {
  let mask = 0n;
  for (const name of names) mask |= SERVER_CAPABILITIES[name];
  return mask;
}

// Object.keys is typed string[]; the tables above are literals, so their keys are exactly these.
const AGENT_NAMES = Object.keys(AGENT_CAPABILITIES) as readonly AgentCapability[];
const SERVER_NAMES = Object.keys(SERVER_CAPABILITIES) as readonly ServerCapability[];
const ALL_AGENT_BITS = agentCapabilityMask(AGENT_NAMES);
