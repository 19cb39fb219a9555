// What one agent should run.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aHash, aUid } from "./builders.ts";
import { BLANK, desiredOf } from "./compose.ts";
import { type Candidate, createWanted, type Layer, type LayerMode } from "./desired.ts";
import { parseConfigId, parseRolloutId, type RolloutId } from "./ids.ts";
import { EVERYONE, NOBODY, placeIn, type Rank, rankOf } from "./rank.ts";

const OLDEST = parseRolloutId("01890a5d-0000-7000-8000-000000000009");
const OLD = parseRolloutId("01890a5d-0000-7000-8000-00000000000a");
const NEW = parseRolloutId("01890a5d-0000-7000-8000-00000000000b");
const base = parseConfigId("base");
const edge = parseConfigId("edge");
const H1 = aHash("1");
const H2 = aHash("2");

function reach(cutoff: Rank = EVERYONE, selector = ""): Layer["reach"] {
  return [{ selector, order: "sticky_hash", cutoff }];
}

function aLayer(overrides: Partial<Layer> = {}): Layer {
  const stable = {
    rolloutId: OLD,
    revision: 1,
    hash: H1,
    selector: "",
    order: 100,
    mode: "stable",
    seed: "s",
  } as const;
  return { ...stable, reach: [], components: [], ...overrides };
}

/** The layer of the rollout that is under way, over the stable one. */
function aNewLayer(mode: LayerMode, overrides: Partial<Layer> = {}): Layer {
  return aLayer({ rolloutId: NEW, revision: 2, hash: H2, mode, reach: reach(), ...overrides });
}

function aCandidate(overrides: Partial<Candidate> & { readonly lacking?: boolean } = {}): Candidate {
  const { lacking = false, ...rest } = overrides;
  return {
    uid: aUid(),
    presentUid: aUid(),
    labels: new Map([["env", "prod"]]),
    excluded: new Set(),
    holds: new Map(),
    returned: new Set(),
    waved: new Set(),
    reported: "",
    applied: new Set(),
    forgottenAtMs: null,
    isIncapable: false,
    failedAtMs: new Map(),
    lacks: (components) => lacking && components.length > 0,
    ...rest,
  };
}

/** What it has of config base by these rollouts. */
function parts(...ids: readonly RolloutId[]): Candidate["holds"] {
  return new Map(
    ids.map((rolloutId) => [rolloutId, { configId: base, revision: 9, hash: aHash("9"), order: 100, rolloutId }]),
  );
}

const set = <T>(...items: readonly T[]): ReadonlySet<T> => new Set(items);

/** What a candidate gets of these layers: the revisions, `blank`, or `nothing`. */
function given(layers: readonly Layer[], candidate: Candidate): string {
  const { desired } = createWanted([{ configId: base, layers }])(candidate);
  if (desired === null) return "nothing";
  return desired === BLANK ? "blank" : desired.contributions.map(({ revision }) => revision).join();
}

