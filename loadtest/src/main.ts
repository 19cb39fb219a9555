// Runs the benchmarks and prints one table: `npm run load`, or `npm run load -- --agents 2000 --rounds 50`.

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { runMicro } from "./bench/micro.ts";
import { runHeartbeats } from "./scenarios/heartbeats.ts";

/** Reads the command line; null when something in it is not understood. */
function parseOptions(): { agents: number; rounds: number } | null {
  try {
    const { values } = parseArgs({
      options: { agents: { type: "string", default: "1000" }, rounds: { type: "string", default: "50" } },
    });
    const [agents, rounds] = [Number(values.agents), Number(values.rounds)];
    return [agents, rounds].every((count) => Number.isSafeInteger(count) && count > 0) ? { agents, rounds } : null;
  } catch {
    return null;
  }
}

const options = parseOptions();
if (options === null) {
  process.stderr.write("Usage: npm run load -- [--agents N] [--rounds N], whole numbers above 0\n");
  process.exit(2);
}
const lines = [`machine: ${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, Node ${process.version}`, ""];
for (const { name, microsPerCall, spreadMicros } of runMicro()) {
  const [min, max] = spreadMicros.map((micros) => micros.toFixed(2));
  lines.push(`${name.padEnd(46)} ${microsPerCall.toFixed(2).padStart(10)} us   (${min} to ${max})`);
}
const beats = await runHeartbeats(options.agents, options.rounds);
const shown: readonly (readonly [string, string])[] = [
  [`gateway CPU per unchanged heartbeat (${beats.agents} agents)`, `${beats.gatewayMicrosPerHeartbeat.toFixed(2)} us`],
  ["heartbeats per second", `${Math.round(beats.heartbeatsPerSecond)}`],
  ["gateway memory per idle agent", `${Math.round(beats.gatewayBytesPerAgent)} B`],
];
lines.push("", ...shown.map(([name, figure]) => `${name.padEnd(46)} ${figure.padStart(13)}`), "");
process.stdout.write(lines.join("\n"));
