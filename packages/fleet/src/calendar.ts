// When things may change: recurring windows, and calendars of freezes. Pure: the moment is an argument. The arithmetic of
// cron expressions and time zones is croner's, which is named in this file only: zero dependencies, types of its own, and
// the rule for changing clocks below, which the standard library and cron-parser do not have.
//
// Invariants
//   C1. A window is open from each opening o while o <= t < o + durationMs. The duration is time that passes, not wall
//       clock: eight hours from 22:00 end at 07:00 in the night in which the clocks go forward.
//   C2. An opening on a wall clock that is skipped (02:30 in the spring) happens as soon as the clocks are forward. One that
//       comes twice (02:30 in the autumn) happens once, the first time, unless its minutes or hours hold a `*`.
//   C3. Windows that overlap or adjoin, others or themselves, are one. No windows at all is no limit: always open.

import { Cron } from "croner";
import type { Violation } from "./error.ts";

/** A recurring span of time. */
export interface Window {
  /**
   * Five-field cron expression: when it opens. Beside numbers, lists, ranges and steps it may use names (`MON`, `JAN`) and
   * `L`, `W` and `#`: `0 22 * * TUE#2` is each second Tuesday. With both days given, either will do.
   */
  readonly cron: string;
  readonly durationMs: number;
  /** IANA name, such as `Europe/Berlin`; the wall clock that `cron` is meant by. */
  readonly timeZone: string;
}

/** A span of time in which nothing may change. Milliseconds since 1970, `toMs` exclusive. */
export interface Freeze {
  readonly fromMs: number;
  readonly toMs: number;
  readonly reason: string;
}

/** A named list of freezes, single and recurring. */
export interface Calendar {
  readonly id: string;
  readonly description: string;
  readonly freezes: readonly Freeze[];
  readonly recurring: readonly Window[];
}

/** What forbids changes, and until when it does. */
export interface ActiveFreeze {
  readonly calendarId: string;
  /** Of a single freeze its own; of a recurring one the calendar's description. */
  readonly reason: string;
  /** Exclusive. Another freeze may follow. */
  readonly untilMs: number;
}

/** The longest window: a month of 31 days. */
export const MAX_WINDOW_MS = 31 * 24 * 3_600_000;

const MAX_CRON_LENGTH = 200;
const MAX_JOINED = 64;
const MAX_CACHED = 1_000;
const EXPECTED_CRON =
  "expected minutes 0-59, hours 0-23, days 1-31, months 1-12, days of the week 0-7 (0 and 7 are Sunday), and ranges that ascend.";
const crons = new Map<string, Cron>();

/** Whether a window is open; true where there are none. @throws TypeError for a window that `assessWindow` refuses */
export function isOpen(windows: readonly Window[], atMs: number): boolean {
  return windows.length === 0 || windows.some((window) => firstOpening(window, atMs - window.durationMs) <= atMs);
}

/** The first moment from `atMs` on that is open, which is `atMs` itself when that is; null: never. */
export function nextOpening(windows: readonly Window[], atMs: number): number | null {
  if (isOpen(windows, atMs)) return atMs;
  const next = Math.min(...windows.map((window) => firstOpening(window, atMs)));
  return next === Number.POSITIVE_INFINITY ? null : next;
}

/**
 * The first moment from `atMs` on that is closed, which is `atMs` itself when that is; null: never, there are no windows.
 * Looks no further than 64 windows that follow without a gap: where there are more, the answer is the end of the last of
 * them, at which one has to ask again.
 */
export function closesAt(windows: readonly Window[], atMs: number): number | null {
  if (windows.length === 0) return null;
  let closedMs = atMs;
  for (let joined = 0; joined < MAX_JOINED; joined += 1) {
    const ends = windows.map((window) => lastOpening(window, closedMs) + window.durationMs);
    const endMs = Math.max(...ends);
    if (endMs <= closedMs) break;
    closedMs = endMs;
  }
  return closedMs;
}

/** The freeze that holds at a moment, of several the one that ends last; null: none. */
export function activeFreeze(calendars: readonly Calendar[], atMs: number): ActiveFreeze | null {
  const active = calendars.flatMap((calendar) => [
    ...calendar.freezes
      .filter(({ fromMs, toMs }) => fromMs <= atMs && atMs < toMs)
      .map(({ toMs, reason }) => ({ calendarId: calendar.id, reason, untilMs: toMs })),
    ...recurringFreeze(calendar, atMs),
  ]);
  return active.reduce<ActiveFreeze | null>(
    (last, freeze) => (last === null || freeze.untilMs > last.untilMs ? freeze : last),
    null,
  );
}

