// The selector language: which agents. Kubernetes label-selector syntax over attributes, plus globs and quotes.
//
//   selector    = [ requirement { "," requirement } ]          empty selects every agent
//   requirement = key | "!" key | key op value | key "in" list | key "notin" list
//   op          = "=" | "==" | "!="                            value may hold * (any text) and ? (one character)
//   list        = "(" value { "," value } ")"
//   value       = bare word | "double quoted"                  quoted values are never globs
//
// As in Kubernetes, != and notin also select agents that lack the key. A key may have several values, such as the components
// of an agent: = and in then ask for one of them, and != and notin for none. One parser and one evaluator, used for targets,
// queries and watches alike.

import { FleetError, type Violation } from "./error.ts";
import type { AckState } from "./event.ts";

/** One condition on one key. */
export type Requirement =
  | { readonly kind: "exists"; readonly key: string; readonly negated: boolean }
  | { readonly kind: "in"; readonly key: string; readonly values: readonly string[]; readonly negated: boolean }
  | { readonly kind: "glob"; readonly key: string; readonly pattern: string; readonly negated: boolean };

/** A parsed selector: all requirements must hold. */
export interface Selector {
  readonly text: string;
  readonly requirements: readonly Requirement[];
}

/** Keys that are facts about an agent's present state rather than its attributes. */
export const FACT_KEYS: ReadonlySet<string> = new Set([
  "connected",
  "healthy",
  "config.status",
  "config.drift",
  "gateway",
  "version",
  "capability",
  "component",
]);

/** What a selector sees of an agent: one value of a key, or several. */
export type Selectable = ReadonlyMap<string, string | readonly string[]>;

const ACK_STATES = Object.keys({
  unset: true,
  applied: true,
  applying: true,
  failed: true,
} satisfies Record<AckState, true>);
/** Facts that can only be one of a few words: any other would select nobody, and nobody would notice. */
const FACT_VALUES: ReadonlyMap<string, readonly string[]> = new Map([
  ["connected", ["true", "false"]],
  ["healthy", ["true", "false"]],
  ["config.status", ACK_STATES],
  ["config.drift", ["true", "false"]],
]);

/** Longest selector; it is evaluated for every agent of the fleet. */
const MAX_SELECTOR_CHARS = 4_096;

/**
 * Parses a selector. @throws FleetError `invalid`, naming the column and what was expected there, or the words that a
 * fact can be
 */
export function parseSelector(text: string): Selector {
  const { selector, columns } = parse(text);
  const violations = selector.requirements.flatMap((requirement, i) => assessFact(requirement, columns[i] ?? 1));
  if (violations.length > 0) throw FleetError.invalid(violations);
  return selector;
}

/** A selector, and the column where each of its requirements begins. */
interface Parsed {
  readonly selector: Selector;
  readonly columns: readonly number[];
}

function parse(text: string): Parsed {
  if (text.length > MAX_SELECTOR_CHARS) {
    const description = `${text.length} characters are more than the ${MAX_SELECTOR_CHARS} a selector may have.`;
    throw FleetError.invalid([{ field: "selector", description }]);
  }
  const tokens = tokenize(text);
  const requirements: Requirement[] = [];
  const columns: number[] = [];
  const parsed = { selector: { text, requirements }, columns };
  if (peek(tokens).kind === "end") return parsed;
  for (;;) {
    columns.push(peek(tokens).column);
    requirements.push(parseRequirement(tokens));
    const next = tokens.take();
    if (next.kind === "end") return parsed;
    if (next.kind !== ",") throw tokens.error(next, `"," or the end`);
  }
}

/** Parses a selector that says who a config is for: attributes only, since facts change by themselves. @throws FleetError `invalid` */
export function parseTargetSelector(text: string): Selector {
  const { selector, columns } = parse(text);
  const violations = selector.requirements.flatMap(({ key }, i) =>
    FACT_KEYS.has(key)
      ? [violationAt(columns[i] ?? 1, `"${key}" is a passing fact; a config is for agents by their attributes`)]
      : [],
  );
  if (violations.length > 0) throw FleetError.invalid(violations);
  return selector;
}

