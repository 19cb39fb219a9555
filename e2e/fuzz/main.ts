// A long campaign: `npm run fuzz -- [--inputs N] [--seed N]`. Starts a whole Muster of its own, attacks its gateway, and
// ends with one line of counts. Exits 0 when nothing broke.

import { parseArgs } from "node:util";
import { ensureRedisServer } from "@muster/local";
import { listAll, openWorld } from "../world.ts";
import { growthOf, runCampaign } from "./campaign.ts";
import { FUZZED_ENV, MAX_GROWTH } from "./world.ts";

/** Reads the command line; null when something in it is not understood. */
function parseOptions(): { inputs: number; seed: number } | null {
  try {
    const { values } = parseArgs({
      options: { inputs: { type: "string", default: "1000000" }, seed: { type: "string", default: "1" } },
    });
    const [inputs, seed] = [Number(values.inputs), Number(values.seed)];
    return Number.isSafeInteger(inputs) && inputs >= 1_000 && Number.isSafeInteger(seed) ? { inputs, seed } : null;
  } catch {
    return null;
  }
}

const options = parseOptions();
if (options === null) {
  process.stderr.write("Usage: npm run fuzz -- [--inputs N] [--seed N], whole numbers, at least 1000 inputs\n");
  process.exit(2);
}
const { inputs, seed } = options;
const say = (line: string): boolean => process.stdout.write(`${line}\n`);
ensureRedisServer();
const world = await openWorld({}, FUZZED_ENV);
try {
  const gateway = world.stack.of("gateway")[0];
  const pid = gateway.pid();
  if (pid === null) throw new Error("the gateway did not start");
  const report = await runCampaign({
    url: world.stack.opampUrls[0] ?? "",
    inputs,
    seed,
    pid,
    onProgress: (done, rssMiB) => void say(`${done} inputs, gateway ${rssMiB} MiB`),
  });
  const agents = await listAll(world.operator);
  const growth = growthOf(report.rssMiB);
  const failures = [
    ...report.broken,
    ...(gateway.pid() === pid ? [] : ["the gateway died"]),
    ...(growth > MAX_GROWTH ? [`the gateway's memory grew ${growth.toFixed(2)} times once it was warm`] : []),
  ];
  say(`seed ${seed}: ${report.inputs} inputs in ${report.seconds.toFixed(0)} s, ${report.answers} answers`);
  say(
    `${report.errorAnswers} of them errors; connections closed ${[...report.closes].map(([code, n]) => `${code}: ${n}`).join(", ")}`,
  );
  say(
    `gateway memory ${report.rssMiB[Math.floor(report.rssMiB.length / 5)]} MiB warm, ${report.rssMiB.at(-1)} MiB at the end`,
  );
  say(`${agents.length} agents can be listed`);
  for (const failure of failures) say(`broken: ${failure}`);
  say(`${report.inputs - failures.length} passed, ${failures.length} failed`);
  process.exitCode = failures.length === 0 ? 0 : 1;
} finally {
  await world.close();
}
