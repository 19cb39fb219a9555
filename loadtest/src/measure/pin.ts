// Keeps processes on a core, so that a server and its load do not take each other's time. Uses taskset; where that is
// missing, or where there is one core only, nothing is pinned and the results say so.

import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

/** The core of servers, and that of the load, when processes can be pinned. */
export const CORE = { server: 0, load: 1 } as const;

let can: boolean | undefined;

/** Whether processes can be pinned here. */
export function canPin(): boolean {
  can ??= availableParallelism() > 1 && spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0;
  return can;
}

/** Keeps a process with all its threads on a core, or on those of a list; those it starts later inherit that. */
export function pin(pid: number, core: number | string): void {
  if (canPin()) spawnSync("taskset", ["--all-tasks", "--cpu-list", "--pid", `${core}`, `${pid}`], { stdio: "ignore" });
}

/** The cores that a process may use, as taskset takes them; null where that cannot be told. */
export function coresOf(pid: number): string | null {
  if (!canPin()) return null;
  const { stdout } = spawnSync("taskset", ["--cpu-list", "--pid", `${pid}`], { encoding: "utf8" });
  return /: (\S+)\s*$/.exec(stdout ?? "")?.[1] ?? null;
}

/** The command that starts a program on a core: what it decides by its number of cores, it decides by one. */
export function pinned(core: number, command: string, args: readonly string[]): [command: string, args: string[]] {
  return canPin() ? ["taskset", ["--cpu-list", `${core}`, command, ...args]] : [command, [...args]];
}
