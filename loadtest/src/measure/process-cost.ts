// What processes have cost so far, read from /proc: independent of how busy the load generator is.

import { readFileSync } from "node:fs";

/** User and system time in microseconds; /proc counts in hundredths of a second. */
export function cpuMicros(...pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuMicrosOf(pid), 0);
}

/** Memory that is resident, in bytes. Pages that processes share count for each of them. */
export function residentBytes(...pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + residentBytesOf(pid), 0);
}

function cpuMicrosOf(pid: number): number {
  // The name in brackets may hold anything, also a bracket.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function residentBytesOf(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return Number(kilobytes) * 1024;
}