function assessFact(requirement: Requirement, column: number): readonly Violation[] {
  const values = FACT_VALUES.get(requirement.key);
  if (values === undefined || requirement.kind === "exists") return [];
  const wrong =
    requirement.kind === "in"
      ? requirement.values.filter((value) => !values.includes(value))
      : [requirement.pattern].filter((pattern) => !values.some((value) => matchesGlob(pattern, value)));
  const words = `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
  return wrong.map((value) => violationAt(column, `"${requirement.key}" is ${words}, never "${value}"`));
}

function violationAt(column: number, what: string): Violation {
  return { field: "selector", description: `column ${column}: ${what}.` };
}

/** Whether labels satisfy every requirement. */
export function matches(selector: Selector, labels: Selectable): boolean {
  return selector.requirements.every((requirement) => {
    const value = labels.get(requirement.key);
    const isMet =
      typeof value === "string" ? isMetBy(requirement, value) : value?.some((each) => isMetBy(requirement, each));
    return (isMet ?? false) !== requirement.negated;
  });
}

/** Whether a value of its key is one that a requirement names, be it to have it or not to have it. */
export function isMetBy(requirement: Requirement, value: string): boolean {
  switch (requirement.kind) {
    case "exists":
      return true;
    case "in":
      return requirement.values.includes(value);
    case "glob":
      return matchesGlob(requirement.pattern, value);
  }
}

type TokenKind = "word" | "quoted" | "," | "(" | ")" | "=" | "!=" | "!" | "end";
interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** In characters, counted from 1. */
  readonly column: number;
}
interface Tokens {
  readonly list: readonly Token[];
  position: number;
  take(): Token;
  error(at: Token, expected: string): FleetError;
}

/** Space, or one token. Bare words hold anything but the characters that mean something. */
const TOKEN = /\s+|"((?:[^"\\]|\\.)*)"|(==?)|(!=)|([!,()])|([^\s,()=!"]+)/y;

function tokenize(text: string): Tokens {
  const list: Token[] = [];
  const pattern = new RegExp(TOKEN);
  while (pattern.lastIndex < text.length) {
    const column = columnAt(text, pattern.lastIndex);
    const match = pattern.exec(text);
    if (match === null) throw syntaxError(text, column, `a closing quote for the one in column ${column}`);
    const [, quoted, equals, unequal, symbol, word] = match;
    if (quoted !== undefined) list.push({ kind: "quoted", text: quoted.replaceAll(/\\(.)/g, "$1"), column });
    else if (equals !== undefined) list.push({ kind: "=", text: equals, column });
    else if (unequal !== undefined) list.push({ kind: "!=", text: unequal, column });
    else if (symbol !== undefined)
      list.push({ kind: symbol as TokenKind, text: symbol, column }); // the class above
    else if (word !== undefined) list.push({ kind: "word", text: word, column });
  }
  const end: Token = { kind: "end", text: "the end", column: columnAt(text, text.length) };
  return {
    list,
    position: 0,
    take() {
      return list[this.position++] ?? end;
    },
    error: (at, expected) => syntaxError(text, at.column, expected, at.text),
  };
}

/** Characters, as people count them, rather than the units of JavaScript's strings. */
function columnAt(text: string, index: number): number {
  return charactersOf(text.slice(0, index)).length + 1;
}

function syntaxError(text: string, column: number, expected: string, found?: string): FleetError {
  const but = found === undefined ? "" : `, found "${found}"`;
  const description = `column ${column} of "${text}": expected ${expected}${but}.`;
  return FleetError.invalid([{ field: "selector", description }]);
}

function peek(tokens: Tokens): Token {
  return tokens.list[tokens.position] ?? { kind: "end", text: "the end", column: 0 };
}

function parseRequirement(tokens: Tokens): Requirement {
  const first = tokens.take();
  if (first.kind === "!") return { kind: "exists", key: parseKey(tokens, tokens.take()), negated: true };
  const key = parseKey(tokens, first);
  const next = peek(tokens);
  if (next.kind === "=" || next.kind === "!=") {
    tokens.take();
    return comparison(key, parseValue(tokens), next.kind === "!=");
  }
  if (next.kind === "word" && (next.text === "in" || next.text === "notin")) {
    tokens.take();
    return { kind: "in", key, values: parseList(tokens), negated: next.text === "notin" };
  }
  if (next.kind === "," || next.kind === "end") return { kind: "exists", key, negated: false };
  throw tokens.error(next, `"=", "!=", "in", "notin", "," or the end`);
}

function parseKey(tokens: Tokens, token: Token): string {
  if (token.kind !== "word" && token.kind !== "quoted") throw tokens.error(token, "an attribute name");
  return token.text;
}

function parseValue(tokens: Tokens): Token {
  const token = tokens.take();
  if (token.kind !== "word" && token.kind !== "quoted") {
    throw tokens.error(token, "a value (quote it if it is empty or holds , ( ) = !)");
  }
  return token;
}

function parseList(tokens: Tokens): readonly string[] {
  const open = tokens.take();
  if (open.kind !== "(") throw tokens.error(open, `"("`);
  const values: string[] = [];
  for (;;) {
    values.push(parseValue(tokens).text);
    const next = tokens.take();
    if (next.kind === ")") return values;
    if (next.kind !== ",") throw tokens.error(next, `"," or ")"`);
  }
}

function comparison(key: string, value: Token, negated: boolean): Requirement {
  if (value.kind === "quoted" || !/[*?]/.test(value.text)) return { kind: "in", key, values: [value.text], negated };
  return { kind: "glob", key, pattern: value.text, negated };
}

/** Whether a text is of a pattern's form. Remembers only the last star, so hostile patterns cost a product of lengths at most. */
function matchesGlob(globText: string, valueText: string): boolean {
  const [pattern, text] = [charactersOf(globText), charactersOf(valueText)];
  let [p, t, star, resume] = [0, 0, -1, 0];
  while (t < text.length) {
    if (pattern[p] === "*") {
      star = p++;
      resume = t;
    } else if (pattern[p] === "?" || pattern[p] === text[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/** Characters outside of the first plane are two units of a string, and one to whoever writes `?`. */
function charactersOf(text: string): string | readonly string[] {
  return /[\ud800-\udfff]/.test(text) ? [...text] : text;
}
