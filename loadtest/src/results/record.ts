// A recorded result: what one run of a scenario found, on which machine, at which commit. Lives in loadtest/results as
// JSON; docs/performance.md is drawn from these files and from nothing else.

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { arch, availableParallelism, cpus, release, totalmem } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { LIKE_SERVICES } from "../measure/footing.ts";
import type { Metric, RatioPlan, Reading } from "./plan.ts";
import type { Summary } from "./summary.ts";

/** The file format; a reader refuses others. */
const FORMAT = 1;

/** Where a run took place. */
export interface Machine {
  readonly cpu: string;
  readonly coreCount: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly architecture: string;
  readonly node: string;
  /** The library that services and bare servers preloaded to take memory from, "" for the C library's own; old results do not say. */
  readonly allocator?: string;
}

/** One file of loadtest/results. */
export interface RecordedResult {
  readonly format: typeof FORMAT;
  readonly scenario: string;
  /** What was typed. */
  readonly command: string;
  readonly commit: string;
  /** Whether files differed from that commit. */
  readonly isDirty: boolean;
  /** When the run ended, ISO 8601 in UTC. */
  readonly date: string;
  readonly machine: Machine;
  /** Whether servers and load were kept to a core each. */
  readonly isPinned: boolean;
  readonly agents: number;
  readonly rounds: number;
  readonly metrics: readonly Metric[];
  readonly ratioPlans: readonly RatioPlan[];
  readonly readings: readonly Reading[];
  readonly summary: Summary;
}

const folder = fileURLToPath(new URL("../../results/", import.meta.url));

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    coreCount: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    architecture: arch(),
    node: process.version,
    allocator: basename(LIKE_SERVICES.env.LD_PRELOAD ?? ""),
  };
}

/** What this process runs: the commit, and whether files differ from it. */
export function thisCommit(): Pick<RecordedResult, "commit" | "isDirty"> {
  return {
    commit: git("rev-parse", "HEAD"),
    // Results of the run before, and what is drawn from them, are no part of what was measured.
    isDirty: git("status", "--porcelain", "--", ":/", ":!/loadtest/results", ":!/docs") !== "",
  };
}

/** The code that something was measured with, and the day, in words. */
export function codeOf({ commit, isDirty, date }: Pick<RecordedResult, "commit" | "isDirty" | "date">): string {
  const changes = isDirty ? ", with changes that were not committed" : "";
  return `commit ${commit.slice(0, 12)}${changes}, ${date.slice(0, 10)}`;
}

/** Writes the result over the one that the scenario had, with everything that says where it comes from. */
export function saveResult(result: Omit<RecordedResult, "format" | "commit" | "isDirty" | "date" | "machine">): string {
  const recorded: RecordedResult = {
    format: FORMAT,
    ...result,
    ...thisCommit(),
    date: new Date().toISOString(),
    machine: thisMachine(),
  };
  mkdirSync(folder, { recursive: true });
  const file = `${folder}${result.scenario}.json`;
  writeFileSync(file, `${JSON.stringify(recorded, null, 2)}\n`);
  return file;
}

/** All recorded results, by scenario. @throws Error naming a file that is none */
export function loadResults(): ReadonlyMap<string, RecordedResult> {
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const results = files.map((name) => parseResult(readFileSync(`${folder}${name}`, "utf8"), name));
  return new Map(results.map((result) => [result.scenario, result]));
}

/** Reads one file. Exported for its specs. @throws Error naming what is wrong */
export function parseResult(text: string, name: string): RecordedResult {
  const result: Partial<RecordedResult> = JSON.parse(text);
  if (result.format !== FORMAT) throw new Error(`${name} is no result of format ${FORMAT}; record it again`);
  const missing = REQUIRED.filter((field) => result[field] === undefined);
  if (missing.length > 0) throw new Error(`${name} lacks ${missing.join(", ")}; record it again`);
  return result as RecordedResult; // every field is there, and only saveResult writes them
}

const REQUIRED = [
  "scenario",
  "command",
  "commit",
  "isDirty",
  "date",
  "machine",
  "isPinned",
  "agents",
  "rounds",
  "metrics",
  "ratioPlans",
  "readings",
  "summary",
] as const satisfies readonly (keyof RecordedResult)[];

function git(...args: string[]): string {
  return execFileSync("git", args, { cwd: folder, encoding: "utf8" }).trim();
}
