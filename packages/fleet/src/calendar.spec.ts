import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  activeFreeze,
  assessWindow,
  type Calendar,
  closesAt,
  isOpen,
  MAX_WINDOW_MS,
  nextOpening,
  type Window,
} from "./calendar.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function aWindow(fields: Partial<Window> = {}): Window {
  return { cron: "0 22 * * *", durationMs: 2 * HOUR, timeZone: "UTC", ...fields };
}

function at(iso: string): number {
  return Date.parse(iso);
}

function iso(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString().replace(".000Z", "Z");
}

interface Case {
  readonly name: string;
  readonly windows: readonly Window[];
  readonly at: string;
  /** The first moment that is open, and the first that is closed. */
  readonly opens: string | null;
  readonly closes: string | null;
}

const cases: readonly Case[] = [
  {
    name: "no windows are no limit",
    windows: [],
    at: "2026-05-01T12:00:00Z",
    opens: "2026-05-01T12:00:00Z",
    closes: null,
  },
  {
    name: "is open from its opening on",
    windows: [aWindow()],
    at: "2026-05-01T22:00:00Z",
    opens: "2026-05-01T22:00:00Z",
    closes: "2026-05-02T00:00:00Z",
  },
  {
    name: "is closed a moment before its opening",
    windows: [aWindow()],
    at: "2026-05-01T21:59:59.999Z",
    opens: "2026-05-01T22:00:00Z",
    closes: "2026-05-01T21:59:59.999Z",
  },
  {
    name: "is open a moment before its end",
    windows: [aWindow()],
    at: "2026-05-01T23:59:59.999Z",
    opens: "2026-05-01T23:59:59.999Z",
    closes: "2026-05-02T00:00:00Z",
  },
  {
    name: "is closed at its end",
    windows: [aWindow()],
    at: "2026-05-02T00:00:00Z",
    opens: "2026-05-02T22:00:00Z",
    closes: "2026-05-02T00:00:00Z",
  },
  {
    name: "is meant by the wall clock of its zone",
    windows: [aWindow({ timeZone: "America/New_York" })],
    at: "2026-07-01T12:00:00Z",
    opens: "2026-07-02T02:00:00Z",
    closes: "2026-07-01T12:00:00Z",
  },
  {
    name: "may open on the second Tuesday of a month",
    windows: [aWindow({ cron: "0 22 * * TUE#2" })],
    at: "2026-05-01T12:00:00Z",
    opens: "2026-05-12T22:00:00Z",
    closes: "2026-05-01T12:00:00Z",
  },
  {
    name: "of several the next one counts",
    windows: [aWindow(), aWindow({ cron: "0 6 * * *" })],
    at: "2026-05-01T12:00:00Z",
    opens: "2026-05-01T22:00:00Z",
    closes: "2026-05-01T12:00:00Z",
  },
  {
    name: "joins one that adjoins and one that overlaps",
    windows: [aWindow(), aWindow({ cron: "0 0 * * *" }), aWindow({ cron: "30 1 * * *" })],
    at: "2026-05-01T23:00:00Z",
    opens: "2026-05-01T23:00:00Z",
    closes: "2026-05-02T03:30:00Z",
  },
  {
    name: "that overlaps itself is always open",
    windows: [aWindow({ durationMs: 25 * HOUR })],
    at: "2026-05-01T12:00:00Z",
    opens: "2026-05-01T12:00:00Z",
    closes: "2026-07-03T23:00:00Z", // the end of the 64th
  },
  {
    name: "that can never come is never open",
    windows: [aWindow({ cron: "0 0 30 2 *" })],
    at: "2026-05-01T12:00:00Z",
    opens: null,
    closes: "2026-05-01T12:00:00Z",
  },
  {
    name: "opens on the next 29 February",
    windows: [aWindow({ cron: "0 0 29 2 *" })],
    at: "2026-05-01T12:00:00Z",
    opens: "2028-02-29T00:00:00Z",
    closes: "2026-05-01T12:00:00Z",
  },
];

