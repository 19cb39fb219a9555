// A fleet as a process: node packages/simulator/src/main.ts --endpoint ws://127.0.0.1:4320/v1/opamp --agents 40
//
// Prints `simulator.ready agents=<n>` once every agent is connected. SIGTERM or SIGINT: every agent says
// goodbye and the process ends; a second signal ends it at once.

import { parseArgs } from "node:util";
import type { FleetOptions } from "./fleet.ts";
import { startFleet } from "./fleet.ts";
import type { Profile } from "./profile.ts";
import { PROFILES } from "./profile.ts";

const USAGE = `usage: main.ts --endpoint <url> [--agents 40] [--transport ws|http] [--profile ${PROFILES.join("|")}]
               [--apply-timeout-ms 5000] [--heartbeat-ms 30000] [--seed 1] [--first-index 0]
               [--no-config-status] [--header "name: value"]...`;

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

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  const ending = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => (ending.signal.aborted ? process.exit(1) : ending.abort()));
  }
  const fleet = startFleet(options, ending.signal);
  await fleet.started;
  if (!ending.signal.aborted) process.stdout.write(`simulator.ready agents=${options.count}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exitCode = 2;
}
