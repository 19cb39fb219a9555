import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentView, type InstanceUid, matches, selectableOf } from "@muster/fleet";
import { anAgent, aUid } from "@muster/fleet/builders";
import { createForgetGone, isGone } from "./forget-gone.ts";

const [DAY_MS, NOW_MS] = [86_400_000, 1_000 * 86_400_000];
const away = (days: number, n = 1) =>
  anAgent({ uid: aUid(n), connected: false, disconnectedAtMs: NOW_MS - days * DAY_MS });
/** When an agent left is when its connection facet changed. */
const since = (view: AgentView): AgentView => {
  const { connection } = view;
  return connection === null
    ? view
    : { ...view, connection: { ...connection, atMs: connection.value.ended?.atMs ?? 0 } };
};

describe("agents that do not come back", () => {
  const said = { generation: 1, labels: [], hasAnnotations: false };
  const cases: readonly { name: string; view: AgentView; days?: number; is: boolean }[] = [
    { name: "are forgotten after the time that is set", view: since(away(7)), is: true },
    { name: "are not before", view: since(away(6.9)), is: false },
    { name: "are not while they are connected, however long nothing was heard", view: anAgent(), is: false },
    { name: "are not where they are kept for ever", view: since(away(700)), days: 0, is: false },
    {
      name: "are not while they have labels",
      view: { ...since(away(9)), metadata: { ...said, labels: [["a", ""]] } },
      is: false,
    },
    {
      name: "are not while they have annotations",
      view: { ...since(away(9)), metadata: { ...said, hasAnnotations: true } },
      is: false,
    },
    { name: "are when nothing is said of them any more", view: { ...since(away(9)), metadata: said }, is: true },
  ];
  for (const { name, view, days = 7, is } of cases)
    it(name, () => assert.equal(isGone(view, days * DAY_MS, NOW_MS), is));

  /** A fleet of two partitions, by the parity of its numbers. */
  function aFleet(views: readonly AgentView[]) {
    const fleet = new Map<InstanceUid, AgentView>(views.map((view) => [view.uid, view]));
    const looked: InstanceUid[] = [];
    const pass = createForgetGone({
      partitions: 2,
      retentionMs: 7 * DAY_MS,
      async pageOf(partition, after, limit, selector) {
        const some = [...fleet.values()].filter(
          ({ uid }) => Number.parseInt(uid.slice(-1), 16) % 2 === partition && uid > after,
        );
        return some
          .filter((view) => matches(selector, selectableOf(view, [])))
          .map(({ uid }) => uid)
          .sort()
          .slice(0, limit);
      },
      async load(uids) {
        looked.push(...uids);
        return uids.flatMap((uid) => fleet.get(uid) ?? []).map((view) => ({ view, version: 1 }));
      },
      async forget(found) {
        for (const { view } of found) fleet.delete(view.uid);
        return found.map(() => "forgotten");
      },
      nowMs: () => NOW_MS,
    });
    return { fleet, looked, pass };
  }

  it("are found a few at a time, in one partition after the other, and nobody else is looked at", async () => {
    const gone = Array.from({ length: 700 }, (_, i) => since(away(i % 3 === 0 ? 8 : 1, i + 1)));
    const { fleet, looked, pass } = aFleet([...gone, anAgent({ uid: aUid(5_000) })]);
    const counts: number[] = [];
    for (let i = 0; i < 6; i++) counts.push(await pass());
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      234,
    );
    assert.ok(counts.every((count) => count <= 250));
    assert.equal(fleet.size, 467);
    assert.ok(!looked.includes(aUid(5_000)));
  });
});
