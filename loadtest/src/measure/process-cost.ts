// What processes have cost so far, read from /proc: independent of how busy the load generator is.

import { readdirSync, readFileSync } from "node:fs";

/** User and system time in microseconds: to the nanosecond where the kernel keeps account of threads, else in hundredths of a second. */
export function cpuMicros(...pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuMicrosOf(pid), 0);
}

/** Memory that is resident, in bytes. Pages that processes share count for each of them. */
export function residentBytes(...pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + residentBytesOf(pid), 0);
}

function cpuMicrosOf(pid: number): number {
  return threadMicros(pid) ?? tickMicros(pid);
}

/** What all threads of a process ran for; null on kernels that do not say. A thread that ended takes its time along: servers keep theirs. */
function threadMicros(pid: number): number | null {
  let nanos = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanos += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      return null;
    }
  }
  return nanos === 0 ? null : nanos / 1_000;
}

function tickMicros(pid: number): number {
  // The name in brackets may hold anything, also a bracket.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function residentBytesOf(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return Number(kilobytes) * 1024;
}
