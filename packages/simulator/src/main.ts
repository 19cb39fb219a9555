// A fleet as a process: npm run simulate -- --endpoint ws://127.0.0.1:4320/v1/opamp --agents 40
//
// Prints `simulator.ready agents=<n>` once every agent has been connected; while some have not, says now and then how many
// and why. SIGTERM or SIGINT: every agent says goodbye and the process ends; a second signal ends it at once.

import { parseArgs } from "node:util";
import type { AgentEvent } from "./event.ts";
import type { Fleet, FleetOptions } from "./fleet.ts";
import { startFleet } from "./fleet.ts";
import type { Profile } from "./profile.ts";
import { PROFILES } from "./profile.ts";

const USAGE = `npm run simulate -- [options]

  --endpoint URL           where to; given several times, agents take them in turn and stay (default ws://127.0.0.1:4320/v1/opamp)
  --agents N               how many (default 40); a process may hold as many as it may open files
  --first-index N          number of the first one, so that several processes share a fleet (default 0)
  --seed N                 same seed, same fleet (default 1)
  --transport ws|http      instead of the endpoint's
  --profile NAME           ${PROFILES.join(", ")} (default supervisor)
  --heartbeat-ms N         default 30000
  --apply-timeout-ms N     how long a supervisor gives a Collector to become healthy (default 5000)
  --no-config-status       agents do not say what became of a config
  --header "NAME: VALUE"   of the upgrade or of every request, for example "authorization: Bearer ..."; may be repeated
  --help                   this text
`;

/** Between sentences about agents that are not connected yet. */
const SAY_MS = 10_000;

/** Reads the command line; throws with a sentence on the first thing that is wrong. */
function parseOptions(args: readonly string[]): FleetOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      endpoint: { type: "string", multiple: true, default: ["ws://127.0.0.1:4320/v1/opamp"] },
      agents: { type: "string", default: "40" },
      transport: { type: "string" },
      profile: { type: "string", default: "supervisor" },
      "apply-timeout-ms": { type: "string", default: "5000" },
      "heartbeat-ms": { type: "string", default: "30000" },
      seed: { type: "string", default: "1" },
      "first-index": { type: "string", default: "0" },
      "no-config-status": { type: "boolean", default: false },
      header: { type: "string", multiple: true, default: [] },
    },
  });
  return {
    endpoint: values.endpoint.map((endpoint) => withTransport(endpoint, values.transport)),
    count: parseCount("agents", values.agents),
    profile: parseProfile(values.profile),
    applyTimeoutMs: parseCount("apply-timeout-ms", values["apply-timeout-ms"]),
    heartbeatMs: parseCount("heartbeat-ms", values["heartbeat-ms"]),
    seed: parseCount("seed", values.seed),
    firstIndex: parseCount("first-index", values["first-index"]),
    reportsRemoteConfig: !values["no-config-status"],
    headers: Object.fromEntries(values.header.map(parseHeader)),
  };
}

function withTransport(endpoint: string, transport: string | undefined): string {
  const url = new URL(endpoint);
  if (!["ws:", "wss:", "http:", "https:"].includes(url.protocol))
    throw new Error(`--endpoint ${endpoint}: not an OpAMP URL`);
  if (transport === undefined) return endpoint;
  if (transport !== "ws" && transport !== "http") throw new Error("--transport is ws or http");
  return endpoint.replace(/^(ws|http)(s?):/, `${transport}$2:`);
}

function parseProfile(text: string): Profile {
  const profile = PROFILES.find((known) => known === text);
  if (profile === undefined) throw new Error(`--profile is one of ${PROFILES.join(", ")}`);
  return profile;
}

function parseCount(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} ${text}: not a whole number`);
  return Number(text);
}

function parseHeader(text: string): readonly [string, string] {
  const colon = text.indexOf(":");
  if (colon < 1) throw new Error(`--header ${text}: not "name: value"`);
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}

/** Says now and then who is still not connected, and with what the last one was turned away. */
function sayProgress({ agents }: Fleet, lastRefusal: () => string): { stop(): void } {
  const timer = setInterval(() => {
    const connected = agents.filter(({ counts }) => counts.connects > 0).length;
    process.stderr.write(`${connected} of ${agents.length} agents have been connected${lastRefusal()}\n`);
  }, SAY_MS);
  return { stop: () => clearInterval(timer) };
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes("--help")) return void process.stdout.write(USAGE);
  const options = parseOptions(args);
  const ending = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => (ending.signal.aborted ? process.exit(1) : ending.abort()));
  }
  let refusal = "";
  const onEvent = (event: AgentEvent): void => {
    if (event.kind === "refused") refusal = `; the last refusal was ${event.status ?? "no answer"}`;
  };
  const fleet = startFleet({ ...options, onEvent }, ending.signal);
  const progress = sayProgress(fleet, () => refusal);
  await fleet.started;
  progress.stop();
  if (!ending.signal.aborted) process.stdout.write(`simulator.ready agents=${options.count}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 2;
}
