// The command line of load tests. Pure: arguments in, options or one sentence out.

import { parseArgs } from "node:util";
import type { Scenario } from "./scenarios/scenario.ts";
import { BARE_PIPELINE, BARE_STORE, BARE_UWS, type GivenServer, MUSTER, OPAMP_GO } from "./servers/server.ts";

/** What was asked for. */
export interface Options {
  readonly scenario: Scenario;
  readonly agents: number;
  readonly rounds: number;
  readonly windowMs: number;
  readonly servers: readonly GivenServer[];
  /** The size that only shows that it works; services are started from their sources. */
  readonly isSmoke: boolean;
  /** Keep the result in loadtest/results. */
  readonly isRecorded: boolean;
  /** Keep flame graphs of the services. */
  readonly isProfiled: boolean;
}

/** The help text. */
export function usage(scenarios: readonly Scenario[]): string {
  const lines = scenarios.map(({ name, full, summary }) => {
    return `  ${name.padEnd(14)}${`${full.agents} agents, ${full.rounds} rounds`.padEnd(26)}${summary}`;
  });
  return `npm run load -- [--scenario NAME] [options]

  --agents N       how large the fleet is (default: the scenario's)
  --rounds N       how often everything is measured (default: the scenario's)
  --smoke          a size that shows in seconds that the scenario works, and says nothing else
  --server NAME=ws://ADDRESS,PID   another server to measure beside, again and again; where servers are compared
  --record         keep the result in loadtest/results
  --profile        keep flame graphs of the services in loadtest/results/flame; times are then not comparable
  --help           this text

Scenarios:
${lines.join("\n")}
`;
}

/** Reads the arguments; a sentence that says what is wrong with them, or the options. */
export function parseOptions(args: readonly string[], scenarios: readonly Scenario[]): Options | string {
  const values = readArgs(args);
  if (typeof values === "string") return values;
  const scenario = scenarios.find(({ name }) => name === values.scenario);
  if (scenario === undefined) {
    return `--scenario takes one of ${scenarios.map(({ name }) => name).join(", ")}, not ${JSON.stringify(values.scenario)}.`;
  }
  const size = values.smoke ? scenario.smoke : scenario.full;
  const [agents, rounds] = [countOf(values.agents, size.agents), countOf(values.rounds, size.rounds)];
  if (agents === null) return `--agents takes a whole number above 0, not ${JSON.stringify(values.agents)}.`;
  if (rounds === null) return `--rounds takes a whole number above 0, not ${JSON.stringify(values.rounds)}.`;
  if (values.server.length > 0 && !scenario.takesServers)
    return `${scenario.name} compares no servers; leave out --server.`;
  const servers = values.server.map(parseServer);
  const wrong = servers.find((server) => typeof server === "string");
  if (wrong !== undefined) return wrong;
  const given = servers.filter((server) => typeof server !== "string");
  const taken = [...RESERVED, ...given.map(({ name }) => name)];
  const twice = taken.find((name, i) => taken.indexOf(name) !== i);
  if (twice !== undefined) return `--server takes a name that no other server has, not ${JSON.stringify(twice)}.`;
  if ((values.record || values.profile) && values.smoke) return "--smoke says nothing that would be worth keeping.";
  if (values.record && (agents < scenario.full.agents || rounds < scenario.full.rounds)) {
    return `--record keeps what targets can be judged by: ${scenario.full.agents} agents and ${scenario.full.rounds} rounds at least.`;
  }
  if (values.record && values.profile) return "--profile slows services down: record a run without it.";
  return {
    scenario,
    agents,
    rounds,
    windowMs: size.windowMs,
    servers: given,
    isSmoke: values.smoke,
    isRecorded: values.record,
    isProfiled: values.profile,
  };
}

/** Names of servers that take part by themselves. */
const RESERVED = [MUSTER, BARE_UWS, BARE_STORE, BARE_PIPELINE, OPAMP_GO];

function readArgs(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        scenario: { type: "string", default: "heartbeats" },
        agents: { type: "string" },
        rounds: { type: "string" },
        server: { type: "string", multiple: true, default: [] },
        smoke: { type: "boolean", default: false },
        record: { type: "boolean", default: false },
        profile: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function countOf(text: string | undefined, fallback: number): number | null {
  if (text === undefined) return fallback;
  return /^[1-9]\d{0,6}$/.test(text) ? Number(text) : null;
}

/** `name=ws://address,pid`; a sentence when it is not that. */
function parseServer(text: string): GivenServer | string {
  const [, name = "", url = "", pid = ""] = /^([a-z0-9][a-z0-9.-]*)=(ws:\/\/[^,]+),(\d+)$/.exec(text) ?? [];
  if (name === "" || !URL.canParse(url)) return `--server takes name=ws://address,pid, not ${JSON.stringify(text)}.`;
  return { name, url, pid: Number(pid) };
}
