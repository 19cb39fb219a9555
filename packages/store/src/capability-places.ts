// Capabilities as their places in a list: an agent names ten of them, and their names would be a fifth of its record. Pure.

/** The list only grows, at its end, and what is added is known to all processes before any writes it. */
const CAPABILITIES: readonly string[] = [
  "ReportsStatus",
  "AcceptsRemoteConfig",
  "ReportsEffectiveConfig",
  "AcceptsPackages",
  "ReportsPackageStatuses",
  "ReportsOwnTraces",
  "ReportsOwnMetrics",
  "ReportsOwnLogs",
  "AcceptsOpAMPConnectionSettings",
  "AcceptsOtherConnectionSettings",
  "AcceptsRestartCommand",
  "ReportsHealth",
  "ReportsRemoteConfig",
  "ReportsHeartbeat",
  "ReportsAvailableComponents",
  "ReportsConnectionSettingsStatus",
];
const PLACES = new Map(CAPABILITIES.map((name, i) => [name, i]));

/** A capability by its place; one that is not in the list, such as `bit-40`, by its name. */
export type ShortCapability = number | string;

/** The places of capabilities. */
export function shortCapabilities(names: readonly string[]): readonly ShortCapability[] {
  return names.map((name) => PLACES.get(name) ?? name);
}

/** Their names again. */
export function fullCapabilities(short: readonly ShortCapability[]): readonly string[] {
  return short.map((each) => (typeof each === "number" ? (CAPABILITIES[each] ?? `place ${each}`) : each));
}
