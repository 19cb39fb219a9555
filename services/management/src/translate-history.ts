// What happened to an agent, and what it takes, in the API's words. Pure.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type AgentView, type HistoryEntry, type HistoryKind, usageOf } from "@muster/fleet";
import {
  type AgentHistoryEntrySchema,
  AgentHistoryKind,
  type ResourceUsageSchema,
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

/** What an agent takes; null where its health says nothing of it. */
export function toUsage({ health }: AgentView): MessageInitShape<typeof ResourceUsageSchema> | null {
  const usage = usageOf(health?.value ?? null);
  if (health === null || usage === null) return null;
  const { cpuPercent, memoryBytes } = usage;
  return {
    reportTime: timestampFromMs(health.atMs),
    ...(cpuPercent !== null && { cpuPercent }),
    ...(memoryBytes !== null && { memoryBytes: BigInt(memoryBytes) }),
  };
}
