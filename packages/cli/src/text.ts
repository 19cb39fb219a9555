// Values as people read and write them: spans, ages, counts, short hashes. Pure.

import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { RemoteConfigState } from "@muster/protocol/muster/agents";

/** What agents say of an offer. */
export const STATE_WORDS = {
  [RemoteConfigState.UNSPECIFIED]: "no answer",
  [RemoteConfigState.APPLIED]: "applied",
  [RemoteConfigState.APPLYING]: "applying",
  [RemoteConfigState.FAILED]: "failed",
} as const satisfies Record<RemoteConfigState, string>;

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a span such as `30s`, `5m`, `1h30m` or `0`; null when it is none. */
export function parseSpanMs(text: string): number | null {
  if (text === "0") return 0;
  if (!/^(\d+(ms|s|m|h|d))+$/.test(text)) return null;
  const parts = text.matchAll(/(\d+)(ms|s|m|h|d)/g);
  // The pattern knows no other units.
  return [...parts].reduce((sum, [, n, unit]) => sum + Number(n) * UNITS_MS[unit as keyof typeof UNITS_MS], 0);
}

/** A span in its two largest units: `1h 30m`, `12s`. */
export function formatSpan(ms: number): string {
  if (ms < 1_000) return ms === 0 ? "0s" : `${Math.round(ms)}ms`;
  const parts: string[] = [];
  let restS = Math.floor(ms / 1_000);
  for (const [unit, seconds] of [
    ["d", 86_400],
    ["h", 3_600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const count = Math.floor(restS / seconds);
    restS -= count * seconds;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

/** How long ago something was: `3m ago`; "-" when it never was. */
export function formatAge(atMs: number | null, nowMs: number): string {
  if (atMs === null) return "-";
  const [largest = "0s"] = formatSpan(Math.max(0, nowMs - atMs)).split(" ");
  return largest.endsWith("ms") ? "now" : `${largest} ago`;
}

/** A time of the API in milliseconds since 1970; null when there is none. */
export function msOf(time: Timestamp | undefined): number | null {
  return time === undefined ? null : timestampMs(time);
}

/** The beginning of a hash, enough to tell one from another. */
export function shortHash(hash: string): string {
  return hash.slice(0, 12);
}

/** `1 agent`, `2 agents`. */
export function counted(count: number | bigint, noun: string): string {
  return `${count} ${noun}${Number(count) === 1 ? "" : "s"}`;
}

/** One line of at most `maxChars`; what agents say may be many lines long. */
export function oneLine(text: string, maxChars: number): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length <= maxChars ? line : `${line.slice(0, maxChars - 1)}…`;
}

/** The word for the value of an enum; a newer server may send values that have none here. */
export function wordOf(words: Readonly<Record<number, string>>, value: number): string {
  return words[value] ?? "?";
}

/** How many letters must be changed, added or taken away to make one word of another. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (letter === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
