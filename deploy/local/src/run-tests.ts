// Every spec of the checkout in one run of Node's own test runner, then one closing line with its counts. Called by
// test.ts (`npm test`) and verify.ts. Filters narrow the run to files whose path contains one of them.

import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { ensureRedisServer } from "./find-redis.ts";
import { root } from "./paths.ts";
import { print, Remedy, say } from "./say.ts";
import { addEvent, closingLine, noCounts, type TestCounts } from "./test-counts.ts";

/** Quick ones first; those that start whole stacks come last. */
const folders = ["packages", "services", "deploy/local", "loadtest", "e2e"];

/** A story across processes may take minutes; a hang is longer than that. */
const fileTimeoutMs = 15 * 60_000;

/** Runs the specs, prints the reports and the closing line; resolves whether tests ran and all of them passed. */
export async function runTests(filters: readonly string[], signal: AbortSignal): Promise<boolean> {
  process.chdir(root); // specs of every workspace run from the same place
  const files = findSpecs(filters);
  if (files.length === 0)
    throw new Remedy("no spec file matches; arguments are parts of paths, such as packages/store.");
  ensureRedisServer();
  say(`running ${files.length} spec files ...`);
  const counts = await runSpecs(files, signal);
  if (signal.aborted) say("interrupted; the counts are of what had run.");
  else if (counts.passed + counts.failed === 0) say("no test ran, which is not a pass.");
  print(`${closingLine(counts)}\n`);
  return counts.failed === 0 && counts.passed > 0 && !signal.aborted;
}

/** Spec files by folder, whose path contains one of the filters; all of them without filters. */
function findSpecs(filters: readonly string[]): string[] {
  const wanted = (file: string) => filters.length === 0 || filters.some((filter) => file.includes(filter));
  return folders.flatMap((folder) =>
    globSync(`${folder}/**/*.spec.ts`, { cwd: root, exclude: (name) => name === "node_modules" || name === "dist" })
      .filter(wanted)
      .sort(),
  );
}

async function runSpecs(files: readonly string[], signal: AbortSignal): Promise<TestCounts> {
  const events = run({
    files: files.map((file) => `${root}${file}`),
    concurrency: Math.max(2, availableParallelism()),
    timeout: fileTimeoutMs,
    signal,
  });
  let counts = noCounts;
  events.on("test:pass", ({ name, file, skip, todo, details }) => {
    counts = addEvent(counts, { kind: "pass", name, file, skip, todo, type: details.type });
  });
  events.on("test:fail", ({ name, file, skip, todo, details }) => {
    const { failureType } = details.error as { failureType?: unknown }; // set by the runner, missing in its types
    counts = addEvent(counts, { kind: "fail", name, file, skip, todo, type: details.type, failureType });
  });
  // The reporter writes its own summary; our line has to come after the last of it.
  for await (const part of events.compose(new spec())) print(String(part));
  print("\n");
  return counts;
}
