import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { BadRequestSchema } from "@muster/protocol/rpc/error_details";
import { failureOf, type SpecApi, startApi } from "./spec-api.ts";

const christmas = { startTime: timestampFromMs(1_000), endTime: timestampFromMs(2_000), reason: "Christmas" };

describe("CalendarService", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  it("keeps calendars, and changes them only as they were read", async () => {
    const weekly = { cron: "0 18 * * 5", duration: { seconds: 3_600n }, timeZone: "Europe/Berlin" };
    const created = await api.calendars.createCalendar({
      calendar: { calendarId: "holidays", freezes: [christmas], recurring: [weekly] },
    });
    const { calendar } = await api.calendars.getCalendar({ calendarId: "holidays" });
    assert.deepEqual(calendar, created.calendar);
    assert.equal(calendar?.recurring[0]?.timeZone, "Europe/Berlin");
    const updated = await api.calendars.updateCalendar({
      calendar: { calendarId: "holidays", etag: calendar?.etag ?? "" },
    });
    assert.deepEqual(updated.calendar?.freezes, []);
    const stale = { calendarId: "holidays", etag: calendar?.etag ?? "" };
    assert.equal((await failureOf(api.calendars.updateCalendar({ calendar: stale }))).code, Code.Aborted);
    assert.deepEqual(
      (await api.calendars.listCalendars({})).calendars.map(({ calendarId }) => calendarId),
      ["holidays"],
    );
    await api.calendars.deleteCalendar({ calendarId: "holidays" });
    for (const call of [api.calendars.getCalendar, api.calendars.deleteCalendar]) {
      assert.equal((await failureOf(call({ calendarId: "holidays" }))).code, Code.NotFound);
    }
  });

  it("creates nothing twice and updates nothing that is not there", async () => {
    const calendar = { calendarId: "once" };
    assert.equal((await failureOf(api.calendars.updateCalendar({ calendar }))).code, Code.NotFound);
    await api.calendars.createCalendar({ calendar });
    assert.equal((await failureOf(api.calendars.createCalendar({ calendar }))).code, Code.AlreadyExists);
  });

  it("lists everything that is wrong", async () => {
    const backwards = { startTime: timestampFromMs(2), endTime: timestampFromMs(1) };
    const calendar = { calendarId: "No!", freezes: [{}, backwards], recurring: [{ cron: "x", timeZone: "Mars" }] };
    const error = await failureOf(api.calendars.createCalendar({ calendar }));
    const fields = error.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field) ?? [];
    for (const field of [
      "calendar.calendar_id",
      "calendar.freezes[0]",
      "calendar.freezes[1].end_time",
      "calendar.recurring[0].cron",
    ]) {
      assert.ok(fields.includes(field), `${field} in ${fields.join(" ")}`);
    }
  });
});
