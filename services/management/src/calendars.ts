// CalendarService: keeps calendars of freezes, which rollouts name and workers heed.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Calendar, FleetError, type Freeze, parseConfigId, type Violation } from "@muster/fleet";
import {
  CalendarSchema,
  type CalendarService,
  type Calendar as ProtoCalendar,
} from "@muster/protocol/muster/calendars";
import type { Calendars, StoredCalendar } from "@muster/store";
import type { MethodsOf } from "./call.ts";
import { checked } from "./checked.ts";
import { decodePageToken, pageOf, parsePageSize } from "./paging.ts";
import { parseWindows, timeOf } from "./parse-settings.ts";
import { createSpans } from "./parse-span.ts";
import { toWindow } from "./translate-settings.ts";

const MAX_FREEZES = 1_000;
const MAX_TEXT_CHARS = 1_000;

/** The methods of CalendarService. */
export function createCalendarService({
  calendars,
}: {
  readonly calendars: Calendars;
}): MethodsOf<typeof CalendarService> {
  return {
    async createCalendar({ calendar }) {
      const parsed = parseCalendar(calendar);
      if ((await calendars.get(parsed.id)) !== undefined) throw alreadyThere(parsed.id);
      return { calendar: toCalendar(await calendars.put(parsed, "")) };
    },
    async updateCalendar({ calendar }) {
      const parsed = parseCalendar(calendar);
      await existing(calendars, parsed.id);
      return { calendar: toCalendar(await calendars.put(parsed, calendar?.etag || undefined)) };
    },
    async getCalendar({ calendarId }) {
      return { calendar: toCalendar(await existing(calendars, calendarId)) };
    },
    async listCalendars(request) {
      const list = ["calendars"];
      const { pageSize, after } = checked({
        pageSize: () => parsePageSize(request.pageSize),
        after: () => decodePageToken(list, request.pageToken),
      });
      const rest = (await calendars.list()).filter(({ calendar }) => calendar.id > after);
      const page = pageOf(rest, pageSize, list, ({ calendar }) => calendar.id);
      return { calendars: page.items.map(toCalendar), nextPageToken: page.nextPageToken };
    },
    async deleteCalendar({ calendarId }) {
      if (!(await calendars.delete(calendarId))) throw notFound(calendarId);
      return {};
    },
  };
}

async function existing(calendars: Calendars, id: string): Promise<StoredCalendar> {
  const stored = await calendars.get(id);
  if (stored === undefined) throw notFound(id);
  return stored;
}

function notFound(id: string): FleetError {
  const message = `There is no calendar "${id.slice(0, 63)}"; list those there are.`;
  return new FleetError("not_found", message, {
    reason: "CALENDAR_NOT_FOUND",
    details: { calendar_id: id.slice(0, 63) },
  });
}

function alreadyThere(id: string): FleetError {
  const message = `There is a calendar "${id}" already; update it instead.`;
  return new FleetError("already_exists", message, { reason: "CALENDAR_EXISTS", details: { calendar_id: id } });
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

/** Calendars are named as configs are. */
function parseId(text: string, violations: Violation[]): string {
  try {
    return parseConfigId(text);
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    violations.push(...error.violations.map((each) => ({ ...each, field: "calendar.calendar_id" })));
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

function toCalendar({ calendar, etag }: StoredCalendar): MessageInitShape<typeof CalendarSchema> {
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
