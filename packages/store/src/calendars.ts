// Calendars, which say when nothing may change: control state, written by management only, on disk before it is
// answered. Few and small, so all of them are one hash.

import { createHash } from "node:crypto";
import { type Calendar, FleetError } from "@muster/fleet";
import type { Redis } from "ioredis";
import { putCalendar } from "./gen/scripts.ts";
import { controlKeys } from "./keys.ts";
import { run } from "./redis.ts";

/** A calendar with what stands for its content, for `put`. */
export interface StoredCalendar {
  readonly calendar: Calendar;
  /** Equal for equal calendars; opaque to everybody else. */
  readonly etag: string;
}

/** Calendars, by id. */
export interface Calendars {
  /**
   * Writes a calendar. With `expectedEtag` only where that is what there is; "" is where there is none.
   * @throws FleetError `conflict` where something else is there
   */
  put(calendar: Calendar, expectedEtag?: string): Promise<StoredCalendar>;
  get(id: string): Promise<StoredCalendar | undefined>;
  /** All of them, by id. */
  list(): Promise<readonly StoredCalendar[]>;
  /** Answers whether there was one. Who names it, such as a rollout, is not asked. */
  delete(id: string): Promise<boolean>;
}

const WHATEVER = "*";

/** @param settle resolves when what was written is on disk; no write is answered before */
export function createCalendars(control: Redis, settle: () => Promise<void>): Calendars {
  const key = controlKeys.calendars;
  return {
    async put(calendar, expectedEtag = WHATEVER) {
      const text = encode(calendar);
      const code = await run(control, putCalendar, [key], [calendar.id, text, expectedEtag]);
      if (code === 0) throw etagConflict(calendar.id, expectedEtag, await control.hget(key, calendar.id));
      await settle();
      return decode(text);
    },
    async get(id) {
      const text = await control.hget(key, id);
      return text === null ? undefined : decode(text);
    },
    async list() {
      const found = Object.values(await control.hgetall(key)).map(decode);
      return found.sort((a, b) => (a.calendar.id < b.calendar.id ? -1 : 1));
    },
    async delete(id) {
      const count = await control.hdel(key, id);
      if (count === 1) await settle();
      return count === 1;
    },
  };
}

/** Field by field, so that equal calendars have equal texts and with them equal etags. */
function encode({ id, description, freezes, recurring }: Calendar): string {
  return JSON.stringify({
    id,
    description,
    freezes: freezes.map(({ fromMs, toMs, reason }) => ({ fromMs, toMs, reason })),
    recurring: recurring.map(({ cron, durationMs, timeZone }) => ({ cron, durationMs, timeZone })),
  });
}

function decode(text: string): StoredCalendar {
  return { calendar: JSON.parse(text) as Calendar, etag: etagOf(text) }; // written by encode
}

/** What the script compares with: it guards against mistakes, not against malice. */
function etagOf(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

function etagConflict(id: string, expected: string, text: string | null): FleetError {
  const etag = text === null ? "" : etagOf(text);
  const details = { calendar_id: id, expected_etag: expected, etag };
  return new FleetError("conflict", conflictMessage(id, expected, etag), { reason: "ETAG_MISMATCH", details });
}

function conflictMessage(id: string, expected: string, etag: string): string {
  if (expected === "") return `A calendar "${id}" exists; choose another id, or change that one.`;
  if (etag === "") return `Calendar "${id}" was deleted; create it again if it is still wanted.`;
  return `Calendar "${id}" has changed (etag ${etag}, not ${expected}); read it again and repeat the change.`;
}
