// Checks of a request that report everything wrong with it at once. Pure.

import { FleetError, type Violation } from "@muster/fleet";

/** Parsers by the name of what they answer. */
type Parsers = Readonly<Record<string, () => unknown>>;

/**
 * Runs every parser and answers their results by name.
 * @throws FleetError `invalid` with the violations of all of them
 */
export function checked<P extends Parsers>(parsers: P): { readonly [Name in keyof P]: ReturnType<P[Name]> } {
  const results: Record<string, unknown> = {};
  const violations: Violation[] = [];
  for (const [name, parse] of Object.entries(parsers)) {
    try {
      results[name] = parse();
    } catch (error) {
      if (!(error instanceof FleetError) || error.code !== "invalid") throw error;
      violations.push(...error.violations);
    }
  }
  if (violations.length > 0) throw FleetError.invalid(violations);
  return results as { [Name in keyof P]: ReturnType<P[Name]> }; // one result per parser, as nothing was thrown
}

/** Fails a check. */
export function invalid(field: string, description: string): FleetError {
  return FleetError.invalid([{ field, description }]);
}

/** Runs a parser on a field of a message that is itself a field: `config.selector`. */
export function within<T>(field: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FleetError) || error.code !== "invalid") throw error;
    throw FleetError.invalid(error.violations.map((v) => ({ ...v, field: `${field}.${v.field}` })));
  }
}

/** A text for people, of limited length. */
export function parseText(field: string, text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  throw invalid(field, `${text.length} characters are more than the ${maxChars} it may have.`);
}

/** A request id: any text, or "" for none. */
export function parseRequestId(text: string): string {
  return parseText("request_id", text, 128);
}

/** A number that counts something, from 0. */
export function parseCount(field: string, value: bigint): number {
  if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw invalid(field, `${value} is not a number from 0 on.`);
}
