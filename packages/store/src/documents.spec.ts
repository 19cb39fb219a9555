import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Calendar, FleetError } from "@muster/fleet";
import { createDocuments } from "./documents.ts";
import { controlKeys } from "./keys.ts";
import { useStore } from "./spec-store.ts";

function aCalendar(fields: Partial<Calendar> = {}): Calendar {
  return {
    id: "holidays",
    description: "Nobody is in.",
    freezes: [{ fromMs: 1_700_000_000_000, toMs: 1_700_000_100_000, reason: "Stocktaking." }],
    recurring: [{ cron: "0 0 * * SAT,SUN", durationMs: 86_400_000, timeZone: "Europe/Berlin" }],
    ...fields,
  };
}

describe("documents", () => {
  const spec = useStore();
  const calendars = () => spec.store.calendars;
  const conflict = (pattern: RegExp) => (error: unknown) => {
    assert.ok(error instanceof FleetError && error.code === "conflict" && error.reason === "ETAG_MISMATCH");
    assert.match(error.message, pattern);
    return true;
  };

  it("are read back as they were put", async () => {
    assert.equal(await calendars().get("holidays"), undefined);
    const stored = await calendars().put(aCalendar());
    assert.deepEqual(stored.document, aCalendar());
    assert.deepEqual(await calendars().get("holidays"), stored);
  });

  it("are listed by id", async () => {
    assert.deepEqual(await calendars().list(), []);
    for (const id of ["b", "c", "a"]) await calendars().put(aCalendar({ id }));
    assert.deepEqual(
      (await calendars().list()).map(({ document }) => document.id),
      ["a", "b", "c"],
    );
  });

  it("have etags that stand for their content, in whatever order its fields come", async () => {
    const first = await calendars().put(aCalendar());
    const changed = await calendars().put(aCalendar({ description: "Everybody is in." }));
    assert.notEqual(changed.etag, first.etag);
    const { recurring, freezes, description, id } = aCalendar();
    assert.equal((await calendars().put({ recurring, freezes, description, id })).etag, first.etag);
  });

  it("are replaced when the one that was read is still there", async () => {
    const { etag } = await calendars().put(aCalendar(), "");
    const changed = await calendars().put(aCalendar({ freezes: [] }), etag);
    assert.deepEqual((await calendars().get("holidays"))?.document.freezes, []);
    await assert.rejects(calendars().put(aCalendar(), etag), conflict(new RegExp(`has changed .*${changed.etag}`)));
    assert.deepEqual(await calendars().get("holidays"), changed);
  });

  it("are not created twice", async () => {
    await calendars().put(aCalendar(), "");
    await assert.rejects(calendars().put(aCalendar(), ""), conflict(/exists/));
  });

  it("are not brought back by a change of one that was deleted", async () => {
    const { etag } = await calendars().put(aCalendar());
    assert.equal(await calendars().delete("holidays"), true);
    await assert.rejects(calendars().put(aCalendar(), etag), conflict(/was deleted/));
    assert.deepEqual(await calendars().list(), []);
  });

  it("are deleted once", async () => {
    await calendars().put(aCalendar());
    assert.deepEqual([await calendars().delete("holidays"), await calendars().delete("holidays")], [true, false]);
  });

  it("are deleted when the one that was read is still there", async () => {
    const { etag } = await calendars().put(aCalendar());
    await calendars().put(aCalendar({ freezes: [] }));
    await assert.rejects(calendars().delete("holidays", etag), conflict(/has changed/));
    const present = await calendars().get("holidays");
    assert.equal(await calendars().delete("holidays", present?.etag ?? assert.fail()), true);
    assert.equal(await calendars().get("holidays"), undefined);
  });

  it("are refused beyond ten thousand, but those that are there can be changed", async () => {
    const ids = Array.from({ length: 9_999 }, (_, i) => [`c-${i}`, "{}"]);
    await spec.redis.hset(controlKeys.calendars, ...ids.flat());
    await calendars().put(aCalendar());
    await assert.rejects(
      calendars().put(aCalendar({ id: "another" })),
      (error) => error instanceof FleetError && error.code === "exhausted",
    );
    await calendars().put(aCalendar({ freezes: [] }));
  });

  it("are on disk before they are answered, and what writes nothing waits for nothing", async () => {
    let settledCount = 0;
    const kind = { key: controlKeys.calendars, noun: "calendar" };
    const counting = createDocuments<Calendar>(spec.redis, kind, async () => {
      settledCount += 1;
    });
    await counting.put(aCalendar());
    await counting.delete("holidays");
    assert.equal(settledCount, 2);
    await counting.delete("holidays");
    await assert.rejects(counting.put(aCalendar(), "stale"));
    assert.equal(settledCount, 2);
  });
});
