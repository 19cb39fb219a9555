import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  DEFAULT_PACE,
  initialStatus,
  parseConfigId,
  parseRolloutId,
  type RolloutId,
  type RolloutSpec,
  type RolloutStatus,
} from "@muster/fleet";
import { aRollout, aUid, stages } from "@muster/fleet/builders";
import type { StoredRollout } from "@muster/store";
import { loadPeers, type PeersStore } from "./peers.ts";

const anId = (n: number): RolloutId => parseRolloutId(`01890a5d-0000-7000-8000-00000000000${n}`);
const OTHER = parseConfigId("other");
const waiting: Partial<RolloutStatus> = { phase: "scheduled", reason: "queued" };
const running: Partial<RolloutStatus> = { phase: "running", startedAtMs: 1 };

function aStored(n: number, status: Partial<RolloutStatus>, spec: Partial<RolloutSpec> = {}): StoredRollout {
  const own = aRollout(stages(100), { id: anId(n), ...spec });
  return { spec: own, status: { ...initialStatus(own), ...status }, version: 1, wave: [] };
}

/** What rollout 5 finds around it. */
async function peersOf(
  others: readonly StoredRollout[],
  own: Partial<RolloutSpec> = {},
  holder: RolloutId | null = null,
  isAssigned = true,
) {
  const rollout = aStored(5, waiting, own);
  const all = new Map([rollout, ...others].map((each) => [each.spec.id, each]));
  const rollouts: PeersStore["rollouts"] = {
    active: async () => [...all.keys(), anId(9)], // the last is gone
    get: async (id) => all.get(id),
    holder: async () => holder,
  };
  return await loadPeers(rollout, {
    rollouts,
    desired: { isAssigned: async () => isAssigned, assignments: async () => ({ version: 1, list: [] }) },
  });
}

describe("the rollouts around one", () => {
  it("are none where it is alone", async () => {
    assert.deepEqual(await peersOf([]), {
      others: new Map(),
      waved: new Set(),
      isUnsettled: false,
      holder: null,
      isBehind: false,
      isReplaced: false,
      supersededBy: null,
      phases: new Map(),
    });
  });

  it("name who has its config", async () => {
    assert.equal((await peersOf([aStored(1, running)], {}, anId(1))).holder, anId(1));
  });

  it("count those at work on other configs, and neither those that wait nor those of its own", async () => {
    const { others } = await peersOf([
      aStored(1, running, { configId: OTHER }),
      aStored(2, { ...running, phase: "paused" }, { configId: OTHER }),
      aStored(3, waiting, { configId: OTHER }),
      aStored(4, running),
    ]);
    assert.deepEqual([...others.keys()], [anId(1), anId(2)]);
  });

  it("are unsettled while one of them takes agents at will, and until all was decided after that", async () => {
    const at = (isPaced: boolean) => aStored(1, { ...running, isPaced }, { configId: OTHER });
    const found = [
      await peersOf([at(false)]),
      await peersOf([at(true)], {}, null, false),
      await peersOf([at(true)]),
      await peersOf([], {}, null, false),
    ];
    assert.deepEqual(
      found.map(({ isUnsettled }) => isUnsettled),
      [true, true, false, false],
    );
  });

  it("leave out those that ended, though agents are on their way still", async () => {
    const ended = aStored(1, { ...running, phase: "halted", isSettled: false }, { configId: OTHER });
    const { others, isBehind } = await peersOf([ended, aStored(2, { ...waiting, phase: "cancelled" })]);
    assert.deepEqual([[...others], isBehind], [[], false]);
  });

  it("count one that succeeded while it admits those that were away, within its limits", async () => {
    const limited = { pace: { ...DEFAULT_PACE, maxInFlight: 1 }, configId: OTHER };
    const succeeded = { ...running, phase: "succeeded", isPaced: true } as const;
    const catching = { ...aStored(1, succeeded, limited), wave: [{ uid: aUid(1), tries: 1 }] };
    const { others, waved } = await peersOf([
      catching,
      aStored(2, { ...succeeded, hasSettled: true }, limited),
      aStored(3, succeeded, { configId: OTHER }),
    ]);
    assert.deepEqual([[...others.keys()], [...waved]], [[anId(1)], [aUid(1)]]);
  });

  const lines: readonly (readonly [name: string, n: number, theirs: number, ours: number, isBehind: boolean])[] = [
    ["an older one of the same weight goes before it", 4, 0, 0, true],
    ["a newer one of the same weight goes after it", 6, 0, 0, false],
    ["a heavier one goes before it, though newer", 6, 5, 0, true],
    ["a lighter one goes after it, though older", 4, 0, 5, false],
  ];
  for (const [name, n, theirs, ours, isBehind] of lines) {
    it(`form a line: ${name}`, async () => {
      const peers = await peersOf([aStored(n, waiting, { weight: theirs })], { weight: ours });
      assert.equal(peers.isBehind, isBehind);
    });
  }

  it("supersede it where a newer one of its config waits for that", async () => {
    const supersede = { onConflict: "supersede" } as const;
    assert.equal((await peersOf([aStored(6, waiting, supersede)])).supersededBy, anId(6));
    assert.equal((await peersOf([aStored(4, waiting, supersede)])).supersededBy, null, "an older one does not");
    assert.equal((await peersOf([aStored(6, waiting)])).supersededBy, null, "one that queues does not");
    assert.equal(
      (await peersOf([aStored(6, { phase: "awaiting_approval" }, supersede)])).supersededBy,
      null,
      "not yet",
    );
    assert.equal((await peersOf([aStored(6, waiting, { ...supersede, configId: OTHER })])).supersededBy, null);
  });

  it("tell the phases of those that its gates depend on, those that are gone left out", async () => {
    const dependsOn = (n: number) => ({ kind: "dependency", name: `${n}`, rolloutId: anId(n) }) as const;
    const gated = stages(100).map((stage) => ({ ...stage, gates: [dependsOn(1), dependsOn(8)] }));
    const { phases } = await peersOf([aStored(1, { phase: "succeeded" })], { stages: gated });
    assert.deepEqual([...phases], [[anId(1), "succeeded"]]);
  });
});
