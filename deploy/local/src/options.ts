// The options of `npm start`, read from its arguments. Pure. npm swallows options that are given without `--`
// (`npm start --agents 100`) and hands them on as npm_config_*: both spellings work.

import { parseArgs } from "node:util";
import { Remedy } from "./say.ts";
import { fixedPorts, type Ports } from "./stack.ts";

/** What `npm start` was asked for. */
export interface StartOptions {
  /** How many simulated agents; 0 for none. */
  readonly agents: number;
  readonly ports: Ports;
  /** Port of the fleet's Redis, the control state's takes the next; undefined for free ones. */
  readonly redisPort: number | undefined;
  readonly logLevel: string;
  readonly help: boolean;
}

/** The help text. */
export const usage = `npm start -- [options]

  --agents N         how many simulated agents (default 40)
  --no-agents        none
  --opamp-port N     port of OpAMP (default ${fixedPorts.opamp})
  --grpc-port N      port of the management API (default ${fixedPorts.management})
  --health-port N    first of four ports with /readyz and /metrics (default ${fixedPorts.health})
  --redis-port N     first of two ports for the local Redis servers (default: free ones)
  --log-level LEVEL  debug, info, warn or error (default info)

REDIS_URL (and MUSTER_CONTROL_REDIS_URL) make it use that Redis instead of local ones; MUSTER_STATE_DIR keeps data
and logs in another folder than .muster.
`;

const names = ["agents", "opamp-port", "grpc-port", "health-port", "redis-port", "log-level"] as const;

/** Reads arguments and npm's leftovers; throws a Remedy that names the wrong one. */
export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv): StartOptions {
  const values = { ...swallowedByNpm(env), ...readArgs(args) };
  return {
    agents: values["no-agents"] === "true" ? 0 : wholeNumber("--agents", values["agents"], 40, 0, 100_000),
    ports: {
      opamp: wholeNumber("--opamp-port", values["opamp-port"], fixedPorts.opamp, 1, 65_535),
      management: wholeNumber("--grpc-port", values["grpc-port"], fixedPorts.management, 1, 65_535),
      health: wholeNumber("--health-port", values["health-port"], fixedPorts.health, 1, 65_532),
    },
    redisPort:
      values["redis-port"] === undefined ? undefined : wholeNumber("--redis-port", values["redis-port"], 0, 1, 65_534),
    logLevel: oneOf("--log-level", values["log-level"] ?? "info", ["debug", "info", "warn", "error"]),
    help: values["help"] === "true",
  };
}

type Values = Readonly<Record<string, string | undefined>>;

function readArgs(args: readonly string[]): Values {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
        "no-agents": { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
  } catch (error) {
    throw new Remedy(`${error instanceof Error ? error.message : error} See npm start -- --help.`);
  }
}

function swallowedByNpm(env: NodeJS.ProcessEnv): Values {
  const values: Record<string, string> = {};
  for (const name of names) {
    const text = env[`npm_config_${name.replaceAll("-", "_")}`];
    if (text === undefined) continue;
    // `--no-agents` arrives as an empty `agents`.
    if (name === "agents" && text === "") values["no-agents"] = "true";
    else values[name] = text;
  }
  return values;
}

function wholeNumber(name: string, text: string | undefined, fallback: number, min: number, max: number): number {
  if (text === undefined) return fallback;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new Remedy(`${name} takes a whole number from ${min} to ${max}, not ${JSON.stringify(text)}.`);
}

function oneOf(name: string, text: string, words: readonly string[]): string {
  if (words.includes(text)) return text;
  throw new Remedy(`${name} takes one of ${words.join(", ")}, not ${JSON.stringify(text)}.`);
}