/** 02:30 in Berlin, an hour long: skipped on 29 March 2026, twice on 25 October. */
const berlin = aWindow({ cron: "30 2 * * *", durationMs: HOUR, timeZone: "Europe/Berlin" });
const clockChanges: readonly Case[] = [
  {
    name: "at a time that is skipped opens as soon as the clocks are forward",
    windows: [berlin],
    at: "2026-03-29T00:59:59Z",
    opens: "2026-03-29T01:00:00Z",
    closes: "2026-03-29T00:59:59Z",
  },
  {
    name: "at a time that is skipped stays open as long as ever",
    windows: [berlin],
    at: "2026-03-29T01:30:00Z",
    opens: "2026-03-29T01:30:00Z",
    closes: "2026-03-29T02:00:00Z",
  },
  {
    name: "at a time that was skipped opens as usual the day after",
    windows: [berlin],
    at: "2026-03-29T02:00:00Z",
    opens: "2026-03-30T00:30:00Z",
    closes: "2026-03-29T02:00:00Z",
  },
  {
    name: "at a time that comes twice opens the first time",
    windows: [berlin],
    at: "2026-10-24T12:00:00Z",
    opens: "2026-10-25T00:30:00Z",
    closes: "2026-10-24T12:00:00Z",
  },
  {
    name: "at a time that comes twice closes after its duration",
    windows: [berlin],
    at: "2026-10-25T01:00:00Z",
    opens: "2026-10-25T01:00:00Z",
    closes: "2026-10-25T01:30:00Z",
  },
  {
    name: "at a time that comes twice does not open the second time",
    windows: [berlin],
    at: "2026-10-25T01:30:00Z",
    opens: "2026-10-26T01:30:00Z",
    closes: "2026-10-25T01:30:00Z",
  },
  {
    name: "with a list of hours of which one is skipped opens all the same",
    windows: [aWindow({ cron: "30 2,14 * * *", timeZone: "Europe/Berlin" })],
    at: "2026-03-28T20:00:00Z",
    opens: "2026-03-29T01:00:00Z",
    closes: "2026-03-28T20:00:00Z",
  },
  {
    name: "at a midnight that is skipped opens that day",
    windows: [aWindow({ cron: "0 0 * * *", timeZone: "Africa/Cairo" })],
    at: "2026-04-23T20:00:00Z",
    opens: "2026-04-23T22:00:00Z",
    closes: "2026-04-23T20:00:00Z",
  },
  {
    name: "lasts by time that passes, not by the wall clock",
    windows: [aWindow({ durationMs: 8 * HOUR, timeZone: "Europe/Berlin" })],
    at: "2026-03-28T22:00:00Z",
    opens: "2026-03-28T22:00:00Z",
    closes: "2026-03-29T05:00:00Z",
  },
];

describe("a window", () => {
  for (const { name, windows, at: now, opens, closes } of [...cases, ...clockChanges]) {
    it(name, () => {
      assert.deepEqual(
        {
          isOpen: isOpen(windows, at(now)),
          opens: iso(nextOpening(windows, at(now))),
          closes: iso(closesAt(windows, at(now))),
        },
        { isOpen: opens === iso(at(now)), opens, closes },
      );
    });
  }
});

describe("any window", () => {
  const simple = fc.record({
    minute: fc.integer({ min: 0, max: 59 }),
    hours: fc.uniqueArray(fc.integer({ min: 0, max: 23 }), { minLength: 1, maxLength: 4 }),
    weekday: fc.constantFrom("*", "0", "1,3", "5-6"),
    durationMs: fc.integer({ min: 1, max: 3 * 24 * HOUR }),
  });
  const moment = fc.integer({ min: at("2026-01-01T00:00:00Z"), max: at("2027-12-31T00:00:00Z") });
  const weekdays: Readonly<Record<string, readonly number[]>> = { "0": [0], "1,3": [1, 3], "5-6": [5, 6] };

  it("is open exactly when it opened within its duration", () => {
    fc.assert(
      fc.property(simple, moment, ({ minute, hours, weekday, durationMs }, atMs) => {
        const cron = `${minute} ${hours.join(",")} * * ${weekday}`;
        const opensAt = (ms: number): boolean => {
          const date = new Date(ms);
          const isDay = weekdays[weekday]?.includes(date.getUTCDay()) ?? true;
          return isDay && date.getUTCMinutes() === minute && hours.includes(date.getUTCHours());
        };
        let opened = Math.floor(atMs / MINUTE) * MINUTE;
        while (opened + durationMs > atMs && !opensAt(opened)) opened -= MINUTE;
        assert.equal(isOpen([aWindow({ cron, durationMs })], atMs), opened + durationMs > atMs);
      }),
    );
  });

  it("is open where it says that it opens, and closed where it says that it closes, in zones whose clocks change", () => {
    const zone = fc.constantFrom("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo");
    fc.assert(
      fc.property(simple, moment, zone, ({ minute, hours, weekday, durationMs }, atMs, timeZone) => {
        const windows = [aWindow({ cron: `${minute} ${hours.join(",")} * * ${weekday}`, durationMs, timeZone })];
        const [opensMs, closesMs] = [nextOpening(windows, atMs), closesAt(windows, atMs)];
        assert.ok(opensMs !== null && closesMs !== null);
        assert.equal(isOpen(windows, atMs), opensMs === atMs);
        assert.equal(isOpen(windows, atMs), closesMs > atMs);
        assert.ok(isOpen(windows, opensMs));
        assert.ok(opensMs === atMs || !isOpen(windows, opensMs - 1));
        assert.ok(closesMs === atMs || isOpen(windows, closesMs - 1));
        const isAlwaysOpen = closesMs - atMs > 14 * 24 * HOUR; // 64 openings, four a day at most
        assert.ok(isAlwaysOpen || !isOpen(windows, closesMs));
      }),
    );
  });
});

