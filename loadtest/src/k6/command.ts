// The command line of k6 itself. Pure.

import { COMMON, LIMIT } from "./script/settings.ts";

/** One run of one script. */
export interface Run {
  /** Path of the script. */
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  /** Whether the gateways are on this machine's loopback. */
  readonly isLocal: boolean;
  /** Source addresses; null: those of loopback that so many agents need, where the gateways are on it. */
  readonly localIps: string | null;
}

/** From so many agents on, and for each so many more, loopback gets one more source address: each has about 28,000 ports. */
const AGENTS_PER_ADDRESS = 10_000;
const LAST_ADDRESS = 250;

/** The arguments of k6. The token is not among them: a command line is seen by everybody on the machine (`secretEnv`). */
export function k6Arguments({ file, env, isLocal, localIps }: Run): string[] {
  const variables = Object.entries(env).flatMap(([name, value]) =>
    name === "TOKEN" ? [] : ["-e", `${name}=${value}`],
  );
  const sources = localIps ?? (isLocal ? loopbackSources(Number(env["AGENTS"] ?? COMMON.AGENTS)) : null);
  return [
    "run",
    "--no-usage-report",
    "--quiet",
    ...(sources === null ? [] : ["--local-ips", sources]),
    ...variables,
    file,
  ];
}

/** What k6 gets by its environment, which scripts read as well. */
export function secretEnv({ env }: Run): Readonly<Record<string, string>> {
  return env["TOKEN"] === undefined ? {} : { TOKEN: env["TOKEN"] };
}

/** Settings that a script has: those of its own, which are the capitals of its source, and those of all. */
export function settingsOf(source: string): ReadonlySet<string> {
  const own = [...source.matchAll(/^ {2}([A-Z][A-Z0-9_]*):/gm)].map(([, name = ""]) => name);
  return new Set([...Object.keys(COMMON), ...own, "ADDRESS", "TOKEN", "MANAGEMENT", "MANAGEMENT_TLS"]);
}

/** The environment without what is a setting there: k6 would take it for one, and the runner knows nothing of it. */
export function withoutSettings<Env extends Readonly<Record<string, string | undefined>>>(
  env: Env,
  settings: ReadonlySet<string>,
): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !settings.has(name) && !LIMIT.test(name)));
}

/** Source addresses for so many agents; null: the usual one is enough. Example: 25,000 agents have 127.0.0.2-127.0.0.4. */
export function loopbackSources(agents: number): string | null {
  if (!(agents > AGENTS_PER_ADDRESS)) return null; // also when it is no number, which the script says better
  const count = Math.min(Math.ceil(agents / AGENTS_PER_ADDRESS), LAST_ADDRESS - 1);
  return `127.0.0.2-127.0.0.${count + 1}`;
}