describe("what an agent should run", () => {
  const holding: Partial<Candidate> = { holds: parts(NEW) };
  const named: Partial<Candidate> = { waved: set<RolloutId>(NEW) };
  const failed: Partial<Candidate> = { excluded: set<RolloutId>(NEW) };
  const stable = aLayer();
  const fallback = aLayer({ rolloutId: OLDEST, revision: 0, mode: "fallback" });
  const cases: readonly {
    name: string;
    layers: readonly Layer[];
    who?: Parameters<typeof aCandidate>[0];
    is: string;
  }[] = [
    { name: "is nothing where no config is for it", layers: [aLayer({ selector: "env=dev" })], is: "nothing" },
    { name: "is what is stable", layers: [stable], is: "1" },
    { name: "is nothing where it takes no configs", layers: [stable], who: { isIncapable: true }, is: "nothing" },
    { name: "is the new revision where an open layer reaches it", layers: [aNewLayer("open"), stable], is: "2" },
    {
      name: "is what is stable where a layer reaches nobody",
      layers: [aNewLayer("open", { reach: reach(NOBODY) }), stable],
      is: "1",
    },
    {
      name: "is what is stable where a stage is for others",
      layers: [aNewLayer("open", { reach: reach(EVERYONE, "env=dev") }), stable],
      is: "1",
    },
    {
      name: "is not offered again what failed it under an earlier rollout",
      layers: [aNewLayer("open", { sparesFailedBeforeMs: 10 }), stable],
      who: { failedAtMs: new Map([[H2, 9]]) },
      is: "1",
    },
    {
      name: "is offered again what failed it under this rollout, when somebody says so",
      layers: [aNewLayer("open", { sparesFailedBeforeMs: 10 }), stable],
      who: { failedAtMs: new Map([[H2, 11]]) },
      is: "2",
    },
    { name: "is what is stable until a paced layer names it", layers: [aNewLayer("paced"), stable], is: "1" },
    {
      name: "is the new revision once a paced layer names it",
      layers: [aNewLayer("paced"), stable],
      who: named,
      is: "2",
    },
    {
      name: "stays the new revision while the layer is paced",
      layers: [aNewLayer("paced"), stable],
      who: holding,
      is: "2",
    },
    { name: "stays what a frozen layer brought", layers: [aNewLayer("frozen"), stable], who: holding, is: "2" },
    { name: "is not brought by a frozen layer any more", layers: [aNewLayer("frozen"), stable], is: "1" },
    {
      name: "stays the new revision while that is taken back from others",
      layers: [aNewLayer("withdrawing"), stable],
      who: holding,
      is: "2",
    },
    {
      name: "is what is stable once a way back names it",
      layers: [aNewLayer("withdrawing"), stable],
      who: { ...holding, ...named },
      is: "1",
    },
    { name: "is what is stable after a way back", layers: [aNewLayer("withdrawn"), stable], who: holding, is: "1" },
    {
      name: "is blank after a way back to nothing",
      layers: [aNewLayer("withdrawn")],
      who: holding,
      is: "blank",
    },
    { name: "is nothing after a way back of what it never had", layers: [aNewLayer("withdrawn")], is: "nothing" },
    {
      name: "stays blank after a way back to nothing",
      layers: [aNewLayer("withdrawn")],
      who: { returned: set<RolloutId>(NEW) },
      is: "blank",
    },
    {
      name: "never goes back to a rollout that ended half-way",
      layers: [
        aNewLayer("withdrawn"),
        aLayer({ rolloutId: OLD, mode: "frozen", reach: reach() }),
        { ...fallback, mode: "stable" },
      ],
      who: { holds: parts(NEW, OLD) },
      is: "0",
    },
    { name: "is what it had where a rollout failed it", layers: [aNewLayer("open"), stable], who: failed, is: "1" },
    {
      name: "is blank where it had nothing before a rollout failed it",
      layers: [aNewLayer("open")],
      who: failed,
      is: "blank",
    },
    {
      name: "is what was stable before where the stable one failed it",
      layers: [aNewLayer("stable"), fallback],
      who: failed,
      is: "0",
    },
    { name: "is what is stable, and not what was before", layers: [stable, fallback], is: "1" },
    {
      name: "is what it was for one that lacks a component of it",
      layers: [aNewLayer("stable", { components: ["receiver/otlp"] }), fallback],
      who: { lacking: true },
      is: "0",
    },
    {
      name: "is the stable one for newcomers where the policy says so",
      layers: [aNewLayer("open", { newAgents: { policy: "stable", sinceMs: 0 } }), stable],
      is: "1",
    },
    {
      name: "is nothing yet for newcomers that are to be held",
      layers: [aNewLayer("open", { newAgents: { policy: "hold", sinceMs: 0 } }), stable],
      is: "nothing",
    },
    {
      name: "is what it was where the stable one catches nobody up",
      layers: [aNewLayer("stable", { latecomers: "none", sinceMs: 2 ** 48 }), fallback],
      is: "0",
    },
    {
      name: "is the stable one where that catches nobody up and it has it",
      layers: [aNewLayer("stable", { latecomers: "none", sinceMs: 2 ** 48 }), fallback],
      who: { applied: set(H2) },
      is: "2",
    },
    {
      name: "is what it was where the stable one admits who comes late, and has not admitted it",
      layers: [aNewLayer("stable", { latecomers: "paced", sinceMs: 2 ** 48 }), fallback],
      is: "0",
    },
    {
      name: "is what it has, whatever else is stable, where the stable one has not admitted it",
      layers: [aNewLayer("stable", { latecomers: "paced", sinceMs: 2 ** 48 }), fallback],
      who: { holds: parts(OLDEST) },
      is: "9",
    },
    {
      name: "is not what it has where that failed it, and the stable one has not admitted it",
      layers: [aNewLayer("stable", { latecomers: "paced", sinceMs: 2 ** 48 }), fallback],
      who: { holds: parts(OLD), excluded: set(OLD) },
      is: "0",
    },
    {
      name: "is the stable one where that admitted it",
      layers: [aNewLayer("stable", { latecomers: "paced", sinceMs: 2 ** 48 }), fallback],
      who: { waved: set(NEW) },
      is: "2",
    },
    {
      name: "is the stable one, lost state or not, where it says that it runs that",
      layers: [aNewLayer("stable", { latecomers: "none", sinceMs: 2 ** 48 }), fallback],
      who: { reported: H2 },
      is: "2",
    },
    {
      name: "is nothing where nobody knows any more whether it has the stable one, and that takes latecomers one by one",
      layers: [aNewLayer("stable", { latecomers: "paced", sinceMs: 2 ** 48 }), fallback],
      who: { forgottenAtMs: 2 ** 49 },
      is: "nothing",
    },
    {
      name: "is the stable one where that catches nobody up and it is newer",
      layers: [aNewLayer("stable", { latecomers: "none", sinceMs: 0 }), fallback],
      is: "2",
    },
  ];
  for (const { name, layers, who, is } of cases) it(name, () => assert.equal(given(layers, aCandidate(who)), is));

  it("is decided by rank, agent by agent", () => {
    const cutoff = rankOf("s", aUid(1));
    const layers = [aNewLayer("open", { reach: reach(cutoff) }), aLayer()];
    for (let n = 1; n <= 50; n++) {
      const candidate = aCandidate({ uid: aUid(n) });
      const isReached = placeIn("sticky_hash", "s", candidate) <= cutoff;
      assert.equal(given(layers, candidate), isReached ? "2" : "1");
    }
  });

  it("has the values that the variables of its revision have for it, and a hash of its own with them", () => {
    const wanted = createWanted([{ configId: base, layers: [aLayer({ variables: ["env", "instance_uid", "zone"] })] }]);
    const { desired } = wanted(aCandidate({ presentUid: aUid(7) }));
    assert.deepEqual(desired?.contributions[0]?.variables, [
      ["env", "prod"],
      ["instance_uid", aUid(7)],
    ]);
    const other = wanted(
      aCandidate({
        labels: new Map([
          ["env", "prod"],
          ["zone", "a"],
        ]),
      }),
    ).desired;
    assert.notEqual(other?.hash, desired?.hash);
    const plain = createWanted([{ configId: base, layers: [aLayer()] }])(aCandidate()).desired;
    assert.deepEqual([plain?.hash, plain?.contributions[0]], [aLayer().hash, { ...plain?.contributions[0] }]);
    assert.ok(!("variables" in (plain?.contributions[0] ?? {})));
  });

  it("says what was taken back", () => {
    const wanted = createWanted([{ configId: base, layers: [aNewLayer("withdrawn"), aLayer()] }]);
    assert.deepEqual(wanted(aCandidate({ holds: parts(NEW) })).returned, [NEW]);
    assert.deepEqual(wanted(aCandidate()).returned, []);
  });
});

