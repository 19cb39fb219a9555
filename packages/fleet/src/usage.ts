// How much CPU and memory an agent takes: as its own metrics say (own-metrics.ts), and where these do not, as its health does, by
// attributes with the names of OpenTelemetry's semantic conventions, of the agent itself or of the first part that has them. Pure.
// Where nothing tells, nothing is guessed.

import type { Attributes, Health } from "./event.ts";
import { NO_USAGE, type OwnUsage } from "./own-metrics.ts";
import { MAX_AGE_MS, MIN_WRITE_MS } from "./usage-news.ts";
import type { AgentView } from "./view.ts";

/** What an agent takes; null for what nothing says. */
export interface ResourceUsage extends OwnUsage {
  /** Where it is from; what own metrics lack beside the others is from its health. */
  readonly source: "own_metrics" | "health";
  /** When that reached a gateway. */
  readonly reportedAtMs: number;
}

/** A share of 1. */
const CPU_KEYS = ["process.cpu.utilization", "system.cpu.utilization"];
const MEMORY_KEYS = ["process.memory.usage", "process.memory.rss", "system.memory.usage"];
/** Parts that are looked at. */
const MAX_PARTS = 200;

/** Own metrics are written when they changed, else this often: of an agent that still sends them, none are older. */
const TRUSTED_MS = MAX_AGE_MS + MIN_WRITE_MS;

/**
 * What own metrics say counts, and beside it what health says of the rest. Own metrics that ended count until health says
 * something newer. Null where nothing says anything.
 */
export function usageOf({ health, ownUsage }: Pick<AgentView, "health" | "ownUsage">): ResourceUsage | null {
  const told = health === null ? null : healthUsage(health.value);
  const isOwn = ownUsage !== null && (told === null || health === null || health.atMs <= ownUsage.atMs + TRUSTED_MS);
  if (isOwn) {
    const { cpuPercent, cpuCores, memoryBytes } = ownUsage.value;
    return {
      cpuPercent: cpuPercent ?? told?.cpuPercent ?? null,
      cpuCores,
      memoryBytes: memoryBytes ?? told?.memoryBytes ?? null,
      source: "own_metrics",
      reportedAtMs: ownUsage.atMs,
    };
  }
  return told === null || health === null ? null : { ...told, source: "health", reportedAtMs: health.atMs };
}

function healthUsage(health: Health): OwnUsage | null {
  const lists = attributesIn(health);
  const [cpu, memory] = [firstOf(lists, CPU_KEYS), firstOf(lists, MEMORY_KEYS)];
  if (cpu === null && memory === null) return null;
  const cpuPercent = cpu === null ? null : 100 * cpu;
  return { ...NO_USAGE, cpuPercent, memoryBytes: memory === null ? null : Math.round(memory) };
}

/** Attributes of the agent, then of its parts, the outer ones first. */
function attributesIn(health: Health): readonly Attributes[] {
  const parts = [health];
  for (let i = 0; i < parts.length && parts.length < MAX_PARTS; i++) {
    for (const [, part] of parts[i]?.components ?? []) parts.push(part);
  }
  return parts.flatMap(({ attributes }) => (attributes === undefined ? [] : [attributes]));
}

function firstOf(lists: readonly Attributes[], keys: readonly string[]): number | null {
  for (const attributes of lists) {
    for (const name of keys) {
      const value = attributes.find(([key]) => key === name)?.[1];
      const isNumber = typeof value === "number" || (typeof value === "string" && value.trim() !== "");
      const number = isNumber ? Number(value) : Number.NaN;
      // Who reports more bytes than fit into a number of the API says nothing that anybody could believe.
      if (number >= 0 && number <= Number.MAX_SAFE_INTEGER) return number;
    }
  }
  return null;
}
