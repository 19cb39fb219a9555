// What happened to an agent, and what it takes, in the API's words. Pure.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type AgentView, type HistoryEntry, type HistoryKind, type ResourceUsage, usageOf } from "@muster/fleet";
import {
  type AgentHistoryEntrySchema,
  AgentHistoryKind,
  type ResourceUsageSchema,
  ResourceUsageSource,
} from "@muster/protocol/muster/agents";

const KINDS = {
  connected: AgentHistoryKind.CONNECTED,
  disconnected: AgentHistoryKind.DISCONNECTED,
  healthy: AgentHistoryKind.HEALTHY,
  unhealthy: AgentHistoryKind.UNHEALTHY,
  restarted: AgentHistoryKind.RESTARTED,
  config_answered: AgentHistoryKind.CONFIG_ANSWERED,
  renamed: AgentHistoryKind.RENAMED,
} as const satisfies Record<HistoryKind, AgentHistoryKind>;

/** Something that happened. */
export function toHistoryEntry(entry: HistoryEntry): MessageInitShape<typeof AgentHistoryEntrySchema> {
  const { kind, firstAtMs, lastAtMs, count, reason, hash, message } = entry;
  const [time, firstTime] = [timestampFromMs(lastAtMs), timestampFromMs(firstAtMs)];
  return { kind: KINDS[kind], time, firstTime, count, reason, message, configHash: hash };
}

const SOURCES = {
  own_metrics: ResourceUsageSource.OWN_METRICS,
  health: ResourceUsageSource.HEALTH,
} as const satisfies Record<ResourceUsage["source"], ResourceUsageSource>;

/** What an agent takes; null where it says nothing of it. */
export function toUsage(view: AgentView): MessageInitShape<typeof ResourceUsageSchema> | null {
  const usage = usageOf(view);
  if (usage === null) return null;
  const { cpuPercent, cpuCores, memoryBytes, source, reportedAtMs } = usage;
  return {
    reportTime: timestampFromMs(reportedAtMs),
    source: SOURCES[source],
    ...(cpuPercent !== null && { cpuPercent }),
    ...(cpuCores !== null && { cpuCores }),
    ...(memoryBytes !== null && { memoryBytes: BigInt(memoryBytes) }),
  };
}
