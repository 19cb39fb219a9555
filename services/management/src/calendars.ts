// CalendarService: keeps calendars of freezes, which rollouts name and workers heed.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Calendar, FleetError, type Freeze, type Violation } from "@muster/fleet";
import {
  CalendarSchema,
  type CalendarService,
  type Calendar as ProtoCalendar,
} from "@muster/protocol/muster/calendars";
import type { Documents, Stored } from "@muster/store";
import type { MethodsOf } from "./call.ts";
import { dropKept, keepAgain, keepNew, kept, keptPage, parseKeptId } from "./kept.ts";
import { parseWindows, timeOf } from "./parse-settings.ts";
import { createSpans } from "./parse-span.ts";
import { toWindow } from "./translate-settings.ts";

const MAX_FREEZES = 1_000;
const MAX_TEXT_CHARS = 1_000;

/** The methods of CalendarService. */
export function createCalendarService({
  calendars,
}: {
  readonly calendars: Documents<Calendar>;
}): MethodsOf<typeof CalendarService> {
  const kind = { noun: "calendar", documents: calendars };
  return {
    async createCalendar({ calendar, validateOnly }) {
      return { calendar: toCalendar(await keepNew(kind, parseCalendar(calendar), validateOnly)) };
    },
    async updateCalendar({ calendar, validateOnly }) {
      const stored = await keepAgain(kind, parseCalendar(calendar), calendar?.etag ?? "", validateOnly);
      return { calendar: toCalendar(stored) };
    },
    async getCalendar({ calendarId }) {
      return { calendar: toCalendar(await kept(kind, calendarId)) };
    },
    async listCalendars(request) {
      const { items, nextPageToken } = await keptPage(kind, request);
      return { calendars: items.map(toCalendar), nextPageToken };
    },
    async deleteCalendar({ calendarId, etag, validateOnly }) {
      await dropKept(kind, calendarId, etag, validateOnly);
      return {};
    },
  };
}

function parseCalendar(message: ProtoCalendar | undefined): Calendar {
  const { calendarId, description, freezes, recurring } = message ?? create(CalendarSchema);
  const violations: Violation[] = [];
  const id = parseId(calendarId, violations);
  if (description.length > MAX_TEXT_CHARS)
    violations.push({ field: "calendar.description", description: `is longer than ${MAX_TEXT_CHARS} characters.` });
  if (freezes.length > MAX_FREEZES)
    violations.push({ field: "calendar.freezes", description: `${freezes.length} are more than ${MAX_FREEZES}.` });
  const parsed = freezes
    .slice(0, MAX_FREEZES)
    .map((freeze, i) => parseFreeze(freeze, `calendar.freezes[${i}]`, violations));
  const windows = parseWindows(recurring, "calendar.recurring", createSpans(violations), violations);
  if (violations.length > 0) throw FleetError.invalid(violations);
  return { id, description, freezes: parsed, recurring: windows };
}

function parseId(text: string, violations: Violation[]): string {
  try {
    return parseKeptId("calendar", text);
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    violations.push(...error.violations);
    return "";
  }
}

function parseFreeze(
  { startTime, endTime, reason }: ProtoCalendar["freezes"][number],
  field: string,
  violations: Violation[],
): Freeze {
  const fromMs = timeOf(startTime, `${field}.start_time`, violations);
  const toMs = timeOf(endTime, `${field}.end_time`, violations);
  if (startTime === undefined || endTime === undefined) {
    violations.push({ field, description: "give a start and an end time." });
  } else if (fromMs !== null && toMs !== null && toMs <= fromMs) {
    violations.push({ field: `${field}.end_time`, description: "is not after the start time." });
  }
  return { fromMs: fromMs ?? 0, toMs: toMs ?? 0, reason: reason.slice(0, MAX_TEXT_CHARS) };
}

function toCalendar({ document: calendar, etag }: Stored<Calendar>): MessageInitShape<typeof CalendarSchema> {
  return {
    calendarId: calendar.id,
    description: calendar.description,
    freezes: calendar.freezes.map(({ fromMs, toMs, reason }) => ({
      startTime: timestampFromMs(fromMs),
      endTime: timestampFromMs(toMs),
      reason,
    })),
    recurring: calendar.recurring.map(toWindow),
    etag,
  };
}