describe("after a loss of the fleet state", () => {
  const LOST_MS = 1_000;
  const forgotten: Partial<Candidate> = { forgottenAtMs: LOST_MS };
  const stable = aLayer();
  const cases: readonly { name: string; layers: readonly Layer[]; who: Partial<Candidate>; is: string }[] = [
    {
      name: "an agent that says that it has it keeps it",
      layers: [aNewLayer("paced"), stable],
      who: { reported: H2 },
      is: "2",
    },
    {
      name: "an agent that says that it has another gets what is stable",
      layers: [aNewLayer("paced"), stable],
      who: { reported: H1 },
      is: "1",
    },
    {
      name: "an agent that has what is taken back is still to be relieved",
      layers: [aNewLayer("withdrawing"), stable],
      who: { reported: H2 },
      is: "2",
    },
    {
      name: "an agent that had what was taken back is relieved",
      layers: [aNewLayer("withdrawn")],
      who: { reported: H2 },
      is: "blank",
    },
    {
      name: "one that never says what it has is left alone",
      layers: [aNewLayer("paced", { sinceMs: 1 }), stable],
      who: forgotten,
      is: "nothing",
    },
    {
      name: "one that never says what it has is assigned when it is named",
      layers: [aNewLayer("paced", { sinceMs: 1 }), stable],
      who: { ...forgotten, waved: set<RolloutId>(NEW) },
      is: "2",
    },
    {
      name: "one that never says what it has is no riddle to a rollout that began later",
      layers: [aNewLayer("paced", { sinceMs: LOST_MS + 1 }), stable],
      who: forgotten,
      is: "1",
    },
    {
      name: "one that never says what it has is freed of what was taken back",
      layers: [aNewLayer("withdrawn", { sinceMs: 1 })],
      who: forgotten,
      is: "blank",
    },
  ];
  for (const { name, layers, who, is } of cases) it(name, () => assert.equal(given(layers, aCandidate(who)), is));
});

