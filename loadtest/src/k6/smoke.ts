// `npm run k6 -- smoke`: the runs of smoke-plan.ts one after another in one Muster. Its last line is what CI reads.

import { runLocally } from "./local-run.ts";
import { SMOKE, type SmokeRun } from "./smoke-plan.ts";
import type { World } from "./world.ts";

/** Runs all of them, also after one that failed; resolves whether none did. */
export async function runSmoke(world: World, signal: AbortSignal): Promise<boolean> {
  const failed: string[] = [];
  let passedCount = 0;
  let k6Ms = 0;
  for (const run of SMOKE) {
    if (signal.aborted) return false;
    process.stdout.write(`k6 ${run.name} (${run.agents} agents)\n`);
    const startedAtMs = performance.now();
    const exitCode = await runLocally(run.script, { env: envOf(run), localIps: null }, world, signal);
    k6Ms += performance.now() - startedAtMs;
    if (exitCode === run.exitCode) passedCount++;
    else failed.push(`k6 ${run.name}: exit code ${exitCode} instead of ${run.exitCode}\n`);
  }
  process.stdout.write(failed.join(""));
  process.stdout.write(`k6 took ${(k6Ms / 1000).toFixed(1)} s\n`);
  process.stdout.write(`k6 smoke: ${passedCount} passed, ${failed.length} failed\n`);
  return failed.length === 0;
}

function envOf({ agents, durationSeconds, env }: SmokeRun): Readonly<Record<string, string>> {
  return { ...env, AGENTS: `${agents}`, DURATION_SECONDS: `${durationSeconds}` };
}
