// How much CPU and memory an agent takes, where its health says so: attributes by the names of OpenTelemetry's semantic
// conventions, of the agent itself or of the first part that has them. Pure. Where nothing tells, nothing is guessed.

import type { Attributes, Health } from "./event.ts";

/** What an agent takes; null for what it does not say. */
export interface ResourceUsage {
  /** Of all its processors, 0 to 100. */
  readonly cpuPercent: number | null;
  readonly memoryBytes: number | null;
}

/** A share of 1. */
const CPU_KEYS = ["process.cpu.utilization", "system.cpu.utilization"];
const MEMORY_KEYS = ["process.memory.usage", "process.memory.rss", "system.memory.usage"];
/** Parts that are looked at. */
const MAX_PARTS = 200;

/** Null where health says nothing of either. */
export function usageOf(health: Health | null): ResourceUsage | null {
  if (health === null) return null;
  const lists = attributesIn(health);
  const [cpu, memory] = [firstOf(lists, CPU_KEYS), firstOf(lists, MEMORY_KEYS)];
  if (cpu === null && memory === null) return null;
  return { cpuPercent: cpu === null ? null : 100 * cpu, memoryBytes: memory === null ? null : Math.round(memory) };
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