describe("a freeze", () => {
  const single: Calendar = {
    id: "holidays",
    description: "Nobody is in.",
    freezes: [
      { fromMs: 100, toMs: 200, reason: "First." },
      { fromMs: 150, toMs: 300, reason: "Second." },
    ],
    recurring: [],
  };
  const weekly: Calendar = {
    id: "weekends",
    description: "No changes at the weekend.",
    freezes: [],
    recurring: [aWindow({ cron: "0 0 * * SAT,SUN", durationMs: 24 * HOUR })],
  };
  const saturday = at("2026-05-02T12:00:00Z");
  const monday = at("2026-05-04T00:00:00Z");
  const first = { calendarId: "holidays", reason: "First.", untilMs: 200 };
  const second = { calendarId: "holidays", reason: "Second.", untilMs: 300 };
  const weekend = { calendarId: "weekends", reason: "No changes at the weekend.", untilMs: monday };
  const longer = { fromMs: saturday - 1, toMs: monday + 1, reason: "Longer." };
  const table = [
    { name: "does not hold without calendars", calendars: [], atMs: 150, expected: null },
    { name: "does not hold before it begins", calendars: [single], atMs: 99, expected: null },
    { name: "holds from its first moment on", calendars: [single], atMs: 100, expected: first },
    { name: "that ends last is the one that is told", calendars: [single], atMs: 150, expected: second },
    { name: "does not hold at its end", calendars: [single], atMs: 300, expected: null },
    {
      name: "that recurs holds until the last one that adjoins",
      calendars: [weekly],
      atMs: saturday,
      expected: weekend,
    },
    { name: "that recurs is over at its end", calendars: [weekly], atMs: monday, expected: null },
    {
      name: "is found in any of several calendars",
      calendars: [weekly, { ...single, freezes: [longer] }],
      atMs: saturday,
      expected: { calendarId: "holidays", reason: "Longer.", untilMs: monday + 1 },
    },
  ];
  for (const { name, calendars, atMs, expected } of table) {
    it(name, () => assert.deepEqual(activeFreeze(calendars, atMs), expected));
  }
});

describe("assessing a window", () => {
  const table: readonly { readonly name: string; readonly window: Window; readonly problem: RegExp | null }[] = [
    { name: "accepts five fields", window: aWindow(), problem: null },
    { name: "accepts names, steps and ranges", window: aWindow({ cron: "*/5 8-17 * JAN-MAR MON-FRI" }), problem: null },
    { name: "accepts a day that is in leap years only", window: aWindow({ cron: "0 0 29 2 *" }), problem: null },
    { name: "accepts the longest duration", window: aWindow({ durationMs: MAX_WINDOW_MS }), problem: null },
    { name: "refuses no expression", window: aWindow({ cron: " " }), problem: /^cron: .*missing/ },
    { name: "refuses seconds", window: aWindow({ cron: "0 0 22 * * *" }), problem: /^cron: .*seconds/ },
    { name: "refuses a nickname", window: aWindow({ cron: "@daily" }), problem: /^cron: .*five fields/ },
    { name: "refuses a moment", window: aWindow({ cron: "2026-05-01T22:00:00" }), problem: /^cron: .*five fields/ },
    {
      name: "refuses what would depend on the moment of reading",
      window: aWindow({ cron: "? * * * *" }),
      problem: /^cron: .*character/,
    },
    { name: "refuses a month that is none", window: aWindow({ cron: "0 0 1 13 *" }), problem: /^cron: .*months 1-12/ },
    { name: "refuses a range that descends", window: aWindow({ cron: "0 22-4 * * *" }), problem: /^cron: .*ascend/ },
    { name: "refuses what never opens", window: aWindow({ cron: "0 0 30 2 *" }), problem: /^cron: .*never/ },
    {
      name: "refuses an endless text",
      window: aWindow({ cron: `${"0,".repeat(100)}0 * * * *` }),
      problem: /^cron: .*longer/,
    },
    { name: "refuses no duration", window: aWindow({ durationMs: 0 }), problem: /^duration: / },
    {
      name: "refuses a duration that is no number",
      window: aWindow({ durationMs: Number.NaN }),
      problem: /^duration: /,
    },
    {
      name: "refuses 31 days and a bit",
      window: aWindow({ durationMs: MAX_WINDOW_MS + 1 }),
      problem: /^duration: .*31/,
    },
    { name: "refuses an unknown zone", window: aWindow({ timeZone: "Europe/Atlantis" }), problem: /^time_zone: / },
    { name: "refuses no zone", window: aWindow({ timeZone: "" }), problem: /^time_zone: / },
    { name: "refuses an offset", window: aWindow({ timeZone: "+01:00" }), problem: /^time_zone: / },
  ];
  for (const { name, window, problem } of table) {
    it(name, () => {
      const problems = assessWindow(window).map(({ field, description }) => `${field}: ${description}`);
      if (problem === null) assert.deepEqual(problems, []);
      else assert.ok(problems.length === 1 && problem.test(problems[0] ?? ""), problems.join("\n"));
    });
  }

  it("tells every problem at once", () => {
    const problems = assessWindow({ cron: "daily", durationMs: -1, timeZone: "Mars" });
    assert.deepEqual(
      problems.map(({ field }) => field),
      ["cron", "duration", "time_zone"],
    );
  });
});