/** What is wrong with a window, each problem with its field (`cron`, `duration`, `time_zone`). */
export function assessWindow(window: Window): readonly Violation[] {
  const zone = zoneProblem(window.timeZone);
  // An unknown zone is one problem, not two: the expression is looked at by the clock of UTC then.
  const cron = cronProblem(zone === null ? window : { ...window, timeZone: "UTC" });
  const duration = durationProblem(window.durationMs);
  return [
    ...(cron === null ? [] : [{ field: "cron", description: cron }]),
    ...(duration === null ? [] : [{ field: "duration", description: duration }]),
    ...(zone === null ? [] : [{ field: "time_zone", description: zone }]),
  ];
}

function recurringFreeze({ id, description, recurring }: Calendar, atMs: number): readonly ActiveFreeze[] {
  if (recurring.length === 0 || !isOpen(recurring, atMs)) return [];
  const untilMs = closesAt(recurring, atMs) ?? atMs;
  return [{ calendarId: id, reason: description, untilMs }];
}

/** The first opening later than a moment; infinity: none. Openings are at whole seconds, so the rest of one is dropped. */
function firstOpening(window: Window, afterMs: number): number {
  const next = cronOf(window).nextRun(new Date(Math.floor(afterMs / 1_000) * 1_000));
  return next?.getTime() ?? Number.POSITIVE_INFINITY;
}

/** The last opening at or before a moment; minus infinity: none. */
function lastOpening(window: Window, atMs: number): number {
  // croner looks before a moment, not at it.
  const [last] = cronOf(window).previousRuns(1, new Date((Math.floor(atMs / 1_000) + 1) * 1_000));
  return last?.getTime() ?? Number.NEGATIVE_INFINITY;
}

/** Parsing costs as much as asking, and what comes of it depends on the text alone. */
function cronOf({ cron, timeZone }: Pick<Window, "cron" | "timeZone">): Cron {
  const key = `${timeZone} ${cron}`;
  const known = crons.get(key);
  if (known !== undefined) return known;
  const parsed = new Cron(cron, { timezone: timeZone, mode: "5-part", fixedTimeRule: "no-wildcard" });
  if (crons.size >= MAX_CACHED) crons.clear();
  crons.set(key, parsed);
  return parsed;
}

function cronProblem({ cron, timeZone }: Window): string | null {
  const fields = cron.trim().split(/\s+/);
  if (cron.trim() === "") return "The cron expression is missing; `0 22 * * 1-5` opens at 22:00 from Monday to Friday.";
  if (cron.length > MAX_CRON_LENGTH) return `The cron expression is longer than ${MAX_CRON_LENGTH} characters.`;
  if (fields.length !== 5) {
    const hint = fields.length > 5 ? "; seconds and years cannot be given" : "";
    return `"${cron}" is not five fields (minute, hour, day of month, month, day of week)${hint}.`;
  }
  // `?` would stand for the moment at which the expression is read, `+` for what no other cron knows.
  if (/[^\dA-Za-z*,/#\s-]/.test(cron)) return `"${cron}" holds a character that a cron expression cannot have.`;
  try {
    const opens = cronOf({ cron, timeZone }).nextRun(new Date(0)) !== null;
    return opens ? null : `"${cron}" never comes, so the window would never open.`;
  } catch {
    // croner's own sentences count months and days from 0.
    return `"${cron}" is not a cron expression; ${EXPECTED_CRON}`;
  }
}

function durationProblem(durationMs: number): string | null {
  if (!(durationMs > 0)) return "The duration has to be longer than nothing.";
  return durationMs > MAX_WINDOW_MS ? "The duration has to be 31 days at most." : null;
}

/** Names only: an offset such as `+01:00` would ignore that clocks change. */
function zoneProblem(timeZone: string): string | null {
  const expected = "expected an IANA name such as Europe/Berlin, or UTC.";
  if (!/^[A-Za-z]/.test(timeZone)) return `"${timeZone}" is not a time zone; ${expected}`;
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return null;
  } catch {
    return `"${timeZone}" is not a time zone that is known here; ${expected}`;
  }
}
