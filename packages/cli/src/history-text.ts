// What happened to an agent, as people read it. Pure.

import { type AgentHistoryEntry, AgentHistoryKind, type ResourceUsage } from "@muster/protocol/muster/agents";
import { formatTable } from "./table.ts";
import { formatAge, msOf, oneLine, wordOf } from "./text.ts";

const KIND_WORDS = {
  [AgentHistoryKind.UNSPECIFIED]: "?",
  [AgentHistoryKind.CONNECTED]: "connected",
  [AgentHistoryKind.DISCONNECTED]: "disconnected",
  [AgentHistoryKind.HEALTHY]: "healthy",
  [AgentHistoryKind.UNHEALTHY]: "unhealthy",
  [AgentHistoryKind.RESTARTED]: "restarted",
  [AgentHistoryKind.CONFIG_ANSWERED]: "config",
  [AgentHistoryKind.RENAMED]: "renamed",
} as const satisfies Record<AgentHistoryKind, string>;

/** A table, newest first. */
export function formatHistory(entries: readonly AgentHistoryEntry[], nowMs: number): string {
  if (entries.length === 0) return "Nothing has happened to it since it was first seen.\n";
  const rows = entries.map(({ time, firstTime, kind, count, reason, message, configHash }) => {
    const times = count === 1 ? "" : `${count} times since ${formatAge(msOf(firstTime), nowMs)}`;
    const what = [reason, configHash, message].filter((text) => text !== "").join(" ");
    return [formatAge(msOf(time), nowMs), wordOf(KIND_WORDS, kind), oneLine(what, 120) || "-", times];
  });
  return formatTable(["WHEN", "WHAT", "WHY", ""], rows);
}

/** What an agent takes: `12.5% CPU, 0.24 cores, 104.9 MB`. */
export function usageText({ cpuPercent, cpuCores, memoryBytes }: ResourceUsage): string {
  const share = cpuPercent === undefined ? [] : [`${cpuPercent.toFixed(1)}% CPU`];
  const cores = cpuCores === undefined ? [] : [`${cpuCores.toFixed(cpuCores < 0.1 ? 3 : 2)} cores`];
  const memory = memoryBytes === undefined ? [] : [`${(Number(memoryBytes) / 1e6).toFixed(1)} MB`];
  return [...share, ...cores, ...memory].join(", ");
}
