// When what an agent takes is worth writing down: agents measure themselves every few seconds, and nobody needs to know every
// megabyte. What is known of one agent at one gateway as data, and its transitions. Pure. Called by the gateway's receiver.

import { type CpuCounter, type MetricPoint, NO_USAGE, type OwnUsage, readUsage } from "./own-metrics.ts";

/** Who looks at a fleet looks once in a while: more often than this, nothing is written of one agent. */
export const MIN_WRITE_MS = 60_000;
/** So often it is written although it is as before, so that its age says whether the agent still tells. */
export const MAX_AGE_MS = 10 * 60_000;
/** Of an agent that was not heard of before, the point that tells its CPU is waited for: a few times as long as any sends them. */
export const MAX_WAIT_MS = 3 * 60_000;
/** A change of so much CPU matters to a machine of any size. */
export const NOTABLE_CORES = 0.1;
/** So does one of a fifth, */
export const NOTABLE_CPU_SHARE = 0.2;
/** but below these, of cores and of percent points, it is what an idle process does when it collects its garbage. */
export const MIN_CORES = 0.02;
export const MIN_PERCENT = 1;
/** Of memory, which grows and shrinks with every batch, a tenth. */
export const NOTABLE_MEMORY_SHARE = 0.1;

/** What a gateway knows of one agent. */
export interface UsageState {
  readonly counter: CpuCounter | null;
  /** What it last said, field by field: one request need not have all. */
  readonly usage: OwnUsage;
  /** When it last said each. */
  readonly toldAtMs: Readonly<Record<keyof OwnUsage, number>>;
  /** Since when but one point of its CPU's counter is known, and nothing else of its CPU; null: that is not so. */
  readonly halfSinceMs: number | null;
  readonly written: { readonly usage: OwnUsage; readonly atMs: number } | null;
}

/** Of an agent that said nothing yet. */
export const UNTOLD: UsageState = {
  counter: null,
  usage: NO_USAGE,
  toldAtMs: { cpuPercent: 0, cpuCores: 0, memoryBytes: 0 },
  halfSinceMs: null,
  written: null,
};

const FIELDS = ["cpuPercent", "cpuCores", "memoryBytes"] as const satisfies readonly (keyof OwnUsage)[];

/** Takes in what an agent says of itself. `nowMs` is when it reached us: its own clock may be anywhere. */
export function hear(state: UsageState, points: readonly MetricPoint[], nowMs: number): UsageState {
  const { usage: said, counter } = readUsage(points, state.counter);
  const usage: Record<keyof OwnUsage, number | null> = { ...state.usage };
  const toldAtMs = { ...state.toldAtMs };
  for (const field of FIELDS) {
    if (said[field] !== null) {
      usage[field] = said[field];
      toldAtMs[field] = nowMs;
    } else if (nowMs - toldAtMs[field] > MAX_AGE_MS) usage[field] = null;
  }
  const isFirst = state.counter === null || (state.halfSinceMs !== null && counter === state.counter);
  const isHalf = isFirst && counter !== null && usage.cpuCores === null;
  return { ...state, counter, usage, toldAtMs, halfSinceMs: isHalf ? (state.halfSinceMs ?? nowMs) : null };
}

/** What is to be written now; null for nothing. */
export function news({ usage, halfSinceMs, written }: UsageState, nowMs: number): OwnUsage | null {
  if (FIELDS.every((field) => usage[field] === null)) return null;
  if (written === null) return halfSinceMs !== null && nowMs - halfSinceMs < MAX_WAIT_MS ? null : usage;
  const ageMs = nowMs - written.atMs;
  if (ageMs < MIN_WRITE_MS) return null;
  return ageMs >= MAX_AGE_MS || isNotable(written.usage, usage) ? usage : null;
}

/** The same, once it is written. */
export function wrote(state: UsageState, usage: OwnUsage, nowMs: number): UsageState {
  return { ...state, written: { usage, atMs: nowMs } };
}

function isNotable(before: OwnUsage, now: OwnUsage): boolean {
  return FIELDS.some((field) => {
    const [old, value] = [before[field], now[field]];
    if (old === null || value === null) return old !== value;
    return isFar[field](old, Math.abs(value - old));
  });
}

const isFar = {
  cpuPercent: (old, change) => change > MIN_PERCENT && change > NOTABLE_CPU_SHARE * old,
  cpuCores: (old, change) => change > NOTABLE_CORES || (change > MIN_CORES && change > NOTABLE_CPU_SHARE * old),
  memoryBytes: (old, change) => change > NOTABLE_MEMORY_SHARE * old,
} as const satisfies Record<keyof OwnUsage, (old: number, change: number) => boolean>;
