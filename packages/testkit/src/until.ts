// Waiting for a condition, never for a duration. Polls fast at first and slower later; a wait that fails says what
// it was waiting for and what it saw last.

import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";

/** How long and for what. */
export interface UntilOptions {
  /** Gives up after this long; default 5000. */
  readonly timeoutMs?: number;
  /** What is awaited, for the error: "50 agents in the list". */
  readonly what?: string;
}

const firstPauseMs = 2;
const longestPauseMs = 50;

/**
 * Resolves with the first truthy value of `condition`, which may be async. Rejects when time is up, naming `what`,
 * the last value and, if the condition threw, the last error (a throw counts as "not yet").
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 5000, what = "a condition" }: UntilOptions = {},
): Promise<Exclude<T, false | null | undefined | 0 | "">> {
  const startedAtMs = performance.now();
  let last: { readonly value: unknown } | { readonly error: unknown };
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
    try {
      const value = await condition();
      // The type cannot see that a truthy T is none of the falsy values.
      if (value) return value as Exclude<T, false | null | undefined | 0 | "">;
      last = { value };
    } catch (error) {
      last = { error };
    }
    const elapsedMs = performance.now() - startedAtMs;
    if (elapsedMs >= timeoutMs) throw timeUp(what, elapsedMs, last);
    await sleep(Math.min(pauseMs, timeoutMs - elapsedMs));
  }
}

function timeUp(what: string, elapsedMs: number, last: { value: unknown } | { error: unknown }): Error {
  const waited = `waited ${Math.round(elapsedMs)} ms for ${what}`;
  if ("error" in last) return new Error(`${waited}; the last try threw: ${String(last.error)}`, { cause: last.error });
  return new Error(`${waited}; the last value was ${inspect(last.value, { depth: 3, breakLength: Infinity })}`);
}
