import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentView, BLANK, type DesiredRecord } from "@muster/fleet";
import { aHash, anAgent } from "@muster/fleet/builders";
import { HINT_AGAIN_MS, unheardFromMs } from "./unheard.ts";

const AT_MS = 100_000;
const desired: DesiredRecord = { ...BLANK, hash: aHash(), assignedAtMs: AT_MS };
const cases: readonly (readonly [
  name: string,
  view: AgentView,
  desired: DesiredRecord | null,
  fromMs: number | null,
])[] = [
  [
    "an agent that was not offered what it should run is, a while after the decision",
    anAgent(),
    desired,
    AT_MS + HINT_AGAIN_MS,
  ],
  ["one that was offered it is not", anAgent({ offered: { hash: aHash(), atMs: AT_MS } }), desired, null],
  [
    "one that was offered it long ago, under another decision, is",
    anAgent({ offered: { hash: aHash(), atMs: 0 } }),
    desired,
    AT_MS + HINT_AGAIN_MS,
  ],
  ["one that has it is not", anAgent({ ack: { hash: aHash(), state: "applied" } }), desired, null],
  ["one that is away is not", anAgent({ connected: false }), desired, null],
  ["one that accepts no configs is not", anAgent({ capabilities: ["ReportsStatus"] }), desired, null],
  ["one without a desired config is not", anAgent(), null, null],
];

describe("an agent that no gateway told", () => {
  for (const [name, view, record, fromMs] of cases) {
    it(name, () => assert.equal(unheardFromMs(view, record), fromMs));
  }

  it("counts from its connection where that is later, for then its gateway looks by itself", () => {
    const view = anAgent();
    assert.ok(view.connection !== null);
    const connection = { ...view.connection, value: { ...view.connection.value, connectedAtMs: AT_MS + 9 } };
    assert.equal(unheardFromMs({ ...view, connection }, desired), AT_MS + 9 + HINT_AGAIN_MS);
  });
});