describe("several configs", () => {
  it("are merged by order and then id, whatever order they come in", () => {
    const one = { configId: base, layers: [aLayer({ order: 200 })] };
    const two = { configId: edge, layers: [aLayer({ hash: H2 })] };
    const a = createWanted([one, two])(aCandidate()).desired;
    const b = createWanted([two, one])(aCandidate()).desired;
    assert.deepEqual(a, b);
    assert.deepEqual(
      a?.contributions.map(({ configId }) => configId),
      [edge, base],
    );
    assert.notEqual(a?.hash, H1);
  });

  it("leave the others as they are where one fails an agent", () => {
    const wanted = createWanted([
      { configId: base, layers: [aNewLayer("open")] },
      { configId: edge, layers: [aLayer({ hash: aHash("3"), order: 200 })] },
    ]);
    assert.equal(wanted(aCandidate({ excluded: set<RolloutId>(NEW) })).desired?.hash, aHash("3"));
  });

  describe("that an agent failed together before", () => {
    const both = desiredOf([
      { configId: base, revision: 2, hash: H2, order: 100, rolloutId: NEW },
      { configId: edge, revision: 1, hash: aHash("3"), order: 200, rolloutId: OLDEST },
    ]);
    const edgeLine = { configId: edge, layers: [aLayer({ rolloutId: OLDEST, hash: aHash("3"), order: 200 })] };
    const revisions = (mode: LayerMode, who: Partial<Candidate>, sparesFailedBeforeMs?: number): string => {
      const spares = sparesFailedBeforeMs === undefined ? {} : { sparesFailedBeforeMs };
      const lines = [{ configId: base, layers: [aNewLayer(mode, spares), aLayer()] }, edgeLine];
      const { desired } = createWanted(lines)(aCandidate(who));
      return desired?.contributions.map(({ configId, revision }) => `${configId} ${revision}`).join() ?? "nothing";
    };
    const failedAtMs = new Map([[both.hash, 9]]);

    it("are not brought to it again by a later rollout, and it keeps the rest", () => {
      assert.equal(revisions("open", {}, 10), "base 2,edge 1");
      assert.equal(revisions("open", { failedAtMs }, 10), "base 1,edge 1");
      assert.equal(revisions("stable", { failedAtMs }, 10), "base 1,edge 1");
    });

    it("are brought to it again where the rollout began before, says so, or was what it failed under and is tried again", () => {
      assert.equal(revisions("open", { failedAtMs }, 9), "base 2,edge 1");
      assert.equal(revisions("open", { failedAtMs }), "base 2,edge 1");
      assert.equal(revisions("open", { failedAtMs, holds: parts(NEW) }, 10), "base 2,edge 1");
    });
  });

  it("are told apart by what an agent says: it may have some of what is under way and not all", () => {
    const lines = [
      { configId: base, layers: [aNewLayer("paced"), aLayer()] },
      { configId: edge, layers: [aNewLayer("paced", { rolloutId: OLDEST, hash: aHash("4"), order: 200 })] },
    ];
    const part = { configId: base, revision: 2, hash: H2, order: 100, rolloutId: NEW };
    const { desired } = createWanted(lines)(aCandidate({ reported: desiredOf([part]).hash }));
    assert.deepEqual(desired?.contributions, [part]);
  });
});
