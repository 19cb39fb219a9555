import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AgentView, InstanceUid } from "@muster/fleet";
import { anAgent, aUid } from "@muster/fleet/builders";
import { type ForgetGoneDeps, forgetGone, isGone } from "./forget-gone.ts";

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

  it("are told apart from those that stay, and counted", async () => {
    const views = [since(away(8, 1)), since(away(1, 2)), anAgent({ uid: aUid(3) }), since(away(9, 4))];
    const counts: number[] = [];
    const forgotten: InstanceUid[] = [];
    const deps: ForgetGoneDeps = {
      retentionMs: 7 * DAY_MS,
      load: async (uids) => views.filter(({ uid }) => uids.includes(uid)).map((view) => ({ view, version: 1 })),
      async forget(found) {
        forgotten.push(...found.map(({ view }) => view.uid));
        return found.map(({ view }) => (view.uid === aUid(4) ? "back" : "forgotten"));
      },
      nowMs: () => NOW_MS,
      onForgotten: (count) => counts.push(count),
    };
    await forgetGone(
      deps,
      [1, 2, 3, 4].map((n) => aUid(n)),
    );
    await forgetGone(deps, [aUid(2)]);
    assert.deepEqual([forgotten, counts], [[aUid(1), aUid(4)], [1]]);
  });
});
