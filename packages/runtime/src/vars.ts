// The kinds of environment variables: each function declares one variable of its kind for env.ts. Pure. Names carry
// the unit (`_MS`, `_BYTES`), so the texts are bare numbers.

import type { Reading, Variable } from "./env.ts";

/** What every kind takes. Without `default` the variable is required (or use `optional`). */
export interface VariableOptions<T> {
  /** One sentence for operators: meaning, and why the default is what it is. */
  readonly help: string;
  readonly default?: T;
  /** A valid text for messages; each kind has one of its own. */
  readonly example?: string;
}

interface Kind<T> {
  readonly expects: string;
  readonly example: string;
  readonly secret?: boolean;
  print(value: T): string;
  read(text: string): Reading<T>;
}

/** Any text. */
export function stringVar(
  name: string,
  options: VariableOptions<string> & { readonly pattern?: RegExp; readonly expects?: string },
) {
  const { pattern, expects = "a text" } = options;
  return declare(name, options, {
    expects,
    example: options.default || "text",
    print: (value) => value,
    read: (text) => (pattern === undefined || pattern.test(text) ? value(text) : wrong(expects)),
  });
}

/** A whole number from `min` to `max` (default: any safe integer from 0); `unit` is for messages. */
export function intVar(
  name: string,
  options: VariableOptions<number> & { readonly min?: number; readonly max?: number; readonly unit?: string },
): Variable<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER, unit } = options;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  const expects = `a whole number ${range}${unit === undefined ? "" : ` (${unit})`}`;
  return declare(name, options, {
    expects,
    example: `${options.default ?? Math.max(min, Math.min(max, 1))}`,
    print: String,
    read(text) {
      const number = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
      return Number.isSafeInteger(number) && number >= min && number <= max ? value(number) : wrong(expects);
    },
  });
}

/** A TCP port; 0 asks for any free one. */
export function portVar(name: string, options: VariableOptions<number>): Variable<number> {
  return intVar(name, { ...options, min: 0, max: 65535, unit: "port, 0 = any free" });
}

/** A duration in milliseconds, as a bare number; the name should end in `_MS`. */
export function durationMsVar(
  name: string,
  options: VariableOptions<number> & { readonly min?: number; readonly max?: number },
): Variable<number> {
  return intVar(name, { max: 2 ** 31 - 1, ...options, unit: "milliseconds" });
}

/** `true`, `1`, `yes`, `on` or their opposites. */
export function boolVar(name: string, options: VariableOptions<boolean>): Variable<boolean> {
  const expects = "true or false";
  return declare(name, options, {
    expects,
    example: "true",
    print: String,
    read(text) {
      if (/^(true|1|yes|on)$/i.test(text)) return value(true);
      if (/^(false|0|no|off)$/i.test(text)) return value(false);
      return wrong(expects);
    },
  });
}

/** A URL with one of `protocols` (`["redis:", "rediss:"]`). The value is the text; credentials never reach messages. */
export function urlVar(
  name: string,
  options: VariableOptions<string> & { readonly protocols: readonly string[] },
): Variable<string> {
  const expects = `a URL that starts with ${options.protocols.map((protocol) => `${protocol}//`).join(" or ")}`;
  return declare(name, options, {
    expects,
    example: options.default ?? `${options.protocols[0] ?? "https:"}//127.0.0.1`,
    secret: true, // may carry a password
    print: (text) => text,
    read: (text) =>
      URL.canParse(text) && options.protocols.includes(new URL(text).protocol) ? value(text) : wrong(expects),
  });
}

/** One of a closed set of words. */
export function enumVar<const T extends string>(
  name: string,
  options: VariableOptions<NoInfer<T>> & { readonly values: readonly T[] },
): Variable<T> {
  const expects = `one of ${options.values.join(", ")}`;
  return declare<T>(name, options, {
    expects,
    example: options.default ?? options.values[0] ?? "",
    print: (word) => word,
    read(text) {
      const found = options.values.find((word) => word === text);
      return found === undefined ? wrong(expects) : value(found);
    },
  });
}

/** Texts separated by commas; spaces around them and empty ones are dropped. `pattern` holds for each. */
export function listVar(
  name: string,
  options: VariableOptions<readonly string[]> & { readonly pattern?: RegExp; readonly expects?: string },
): Variable<readonly string[]> {
  const { pattern, expects = "texts separated by commas" } = options;
  return declare(name, options, {
    expects,
    example: "one,two",
    print: (items) => items.join(","),
    read(text) {
      const items = text.split(",").map((item) => item.trim());
      const named = items.filter((item) => item !== "");
      return pattern === undefined || named.every((item) => pattern.test(item)) ? value(named) : wrong(expects);
    },
  });
}

/** A secret text as a function, so that it is fetched where it is used and never printed with the config. */
export function secretVar(
  name: string,
  options: VariableOptions<() => string> & { readonly pattern?: RegExp; readonly expects?: string },
): Variable<() => string> {
  const { pattern, expects = "a secret text" } = options;
  return declare(name, options, {
    expects,
    example: "…",
    secret: true,
    print: () => "…",
    read: (text) => (pattern === undefined || pattern.test(text) ? value(() => text) : wrong(expects)),
  });
}

/** A secret of exactly `bytes` bytes in base64, as a function. */
export function secretBytesVar(
  name: string,
  options: VariableOptions<() => Uint8Array> & { readonly bytes: number },
): Variable<() => Uint8Array> {
  const expects = `${options.bytes} bytes in base64`;
  return declare(name, options, {
    expects,
    example: `"$(openssl rand -base64 ${options.bytes})"`,
    secret: true,
    print: () => "…",
    read(text) {
      const bytes = Buffer.from(text, "base64");
      return bytes.length === options.bytes ? value(() => bytes) : wrong(expects);
    },
  });
}

/** The same variable, but undefined when it is not set. */
export function optional<T>(variable: Variable<T>): Variable<T | undefined> {
  return { ...variable, defaultText: "", fallback: { value: undefined } };
}

function declare<T>(name: string, options: VariableOptions<T>, kind: Kind<T>): Variable<T> {
  const fallback = options.default;
  return {
    name,
    help: options.help,
    expects: kind.expects,
    example: options.example ?? kind.example,
    secret: kind.secret ?? false,
    read: (text) => kind.read(text),
    ...(fallback === undefined ? {} : { defaultText: kind.print(fallback), fallback: { value: fallback } }),
  };
}

function value<T>(read: T): Reading<T> {
  return { kind: "value", value: read };
}

function wrong(expected: string): Reading<never> {
  return { kind: "wrong", expected };
}
