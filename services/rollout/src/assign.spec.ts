import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AgentView,
  type Assignment,
  BLANK,
  type DesiredRecord,
  EVERYONE,
  type Exclusion,
  type GatewayId,
  type InstanceUid,
  type Layer,
  parseConfigId,
  parseGatewayId,
  rankOf,
  type WaveEntry,
} from "@muster/fleet";
import { aHash, anAgent, aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import type { Hint } from "@muster/store";
import { type AssignDeps, assign } from "./assign.ts";
import { HINT_AGAIN_MS } from "./unheard.ts";

const layer: Layer = {
  rolloutId: ROLLOUT_ID,
  revision: 2,
  hash: aHash(),
  selector: "env=prod",
  order: 100,
  mode: "open",
  seed: ROLLOUT_ID,
  reach: [{ selector: "", order: "sticky_hash", cutoff: EVERYONE }],
  components: [],
};
const toProd: Assignment = { configId: parseConfigId("base"), layers: [layer] };
const prod = (n: number): AgentView => anAgent({ uid: aUid(n), labels: { env: "prod" } });

interface Given {
  readonly views?: readonly AgentView[];
  readonly list?: readonly Assignment[];
  /** Version of the assignments, and of those that the partition was last decided on. */
  readonly version?: number;
  readonly assignedVersion?: number;
  readonly gateway?: GatewayId;
  readonly stale?: readonly InstanceUid[];
  readonly waves?: readonly WaveEntry[];
  readonly components?: ReadonlySet<string>;
  readonly fleetLostAtMs?: number;
  readonly nowMs?: number;
  readonly excluded?: ReadonlyMap<InstanceUid, Exclusion>;
}

/** One partition in memory. */
function aPartition(given: Given = {}) {
  const { views = [prod(1), prod(2)], list = [toProd], gateway = null, stale = [] } = given;
  let { version = 1 } = given;
  const desired = new Map<InstanceUid, DesiredRecord | null>();
  const unassigned = new Map<InstanceUid, number>();
  const writes: InstanceUid[] = [];
  const removed: [typeof ROLLOUT_ID, readonly InstanceUid[]][] = [];
  const looked: (typeof ROLLOUT_ID)[] = [];
  const hints: [GatewayId, Hint][] = [];
  let assignedVersion = given.assignedVersion ?? 0;
  const deps: AssignDeps = {
    assignments: async () => ({ version, list }),
    async raise(seenVersion) {
      if (version >= seenVersion) return false;
      version = seenVersion + 1;
      return true;
    },
    assignedVersion: async () => assignedVersion,
    async setAssignedVersion(_, next) {
      assignedVersion = next;
    },
    page: async (_, after, limit) =>
      views
        .map(({ uid }) => uid)
        .filter((uid) => uid > after)
        .slice(0, limit),
    unassigned: async (_, limit) => [...unassigned].slice(0, limit).map(([uid, v]) => ({ uid, version: v })),
    async settle(decided) {
      for (const { uid, version: v } of decided) if ((unassigned.get(uid) ?? Infinity) <= v) unassigned.delete(uid);
    },
    loadViews: async (uids) => views.filter(({ uid }) => uids.includes(uid)).map((view) => ({ view, version: 1 })),
    loadDesired: async (uids) => uids.map((uid) => desired.get(uid) ?? null),
    write: async (decisions, _, nowMs) =>
      decisions.map(({ uid, desired: next, present }) => {
        if (stale.includes(uid)) return "stale";
        if ((desired.get(uid) ?? null) !== present) return "moved";
        writes.push(uid);
        desired.set(uid, next === null ? null : { ...next, assignedAtMs: nowMs });
        return gateway;
      }),
    exclusions: async () => given.excluded ?? new Map(),
    async remove(id, uids) {
      removed.push([id, uids]);
    },
    async requestReconcile(id) {
      looked.push(id);
    },
    waves: async (ids) => new Map(ids.map((id) => [id, given.waves ?? []])),
    componentsAt: async () => given.components ?? null,
    partitionOf: () => 0,
    async decideAgain(uid) {
      unassigned.set(uid, 1);
    },
    fleetLostAtMs: async () => given.fleetLostAtMs ?? 0,
    hint: async (to, hint) => {
      hints.push([to, hint]);
    },
    onAssigned: () => undefined,
    nowMs: () => given.nowMs ?? 7,
  };
  return { deps, desired, unassigned, writes, hints, looked, removed, assignedVersion: () => assignedVersion };
}

describe("assign", () => {
  it("decides anew when what a config says of an agent is another, and leaves alone who lacks it", async () => {
    const named = { ...layer, variables: ["host"], components: ["${agent:host}"] };
    const list = [{ ...toProd, layers: [named] }];
    const as = (host: string) => anAgent({ uid: aUid(1), labels: { env: "prod", host } });
    const views = [as("one"), prod(2)];
    const { deps, desired, unassigned } = aPartition({ views, list });
    await assign(0, deps);
    const first = desired.get(aUid(1));
    assert.deepEqual(first?.contributions[0]?.variables, [["host", "one"]]);
    assert.equal(desired.get(aUid(2)) ?? null, null, "it has no host");
    views[0] = as("two");
    unassigned.set(aUid(1), 2);
    await assign(0, deps);
    assert.deepEqual(desired.get(aUid(1))?.contributions[0]?.variables, [["host", "two"]]);
    assert.notEqual(desired.get(aUid(1))?.hash, first?.hash);
  });

  it("takes a rollout's config from an agent that it failed, remembers why, and leaves the others", async () => {
    const { rolloutId = ROLLOUT_ID } = toProd.layers[0] ?? {};
    const exclusion = { rolloutId, hash: aHash(), state: "failed", error: "no", atMs: 1 } as const;
    const { deps, desired } = aPartition({ excluded: new Map([[aUid(1), exclusion]]) });
    await assign(0, deps);
    assert.deepEqual(desired.get(aUid(1)), { ...BLANK, exclusions: [exclusion], assignedAtMs: 7 });
    assert.equal(desired.get(aUid(2))?.contributions.length, 1);
  });

  it("decides for everybody when the assignments changed, and then for nobody", async () => {
    const { deps, desired, writes, assignedVersion } = aPartition();
    await assign(0, deps);
    assert.deepEqual(writes, [aUid(1), aUid(2)]);
    assert.equal(desired.get(aUid(1))?.hash, aHash());
    assert.equal(assignedVersion(), 1);
    await assign(0, deps);
    assert.equal(writes.length, 2);
  });

  it("writes differences only when it does everything again", async () => {
    const { deps, writes } = aPartition();
    await assign(0, deps);
    await deps.setAssignedVersion(0, 0); // as when a pass died before it noted that it was through
    await assign(0, deps);
    assert.equal(writes.length, 2);
  });

  it("has a rollout look that must admit an agent first, and not for one that is away", async () => {
    const late = { ...layer, mode: "stable", latecomers: "paced", sinceMs: 2 ** 48 } as const;
    const { deps, looked, writes } = aPartition({ list: [{ ...toProd, layers: [late] }] });
    await assign(0, deps);
    assert.deepEqual([writes, looked], [[], [layer.rolloutId]]);
  });

  it("notes who had a rollout's revision and is none of its agents any more, while that is under way", async () => {
    const views = [anAgent({ uid: aUid(1), labels: { env: "test" } }), prod(2)];
    for (const mode of ["open", "stable"] as const) {
      const { deps, desired, removed, looked } = aPartition({
        views,
        list: [{ ...toProd, layers: [{ ...layer, mode }] }],
      });
      const { hash, revision, order } = layer;
      const contributions = [{ configId: toProd.configId, revision, hash, order, rolloutId: ROLLOUT_ID }];
      for (const n of [1, 2]) desired.set(aUid(n), { hash, contributions, assignedAtMs: 1 });
      await assign(0, deps);
      assert.equal(desired.get(aUid(1)), null);
      assert.deepEqual(removed, mode === "open" ? [[ROLLOUT_ID, [aUid(1)]]] : []);
      assert.deepEqual(looked, mode === "open" ? [ROLLOUT_ID] : []);
    }
  });

  it("decides for everybody on control state that was restored, older than what was decided on before", async () => {
    const { deps, writes, assignedVersion } = aPartition({ assignedVersion: 7 });
    await assign(0, deps);
    assert.deepEqual([writes, assignedVersion()], [[aUid(1), aUid(2)], 8]);
    await assign(0, deps);
    assert.equal(writes.length, 2);
  });

  it("decides for newcomers only while the assignments are the same", async () => {
    const { deps, unassigned, writes } = aPartition({ assignedVersion: 1 });
    unassigned.set(aUid(2), 1);
    await assign(0, deps);
    assert.deepEqual(writes, [aUid(2)]);
    assert.equal(unassigned.size, 0);
  });

  it("gets through thousands", async () => {
    const views = Array.from({ length: 2_300 }, (_, i) => prod(i + 1));
    const { deps, unassigned, writes } = aPartition({ views });
    for (const { uid } of views) unassigned.set(uid, 1);
    await assign(0, deps);
    assert.equal(new Set(writes).size, 2_300);
    assert.equal(writes.length, 2_300);
    assert.equal(unassigned.size, 0);
  });

  it("reaches just those within the cutoff", async () => {
    const ranks = [1, 2, 3, 4].map((n) => [rankOf(ROLLOUT_ID, aUid(n)), aUid(n)] as const).sort();
    const cutoff = ranks[1]?.[0] ?? "";
    const { deps, writes } = aPartition({
      views: [1, 2, 3, 4].map(prod),
      list: [{ ...toProd, layers: [{ ...layer, reach: [{ selector: "", order: "sticky_hash", cutoff }] }] }],
    });
    await assign(0, deps);
    assert.deepEqual(
      [...writes].sort(),
      ranks
        .slice(0, 2)
        .map(([, uid]) => uid)
        .sort(),
    );
  });

  it("writes nothing for who no config reaches, and takes back what one did reach", async () => {
    const dev = anAgent({ uid: aUid(1), labels: { env: "dev" } });
    const { deps, desired, writes, unassigned } = aPartition({ views: [dev] });
    await assign(0, deps);
    assert.deepEqual(writes, []);
    desired.set(aUid(1), { hash: aHash("b"), contributions: [], assignedAtMs: 0 });
    unassigned.set(aUid(1), 1);
    await assign(0, deps);
    assert.equal(desired.get(aUid(1)), null);
  });

  it("decides nothing for who has not said what it is", async () => {
    const silent = { ...prod(1), description: null };
    const everyone = { ...toProd, layers: [{ ...layer, selector: "!canary" }] };
    const { deps, writes, unassigned } = aPartition({ views: [silent], list: [everyone] });
    unassigned.set(aUid(1), 1);
    await assign(0, deps);
    assert.deepEqual(writes, []);
    assert.equal(unassigned.size, 0, "its description puts it on the list again");
  });

  it("leaves who changed while it was decided on on the list, and decides again", async () => {
    const { deps, unassigned, writes } = aPartition({ assignedVersion: 1 });
    unassigned.set(aUid(1), 1);
    let passes = 0;
    const loadDesired: AssignDeps["loadDesired"] = async (uids) => {
      passes += 1;
      if (passes === 1) unassigned.set(aUid(1), 2);
      return await deps.loadDesired(uids);
    };
    await assign(0, { ...deps, loadDesired });
    assert.deepEqual([passes, unassigned.size, writes.length], [2, 0, 1]);
  });

  it("leaves who was decided on newer assignments to those who read them", async () => {
    const { deps, unassigned, writes } = aPartition({ assignedVersion: 1, stale: [aUid(1)] });
    for (const n of [1, 2]) unassigned.set(aUid(n), 1);
    await assign(0, deps);
    assert.deepEqual(writes, [aUid(2)]);
    assert.deepEqual([...unassigned.keys()], [aUid(1)], "the newer decision may rest on an older view");
  });

  it("hints each gateway once, with the agents it holds", async () => {
    const gateway = parseGatewayId("gw");
    const { deps, hints } = aPartition({ gateway });
    await assign(0, deps);
    assert.deepEqual(hints, [[gateway, { kind: "desired", uids: [aUid(1), aUid(2)] }]]);
    const nobody = aPartition();
    await assign(0, nobody.deps);
    assert.deepEqual(nobody.hints, []);
  });

  describe("of agents that are admitted one by one", () => {
    const paced: Assignment = { ...toProd, layers: [{ ...layer, mode: "paced" }] };

    it("takes those of the wave and no others, also when nothing else changed", async () => {
      for (const assignedVersion of [0, 1]) {
        const { deps, writes, desired } = aPartition({
          list: [paced],
          assignedVersion,
          waves: [{ uid: aUid(2), tries: 1 }],
        });
        await assign(0, deps);
        assert.deepEqual(writes, [aUid(2)]);
        await assign(0, deps);
        assert.equal(writes.length, 1, "once is enough");
        assert.equal(desired.get(aUid(2))?.tries, undefined);
      }
    });

    it("leaves what it has to who is in the wave no more", async () => {
      const first = aPartition({ list: [paced], waves: [{ uid: aUid(2), tries: 1 }] });
      await assign(0, first.deps);
      await assign(0, { ...first.deps, waves: async (ids) => new Map(ids.map((id) => [id, []])) });
      assert.equal(first.desired.get(aUid(2))?.hash, aHash());
    });

    it("writes the same config again under the number of a later try, and never under an earlier", async () => {
      const { deps, writes, desired } = aPartition({ list: [paced], waves: [{ uid: aUid(1), tries: 1 }] });
      await assign(0, deps);
      const again = (tries: number): AssignDeps => ({
        ...deps,
        waves: async (ids) => new Map(ids.map((id) => [id, [{ uid: aUid(1), tries }]])),
      });
      await assign(0, again(2));
      assert.deepEqual([desired.get(aUid(1))?.tries, writes.length], [2, 2]);
      await assign(0, again(1));
      assert.deepEqual([desired.get(aUid(1))?.tries, writes.length], [2, 2]);
    });

    it("leaves those of other partitions to whoever has these", async () => {
      const { deps, writes } = aPartition({ list: [paced], assignedVersion: 1, waves: [{ uid: aUid(2), tries: 1 }] });
      await assign(0, { ...deps, partitionOf: () => 1 });
      assert.deepEqual(writes, []);
    });
  });

  it("does not bring an agent what it is known to lack components for", async () => {
    const needing: Assignment = { ...toProd, layers: [{ ...layer, components: ["exporters/kafka"] }] };
    const components = { epoch: 1, n: 1, atMs: 0, value: { inventory: "i", address: "a" } };
    const views = [{ ...prod(1), components }, prod(2)];
    const { deps, writes } = aPartition({ views, list: [needing], components: new Set(["receivers/otlp"]) });
    await assign(0, deps);
    assert.deepEqual(writes, [aUid(2)], "who does not say lacks nothing");
  });

  it("heeds what failed an agent under a uid that it had before", async () => {
    const exclusion = { rolloutId: ROLLOUT_ID, hash: aHash(), state: "failed", error: "no", atMs: 1 } as const;
    const renamed = { ...prod(3), previousUids: [aUid(1)] };
    const { deps, desired } = aPartition({ views: [renamed], excluded: new Map([[aUid(1), exclusion]]) });
    await assign(0, deps);
    assert.equal(desired.get(aUid(3))?.hash, BLANK.hash);
  });

  it("decides again for who was decided on by another meanwhile, on what that one wrote", async () => {
    for (const assignedVersion of [0, 1]) {
      const { deps, desired, writes, unassigned } = aPartition({ assignedVersion });
      unassigned.set(aUid(1), 1);
      const other: DesiredRecord = { ...BLANK, assignedAtMs: 3 };
      let passes = 0;
      const loadDesired: AssignDeps["loadDesired"] = async (uids) => {
        const present = await deps.loadDesired(uids);
        passes += 1;
        if (passes === 1) desired.set(aUid(1), other); // a zombie was at work, or we are one
        return present;
      };
      await assign(0, { ...deps, loadDesired });
      assert.equal(desired.get(aUid(1))?.hash, aHash());
      assert.equal(writes.filter((uid) => uid === aUid(1)).length, 1);
      assert.equal(unassigned.size, 0);
    }
  });

  it("hints again at what an agent was not offered, once that took too long, and writes nothing", async () => {
    const gateway = parseGatewayId("gw");
    const given = { views: [prod(1)], gateway, nowMs: 7 };
    const { deps, hints, writes, unassigned } = aPartition(given);
    await assign(0, deps);
    const later = async (nowMs: number): Promise<void> => {
      unassigned.set(aUid(1), 1);
      await assign(0, { ...deps, nowMs: () => nowMs });
    };
    await later(7 + HINT_AGAIN_MS - 1);
    assert.equal(hints.length, 1);
    await later(7 + HINT_AGAIN_MS);
    assert.deepEqual(
      hints,
      Array.from({ length: 2 }, () => [gateway, { kind: "desired", uids: [aUid(1)] }]),
    );
    assert.deepEqual(writes, [aUid(1)]);
  });

  it("notes nothing as decided when it dies in the middle", async () => {
    const { deps, unassigned, assignedVersion } = aPartition();
    unassigned.set(aUid(1), 1);
    const broken: AssignDeps = { ...deps, write: async () => Promise.reject(new Error("no store")) };
    await assert.rejects(assign(0, broken), /no store/);
    assert.deepEqual([assignedVersion(), unassigned.size], [0, 1]);
  });
});
