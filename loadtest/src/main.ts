// Runs the benchmarks and prints one table: `npm run load`, or `npm run load -- --agents 2000 --rounds 50`. Rollouts take
// minutes and are asked for: `npm run load -- --scenario rollout --agents 10000 --rounds 3`.

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { runMicro } from "./bench/micro.ts";
import { runHeartbeats } from "./scenarios/heartbeats.ts";
import { runRollout } from "./scenarios/rollout.ts";

/** How long workers are watched while a stage bakes. */
const BAKE_MS = 60_000;

const SCENARIOS = ["heartbeats", "rollout"] as const;

interface Options {
  readonly scenario: (typeof SCENARIOS)[number];
  readonly agents: number;
  readonly rounds: number;
}

/** Reads the command line; null when something in it is not understood. */
function parseOptions(): Options | null {
  try {
    const { values } = parseArgs({
      options: {
        scenario: { type: "string", default: "heartbeats" },
        agents: { type: "string", default: "1000" },
        rounds: { type: "string" },
      },
    });
    const scenario = SCENARIOS.find((name) => name === values.scenario);
    const [agents, rounds] = [Number(values.agents), Number(values.rounds ?? (scenario === "rollout" ? 1 : 50))];
    const isRight = [agents, rounds].every((count) => Number.isSafeInteger(count) && count > 0);
    return scenario !== undefined && isRight ? { scenario, agents, rounds } : null;
  } catch {
    return null;
  }
}

type Line = readonly [name: string, figure: string];

async function heartbeatLines({ agents, rounds }: Options): Promise<readonly Line[]> {
  const micro = runMicro().map(({ name, microsPerCall, spreadMicros }): Line => {
    const [min, max] = spreadMicros.map((micros) => micros.toFixed(2));
    return [name, `${microsPerCall.toFixed(2)} us   (${min} to ${max})`];
  });
  const beats = await runHeartbeats(agents, rounds);
  return [
    ...micro,
    [
      `gateway CPU per unchanged heartbeat (${beats.agents} agents)`,
      `${beats.gatewayMicrosPerHeartbeat.toFixed(2)} us`,
    ],
    ["heartbeats per second", `${Math.round(beats.heartbeatsPerSecond)}`],
    ["gateway memory per idle agent", `${Math.round(beats.gatewayBytesPerAgent)} B`],
  ];
}

/** Each round is a fleet and a Muster of its own, so that rounds tell the spread. */
async function rolloutLines({ agents, rounds }: Options): Promise<readonly Line[]> {
  const lines: Line[] = [];
  for (let round = 1; round <= rounds; round++) {
    const { planMs, offersMs, bareMs, bakeCpuShare } = await runRollout(agents, BAKE_MS);
    const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
    lines.push(
      [`${round}. plan of a rollout to ${agents} agents`, seconds(planMs)],
      [`${round}. start to the last offer, one stage`, seconds(offersMs)],
      [
        `${round}. the same as a bare loop over sockets`,
        `${seconds(bareMs)}   (ratio ${(offersMs / bareMs).toFixed(2)})`,
      ],
      [`${round}. workers while it bakes, ${BAKE_MS / 1_000} s`, `${(bakeCpuShare * 100).toFixed(2)} % of a core`],
    );
  }
  return lines;
}

const options = parseOptions();
if (options === null) {
  process.stderr.write(
    `Usage: npm run load -- [--scenario ${SCENARIOS.join("|")}] [--agents N] [--rounds N], whole numbers above 0\n`,
  );
  process.exit(2);
}
const lines = options.scenario === "rollout" ? await rolloutLines(options) : await heartbeatLines(options);
const machine = `machine: ${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, Node ${process.version}`;
const table = lines.map(([name, figure]) => `${name.padEnd(52)} ${figure}`);
process.stdout.write(`${[machine, "", ...table, ""].join("\n")}`);
