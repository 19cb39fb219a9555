// Load tests: `npm run load -- --scenario peers`. Runs one scenario, prints one table, and keeps the result and the flame
// graphs when it is asked to. Run by bootstrap.mjs; --help lists the scenarios.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureRedisServer, wordsFor } from "@muster/local";
import { saveFlames } from "./flame/save.ts";
import { canPin } from "./measure/pin.ts";
import { type Options, parseOptions, usage } from "./options.ts";
import { codeOf, saveResult, thisCommit, thisMachine } from "./results/record.ts";
import { summarize } from "./results/summary.ts";
import { scenarios } from "./scenarios/index.ts";
import { buildBundles } from "./servers/bundles.ts";
import { whyNotGiven } from "./servers/server.ts";
import { renderTable } from "./table.ts";

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function runScenario(options: Options, args: readonly string[], signal: AbortSignal): Promise<void> {
  const { scenario, agents, rounds, windowMs, servers } = options;
  ensureRedisServer();
  const profileDir = options.isProfiled ? await mkdtemp(join(tmpdir(), "muster-profile-")) : null;
  const { cpu, coreCount, node } = thisMachine();
  say(`${scenario.name}: ${agents} agents, rounds: ${rounds}; ${coreCount} x ${cpu}, Node ${node}`);
  // A profile of a bundle would name no files.
  const isBundled = !options.isSmoke && !options.isProfiled;
  if (isBundled) await buildBundles();
  const readings = await scenario.run({ agents, rounds, windowMs, servers, profileDir, isBundled, say, signal });
  const plan = scenario.plan(servers.map(({ name }) => name));
  const summary = summarize(plan, readings, agents);
  process.stdout.write(renderTable(plan, summary));
  if (profileDir !== null) {
    const code = codeOf({ ...thisCommit(), date: new Date().toISOString() });
    const origin = `${code}, ${agents} agents, ${cpu}, Node ${node}`;
    for (const file of saveFlames(profileDir, scenario.name, origin)) say(`flame graph: ${file}`);
    await rm(profileDir, { recursive: true, force: true });
  }
  if (!options.isRecorded) return;
  const { metrics, ratios: ratioPlans } = plan;
  const command = ["npm run load --", ...args].join(" ");
  const isPinned = scenario.isPinned && canPin();
  say(
    `recorded: ${saveResult({ scenario: scenario.name, command, isPinned, agents, rounds, metrics, ratioPlans, readings, summary })}`,
  );
}

const args = process.argv.slice(2);
if (args.includes("--help")) {
  process.stdout.write(usage(scenarios));
} else {
  const options = parseOptions(args, scenarios);
  const wrong = typeof options === "string" ? options : options.servers.map(whyNotGiven).find((why) => why !== null);
  if (typeof options === "string" || wrong !== undefined) {
    say(`${wrong} See npm run load -- --help.`);
    process.exit(2);
  }
  const ending = new AbortController();
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    // Half a measurement is none. What was started ends with this process: it holds pipes to us, and guards end the rest.
    process.once(signal, () => {
      ending.abort();
      process.exit(code);
    });
  }
  await runScenario(options, args, ending.signal).catch((error: unknown) => {
    say(wordsFor(error));
    process.exit(1);
  });
}
