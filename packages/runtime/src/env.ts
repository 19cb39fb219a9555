// Environment variables in, one complete typed object out. A service declares its variables once; parsing is pure
// and reports every problem at once, each with what is wrong and an example. The declaration also renders the table
// of variables for the documentation. Only main reads `process.env` and hands it in here. Kinds of variables: vars.ts.

/** What the environment is: names to texts. */
export type Env = Readonly<Record<string, string | undefined>>;

/** How reading one text ended. */
export type Reading<T> =
  | { readonly kind: "value"; readonly value: T }
  | { readonly kind: "wrong"; readonly expected: string };

/** One variable: its name, meaning and how its text is read. Make them with the functions of vars.ts. */
export interface Variable<T> {
  readonly name: string;
  /** One sentence for operators. */
  readonly help: string;
  /** What a valid text is: "a whole number from 0 to 65535 (port)". */
  readonly expects: string;
  /** A valid text. */
  readonly example: string;
  /** The default as an operator would write it; absent means required; "" means none. */
  readonly defaultText?: string;
  /** True when the value must not appear in messages. */
  readonly secret: boolean;
  /** Reads a text that is present and not empty. */
  read(text: string): Reading<T>;
  /** The value when the variable is absent or empty; throws nothing, required variables have none. */
  readonly fallback?: { readonly value: T };
}

/** Variables by the name of the property that holds their value. */
export type Variables = Readonly<Record<string, Variable<unknown>>>;

/** The object that a set of variables parses to. */
export type ConfigOf<V extends Variables> = {
  readonly [K in keyof V]: V[K] extends Variable<infer T> ? T : never;
};

/** Reads a whole config: pure, complete or a `ConfigError` that lists every problem. */
export interface ParseConfig<C> {
  (env: Env): C;
  /** What it reads, for documentation. */
  readonly variables: readonly Variable<unknown>[];
}

/** Every problem of an environment, each one line that names the variable, what is wrong and an example. */
export class ConfigError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(
      `${problems.length === 1 ? "a setting is" : `${problems.length} settings are`} wrong: ${problems.join("; ")}`,
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/**
 * Declares a config. `derive` may turn the values into another shape, for defaults that depend on other variables.
 *
 * `export const parseConfig = defineConfig({ port: intVar("MUSTER_GATEWAY_PORT", { default: 4320, … }) });`
 */
export function defineConfig<V extends Variables>(variables: V): ParseConfig<ConfigOf<V>>;
/** The same, with what `derive` makes of the values. */
export function defineConfig<V extends Variables, C>(variables: V, derive: (values: ConfigOf<V>) => C): ParseConfig<C>;
export function defineConfig(
  variables: Variables,
  derive: (values: never) => unknown = (values) => values,
): ParseConfig<unknown> {
  const parse = (env: Env): unknown => {
    const values: Record<string, unknown> = {};
    const problems: string[] = [];
    for (const [key, variable] of Object.entries(variables)) {
      const reading = readVariable(variable, env);
      if (reading.kind === "value") values[key] = reading.value;
      else problems.push(reading.expected);
    }
    if (problems.length > 0) throw new ConfigError(problems);
    return derive(values as never); // the overloads tie values and derive together
  };
  return Object.assign(parse, { variables: Object.values(variables) });
}

/** Reads one variable; a wrong reading's text is the whole problem, ready to print. */
function readVariable(variable: Variable<unknown>, env: Env): Reading<unknown> {
  const { name, example, expects, secret } = variable;
  const text = env[name]?.trim() ?? "";
  if (text === "") {
    if (variable.fallback !== undefined) return { kind: "value", value: variable.fallback.value };
    return { kind: "wrong", expected: `${name} is missing; expected ${expects}, for example ${name}=${example}` };
  }
  const reading = variable.read(text);
  if (reading.kind === "value") return reading;
  const shown = secret ? "is wrong (its value is not shown)" : `is ${JSON.stringify(text)}`;
  return { kind: "wrong", expected: `${name} ${shown}; expected ${reading.expected}, for example ${name}=${example}` };
}

/** Runs several parsers over one environment and reports the problems of all of them together. */
export function parseAll<A, B>(env: Env, first: (env: Env) => A, second: (env: Env) => B): readonly [A, B] {
  const problems: string[] = [];
  const attempt = <T>(parse: (env: Env) => T): { value: T } | null => {
    try {
      return { value: parse(env) };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
      return null;
    }
  };
  const a = attempt(first);
  const b = attempt(second);
  if (a === null || b === null) throw new ConfigError([...new Set(problems)]);
  return [a.value, b.value];
}

/** A Markdown table of variables: name, default, meaning. Secrets show no default. */
export function renderVariables(variables: readonly Variable<unknown>[]): string {
  const rows = variables.map(({ name, defaultText, help, expects }) => {
    const shown = defaultText === undefined ? "required" : defaultText === "" ? "none" : `\`${defaultText}\``;
    return `| \`${name}\` | ${shown} | ${escapeCell(help)} (${escapeCell(expects)}) |`;
  });
  return ["| variable | default | meaning |", "|---|---|---|", ...rows].join("\n").concat("\n");
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|");
}
