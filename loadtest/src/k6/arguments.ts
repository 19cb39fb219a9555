// The command line of `npm run k6`. Pure.

import { parseArgs } from "node:util";

/** The scripts of loadtest/k6, in the order in which the smoke runs them: the one that kills a gateway last. */
export const SCRIPTS = [
  "connect-storm",
  "steady-heartbeats",
  "status-churn",
  "http-polling",
  "rollout-under-load",
  "gateway-loss",
] as const;

/** One of `SCRIPTS`. */
export type Script = (typeof SCRIPTS)[number];

/** What was asked for. */
export interface Arguments {
  readonly script: Script | "smoke";
  /** Where to: a deployment that is there, or null for one of the runner's own on this machine. */
  readonly deployment: Deployment | null;
  /** How many gateways of one's own. */
  readonly gateways: number;
  /** Variables for the script, by name. */
  readonly env: Readonly<Record<string, string>>;
  /** Source addresses for k6's --local-ips; null: as the runner sees fit. */
  readonly localIps: string | null;
}

/** A deployment that is there. */
export interface Deployment {
  readonly address: string;
  readonly token: string | undefined;
  readonly management: string | undefined;
}

/** The help text. */
export const USAGE = `npm run k6 -- <script> [options]

  scripts: ${SCRIPTS.join(", ")}, or smoke for all of them with few agents

  --agents N             how many agents
  --duration-seconds N   how long they stay
  --set NAME=VALUE       any setting of the script, see loadtest/k6/README.md; may be repeated
  --gateways N           gateways of the Muster that is started for the run (default 2)
  --address URL[,URL]    a deployment instead; nothing is started and nothing is killed
  --token TOKEN          its token for agents
  --management HOST:PORT its gRPC API, for rollout-under-load and status-churn
  --local-ips FIRST-LAST source addresses of this machine, for more than 20,000 agents of one address
`;

/** Reads the arguments; a sentence about what is wrong with them otherwise. */
export function parseArguments(args: readonly string[]): Arguments | string {
  const parsed = read(args);
  if (typeof parsed === "string") return parsed;
  const { values, positionals } = parsed;
  const [name = "", ...more] = positionals;
  const script = [...SCRIPTS, "smoke" as const].find((each) => each === name);
  if (script === undefined || more.length > 0) {
    return `one script is needed, of ${SCRIPTS.join(", ")} and smoke, not "${positionals.join(" ")}"`;
  }
  const { address, token, management } = values;
  if (address === undefined && (token ?? management) !== undefined) {
    return "--token and --management go with --address: a Muster of the runner's own has no token";
  }
  if (address !== undefined && values.gateways !== undefined) {
    return "--gateways is for a Muster of the runner's own; leave it out with --address";
  }
  if (
    script === "smoke" &&
    (address ?? values.agents ?? values["duration-seconds"] ?? values.set ?? values["local-ips"]) !== undefined
  ) {
    return "the smoke has its own sizes and its own Muster: of the options it takes --gateways alone";
  }
  const env = variables(values);
  if (typeof env === "string") return env;
  const gateways = Number(values.gateways ?? 2);
  const fewest = script === "gateway-loss" || script === "smoke" ? 2 : 1;
  if (!Number.isInteger(gateways) || gateways < fewest || gateways > 64) {
    return `--gateways takes a whole number from ${fewest} to 64 for ${script}, not "${values.gateways}"`;
  }
  const localIps = values["local-ips"] ?? null;
  return { script, deployment: address === undefined ? null : { address, token, management }, gateways, env, localIps };
}

function read(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        agents: text,
        "duration-seconds": text,
        set: { ...text, multiple: true },
        gateways: text,
        address: text,
        token: text,
        management: text,
        "local-ips": text,
      },
    });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Variables from the options that stand for them; what is set by name wins. The script itself judges the values. */
function variables(values: {
  readonly agents?: string | undefined;
  readonly "duration-seconds"?: string | undefined;
  readonly set?: readonly string[] | undefined;
}): Record<string, string> | string {
  const env: Record<string, string> = {};
  if (values.agents !== undefined) env["AGENTS"] = values.agents;
  if (values["duration-seconds"] !== undefined) env["DURATION_SECONDS"] = values["duration-seconds"];
  for (const pair of values.set ?? []) {
    const [, name = "", value = ""] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(pair) ?? [];
    if (name === "") return `--set takes NAME=VALUE with a name in capitals, not "${pair}"`;
    env[name] = value;
  }
  return env;
}
