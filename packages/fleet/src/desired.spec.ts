import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aHash, aRollout, aUid, stages } from "./builders.ts";
import { BLANK, composeFiles, createWanted, EVERYONE, isSameDesired, type Layer, NOBODY, rankOf } from "./desired.ts";
import { parseConfigId, parseRolloutId } from "./ids.ts";
import { layersAfter } from "./layers.ts";
import { initialStatus } from "./rollout.ts";

const OLD = parseRolloutId("01890a5d-0000-7000-8000-00000000000a");
const NEW = parseRolloutId("01890a5d-0000-7000-8000-00000000000b");
const base = parseConfigId("base");
const edge = parseConfigId("edge");

function aLayer(overrides: Partial<Layer>): Layer {
  return { rolloutId: OLD, revision: 1, hash: aHash("1"), selector: "", order: 100, cutoff: EVERYONE, ...overrides };
}

describe("wanted", () => {
  const prod = new Map([["env", "prod"]]);

  it("has no opinion on an agent that no config reaches", () => {
    const wanted = createWanted([{ configId: base, layers: [aLayer({ selector: "env=dev" })] }]);
    assert.equal(wanted(aUid(), prod), null);
  });

  it("keeps the revision's own hash where one config reaches the agent", () => {
    assert.equal(createWanted([{ configId: base, layers: [aLayer({})] }])(aUid(), prod)?.hash, aHash("1"));
  });

  it("gives the newest layer that reaches the agent, else an older one", () => {
    const newer = aLayer({ rolloutId: NEW, revision: 2, cutoff: rankOf(NEW, aUid(1)) });
    const wanted = createWanted([{ configId: base, layers: [newer, aLayer({})] }]);
    for (let n = 1; n <= 50; n++) {
      const isReached = rankOf(NEW, aUid(n)) <= newer.cutoff;
      assert.equal(wanted(aUid(n), prod)?.contributions[0]?.revision, isReached ? 2 : 1);
    }
    assert.equal(wanted(aUid(1), prod)?.contributions[0]?.revision, 2);
  });

  describe("where a rollout failed an agent", () => {
    const newer = aLayer({ rolloutId: NEW, revision: 2, hash: aHash("2") });
    const without = new Set([NEW]);

    it("gives what it had before", () => {
      const wanted = createWanted([{ configId: base, layers: [newer, aLayer({})] }]);
      assert.equal(wanted(aUid(), prod, without)?.hash, aHash("1"));
      assert.equal(wanted(aUid(), prod)?.hash, aHash("2"));
    });

    it("gives what it had before also when the rollout succeeded with all the others, and nobody else", () => {
      const old = { configId: base, layers: [aLayer({ isStable: true, selector: "" })] };
      const spec = aRollout(stages(100), { id: NEW, hash: aHash("2"), selector: "env=prod" });
      const after = layersAfter(old, spec, { ...initialStatus(spec), phase: "succeeded", cutoff: EVERYONE });
      const wanted = createWanted([after]);
      assert.equal(wanted(aUid(), prod, without)?.hash, aHash("1"));
      assert.equal(wanted(aUid(), prod)?.hash, aHash("2"));
      assert.equal(wanted(aUid(), new Map([["env", "dev"]])), null, "the old selector counts no more");
    });

    it("gives a file without content when it had nothing before: it must not keep what failed it", () => {
      const wanted = createWanted([{ configId: base, layers: [newer] }]);
      const desired = wanted(aUid(), prod, without);
      assert.deepEqual(desired, BLANK);
      const [file, ...others] = composeFiles(BLANK, () => []);
      assert.deepEqual([file?.body.byteLength, others], [0, []]);
      assert.equal(
        wanted(aUid(), prod, new Set([OLD]))?.hash,
        aHash("2"),
        "another rollout's failure is not this one's",
      );
    });

    it("leaves the other configs of the agent as they are", () => {
      const other = aLayer({ hash: aHash("3"), order: 200 });
      const wanted = createWanted([
        { configId: base, layers: [newer] },
        { configId: edge, layers: [other] },
      ]);
      assert.equal(wanted(aUid(), prod, without)?.hash, aHash("3"));
    });
  });

  it("reaches nobody before the first stage, not even the lowest rank", () => {
    assert.equal(createWanted([{ configId: base, layers: [aLayer({ cutoff: NOBODY })] }])(aUid(), prod), null);
  });

  it("merges configs by order and then id, whatever order they come in", () => {
    const one = { configId: base, layers: [aLayer({ order: 200 })] };
    const two = { configId: edge, layers: [aLayer({ hash: aHash("2") })] };
    const a = createWanted([one, two])(aUid(), prod);
    const b = createWanted([two, one])(aUid(), prod);
    assert.ok(isSameDesired(a, b));
    assert.deepEqual(
      a?.contributions.map((c) => c.configId),
      [edge, base],
    );
    assert.notEqual(a?.hash, aHash("1"));
  });

  it("names files so that byte order is merge order", () => {
    const wanted = createWanted([
      { configId: base, layers: [aLayer({ order: 20 })] },
      { configId: edge, layers: [aLayer({ order: 100 })] },
    ])(aUid(), prod);
    assert.ok(wanted !== null);
    const files = composeFiles(wanted, () => [{ name: "c.yaml", contentType: "", body: new Uint8Array() }]);
    assert.deepEqual(
      files.map((f) => f.name),
      ["020-base-c.yaml", "100-edge-c.yaml"],
    );
  });
});

describe("layers", () => {
  const spec = aRollout(stages(100), { id: NEW });
  const before = { configId: base, layers: [aLayer({})] };

  it("puts a running rollout on top, once", () => {
    const once = layersAfter(before, spec, initialStatus(spec));
    const twice = layersAfter(once, spec, { ...initialStatus(spec), cutoff: "5" });
    assert.deepEqual(
      twice.layers.map((l) => [l.rolloutId, l.cutoff]),
      [
        [NEW, "5"],
        [OLD, EVERYONE],
      ],
    );
  });

  it("forgets everything older once a rollout succeeded", () => {
    const status = { ...initialStatus(spec), phase: "succeeded", cutoff: EVERYONE } as const;
    assert.deepEqual(
      layersAfter(before, spec, status).layers.map((l) => l.rolloutId),
      [NEW],
    );
  });

  it("keeps a halted rollout's agents on its revision under the next one", () => {
    const halted = layersAfter(before, spec, { ...initialStatus(spec), phase: "halted", cutoff: rankOf(NEW, aUid(7)) });
    const wanted = createWanted([halted]);
    assert.equal(wanted(aUid(7), new Map())?.contributions[0]?.rolloutId, NEW);
  });
});
