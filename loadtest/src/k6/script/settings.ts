// What a script takes from k6's environment (`k6 run -e NAME=value`): read once, all problems told at once. Pure. Every
// setting keeps the name of its variable, so that a script, its documentation and a command line are searched for one word.

/** Numbers that a script has, each with its default. Names that begin with MAX_ or MIN_ are limits of thresholds. */
export type Defaults = Readonly<Record<string, number>>;

/** Numbers that every script has. */
export const COMMON = {
  /** How many agents. */
  AGENTS: 1000,
  /** How many of them share one virtual user, which is one engine of k6: more save memory, fewer use more cores. */
  AGENTS_PER_VU: 100,
  /** Number of the first agent, so that several machines can share one fleet. */
  FIRST_AGENT: 0,
  /** Same seed, same agents: a second run is heard as the same machines that started again. */
  SEED: 1,
  /** How long agents stay. */
  DURATION_SECONDS: 120,
  /** Over how long the first connections are spread; unless it is set, a short run has a shorter one (`shortRamp`). */
  RAMP_SECONDS: 30,
  /** Between heartbeats, as opamp-go has it. */
  HEARTBEAT_SECONDS: 30,
  /** From an offer until the agent says APPLIED, as supervisors have it. */
  APPLY_SECONDS: 5,
} as const satisfies Defaults;

/** Numbers that are counted: whole, from this on. */
const WHOLE: Readonly<Record<string, number>> = {
  AGENTS: 1,
  AGENTS_PER_VU: 1,
  FIRST_AGENT: 0,
  SEED: 0,
  CHANGES_PER_CONFIG: 1,
};
/** Numbers that are waited for: above 0. RAMP_SECONDS may be 0: all at once. */
const POSITIVE = new Set(["DURATION_SECONDS", "HEARTBEAT_SECONDS", "CHANGE_SECONDS", "POLL_SECONDS"]);
const MAX_NUMBER = 10_000_000;

/** Everything a script was told. */
export type Settings<Own extends Defaults> = {
  readonly [Name in keyof Own | keyof typeof COMMON]: number;
} & {
  /** Taken in turn. */
  readonly addresses: readonly string[];
  /** Shown as `Authorization: Bearer`; undefined: nothing is shown. */
  readonly token: string | undefined;
};

type Env = Readonly<Record<string, string | undefined>>;

/** Where the management API is. */
export interface Management {
  /** host:port */
  readonly address: string;
  readonly isTls: boolean;
}

/** Reads the settings of a script; `schemes` are those of the addresses it can speak to. Throws with every problem. */
export function readSettings<Own extends Defaults>(env: Env, schemes: readonly string[], own: Own): Settings<Own> {
  const problems: string[] = unknownLimits(env, own);
  const numbers = new Map<string, number>();
  for (const [name, fallback] of Object.entries({ ...COMMON, ...own })) {
    const number = readNumber(name, env[name], fallback);
    if (typeof number === "string") problems.push(number);
    else numbers.set(name, number);
  }
  const [rampSeconds = 0, durationSeconds = 0] = [numbers.get("RAMP_SECONDS"), numbers.get("DURATION_SECONDS")];
  if (!env["RAMP_SECONDS"]) numbers.set("RAMP_SECONDS", shortRamp(rampSeconds, durationSeconds));
  else if (problems.length === 0 && rampSeconds >= durationSeconds) problems.push(rampSentence(rampSeconds));
  const addresses = (env["ADDRESS"] ?? "").split(",").map((text) => text.trim());
  for (const address of addresses) if (!isAddress(address, schemes)) problems.push(addressSentence(address, schemes));
  throwAll(problems);
  // Each name has a number by now: a text would have been a problem.
  return { ...(Object.fromEntries(numbers) as Settings<Own>), addresses, token: env["TOKEN"] || undefined };
}

/** A limit that is misspelt would be none. */
function unknownLimits(env: Env, own: Defaults): string[] {
  const limits = Object.keys(own).filter((name) => LIMIT.test(name));
  const unknown = Object.keys(env).filter((name) => LIMIT.test(name) && !limits.includes(name));
  return unknown.map((name) => `${name} is no limit of this script, which has ${limits.join(", ")}`);
}

/** Names of limits. */
export const LIMIT = /^(MAX|MIN)_/;

/** A ramp that leaves three quarters of the run. Examples: 30 of 120 stay 30; 30 of 10 become 2.5; 0 stays 0. */
function shortRamp(rampSeconds: number, durationSeconds: number): number {
  return Math.min(rampSeconds, durationSeconds / 4);
}

function rampSentence(rampSeconds: number): string {
  return `RAMP_SECONDS must be less than DURATION_SECONDS, or agents would have to go before they came; e.g. -e DURATION_SECONDS=${rampSeconds * 4}`;
}

/** Reads where the management API is; throws when it cannot be told. */
export function readManagement(env: Env): Management {
  const [address = "", tls = "false"] = [env["MANAGEMENT"], env["MANAGEMENT_TLS"]];
  throwAll([
    ...(/^[^\s/:]+:\d+$|^\[[\da-f:.]+\]:\d+$/i.test(address)
      ? []
      : [`MANAGEMENT takes host:port of the gRPC API, not "${address}"; e.g. -e MANAGEMENT=muster.example:4321`]),
    ...(["true", "false"].includes(tls) ? [] : [`MANAGEMENT_TLS takes true or false, not "${tls}"`]),
  ]);
  return { address, isTls: tls === "true" };
}

/** Addresses of the other transport: OpAMP is served over both at one place. Example: wss://a/b is https://a/b. */
export function toHttp(address: string): string {
  return address.replace(/^ws/, "http");
}

/** One source address has about 28,000 ports for connections; this many leave room for those that are being closed. */
export const AGENTS_PER_SOURCE = 20_000;

/** How many source addresses so many agents need. Examples: 20,000 need 1; 20,001 need 2. */
export function sourcesNeeded(agents: number): number {
  return Math.ceil(agents / AGENTS_PER_SOURCE);
}

function throwAll(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`these settings cannot be used:\n  ${problems.join("\n  ")}`);
}

function readNumber(name: string, text: string | undefined, fallback: number): number | string {
  if (text === undefined || text === "") return fallback;
  const number = Number(text);
  const whole = WHOLE[name];
  const isRight =
    text.trim() !== "" &&
    number <= MAX_NUMBER &&
    (whole === undefined
      ? number > 0 || (number === 0 && !POSITIVE.has(name))
      : Number.isInteger(number) && number >= whole);
  if (isRight) return number;
  const kind =
    whole === undefined
      ? `a number ${POSITIVE.has(name) ? "above 0" : "of 0 or more"}`
      : `a whole number from ${whole} to ${MAX_NUMBER}`;
  return `${name} takes ${kind}, not "${text}"; e.g. -e ${name}=${fallback}`;
}

/** k6 has no URL to take addresses apart: scheme, a host or an address in brackets, maybe a port, and no fragment. */
function isAddress(text: string, schemes: readonly string[]): boolean {
  const [, scheme = ""] = /^(\w+):\/\/(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?(?:[/?][^\s#]*)?$/i.exec(text) ?? [];
  return schemes.includes(scheme);
}

function addressSentence(address: string, schemes: readonly string[]): string {
  const example = `e.g. -e ADDRESS=${schemes.at(-1)}://muster.example:4320/v1/opamp, several separated by commas`;
  const form = `${schemes.join(":// or ")}://, then host, port and path`;
  const is = address === "" ? "is missing" : `cannot be "${address}": it is ${form}`;
  return `ADDRESS ${is}; ${example}`;
}
