// How a case says what it found. A case that returns has passed; it throws Failure when the server did something else,
// and NotApplicable when the question does not arise. Waits end with a condition or a deadline, never with a pause.

import { setTimeout as sleep } from "node:timers/promises";

/** Why a requirement is not checked here. */
export type NotApplicableReason =
  /** It binds the agent. */
  | "client"
  /** It does not show on the wire. */
  | "inside"
  /** The server has to be told to do something, and there is nobody to tell it. */
  | "needs-driver"
  /** The run lacks something that only who starts it can give: credentials, a second gateway, a limit. */
  | "needs-setup"
  /** The server does not say that it does this, and need not. */
  | "not-offered"
  /** It means nothing on this transport. */
  | "transport";

/** The server did something else. */
export class Failure extends Error {
  readonly expected: string;
  readonly seen: string;
  constructor(expected: string, seen: string) {
    super(`expected ${expected}; saw ${seen}`);
    this.expected = expected;
    this.seen = seen;
  }
}

/** The question does not arise. */
export class NotApplicable extends Error {
  readonly reason: NotApplicableReason;
  constructor(reason: NotApplicableReason, sentence: string) {
    super(sentence);
    this.reason = reason;
  }
}

/** Fails unless the condition holds. @throws Failure */
export function ensure(condition: boolean, expected: string, seen: string | (() => string)): asserts condition {
  if (!condition) throw new Failure(expected, typeof seen === "string" ? seen : seen());
}

/** Fails unless both print alike. @throws Failure */
export function ensureEqual(seen: unknown, expected: unknown, what: string): void {
  ensure(json(seen) === json(expected), `${what} ${show(expected)}`, show(seen));
}

/** A value as text, to be compared. */
export function json(value: unknown): string {
  const text = JSON.stringify(value, function (this: Record<string, unknown>, key, each) {
    const original = this[key]; // a Buffer has turned itself into something else by now
    if (original instanceof Uint8Array) return Buffer.from(original).toString("hex");
    return typeof each === "bigint" ? String(each) : each;
  });
  return text ?? "nothing";
}

/** A value in a few characters. */
export function show(value: unknown): string {
  return clip(json(value), 200);
}

/** At most so many characters, on one line. */
export function clip(text: string, maxChars: number): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length <= maxChars ? line : `${line.slice(0, maxChars - 1)}…`;
}

/** A wait. */
export interface Wait {
  readonly withinMs: number;
  readonly expected: string;
  /** What there was instead, asked when time is up. */
  seen(): string;
}

const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 25;

/** Resolves with the first value that is not null. @throws Failure when time is up */
export async function waitFor<T>(look: () => T | null | Promise<T | null>, wait: Wait): Promise<T> {
  const endMs = performance.now() + wait.withinMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() >= endMs) throw new Failure(wait.expected, wait.seen());
    await sleep(pauseMs);
  }
}
