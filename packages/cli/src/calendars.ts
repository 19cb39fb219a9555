// `muster calendars`: when nothing may change.

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  CalendarSchema,
  DeleteCalendarResponseSchema,
  ListCalendarsResponseSchema,
} from "@muster/protocol/muster/calendars";
import { parseDocument, readInput } from "./document.ts";
import { CommandError } from "./failure.ts";
import { formatDocument, type Session } from "./session.ts";
import { formatTable } from "./table.ts";
import { counted, oneLine } from "./text.ts";

/** Creates the calendar of a file, or replaces it. */
export async function applyCalendar(
  session: Session,
  calendarId: string,
  { file }: { readonly file: string },
): Promise<void> {
  const text = Buffer.from(await readInput(session, file)).toString();
  const parsed = parseDocument(CalendarSchema, text, file);
  if (parsed.calendarId !== "" && parsed.calendarId !== calendarId) {
    throw new CommandError(`${file}: is calendar ${parsed.calendarId}, and ${calendarId} was typed.`);
  }
  const wanted = create(CalendarSchema, { ...parsed, calendarId });
  const { calendar = wanted } = await session.calendars
    .updateCalendar({ calendar: wanted }, session.call)
    .catch((error: unknown) => {
      if (!(error instanceof ConnectError) || error.code !== Code.NotFound) throw error;
      return session.calendars.createCalendar({ calendar: wanted }, session.call);
    });
  const holds = `${counted(calendar.freezes.length, "freeze")} and ${calendar.recurring.length} recurring`;
  session.show(
    CalendarSchema,
    calendar,
    () => `Calendar ${calendarId} holds ${holds}. Rollouts heed it with --calendar ${calendarId}\n`,
  );
}

/** Shows a calendar. */
export async function getCalendar(session: Session, calendarId: string): Promise<void> {
  const { calendar = create(CalendarSchema) } = await session.calendars.getCalendar({ calendarId }, session.call);
  session.write(formatDocument(CalendarSchema, calendar));
}

/** Lists calendars. */
export async function listCalendars(session: Session): Promise<void> {
  const listed = await session.calendars.listCalendars({ pageSize: 1_000 }, session.call);
  const rows = listed.calendars.map(({ calendarId, freezes, recurring, description }) => [
    calendarId,
    `${freezes.length}`,
    `${recurring.length}`,
    oneLine(description, 80),
  ]);
  session.show(ListCalendarsResponseSchema, listed, () =>
    rows.length === 0
      ? "There is no calendar yet.\n"
      : formatTable(["CALENDAR", "FREEZES", "RECURRING", "DESCRIPTION"], rows),
  );
}

/** Deletes a calendar. */
export async function deleteCalendar(session: Session, calendarId: string): Promise<void> {
  const answer = await session.calendars.deleteCalendar({ calendarId }, session.call);
  session.show(
    DeleteCalendarResponseSchema,
    answer,
    () => `Calendar ${calendarId} is gone; it freezes nothing any more.\n`,
  );
}
