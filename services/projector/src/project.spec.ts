import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AgentEvent,
  type AgentView,
  apply,
  BLANK,
  desiredOf,
  type Exclusion,
  type InstanceUid,
  parseConfigId,
  parseRolloutId,
  type RolloutId,
  unknownAgent,
} from "@muster/fleet";
import { aHash, aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import { type ProjectDeps, project } from "./project.ts";

const OTHER_ID = parseRolloutId("01890a5d-0000-7000-8000-000000000002");
const described = (n: number, uid = aUid(), name = "a"): AgentEvent => ({
  kind: "agent.described",
  uid,
  epoch: 1,
  n,
  atMs: 0,
  identifying: [],
  nonIdentifying: [["name", name]],
});
const offered = (n: number, uid = aUid()): AgentEvent => ({
  kind: "agent.config-offered",
  uid,
  epoch: 1,
  n,
  atMs: 0,
  hash: aHash(),
});
const desiredBy = (rolloutId: RolloutId) => ({
  ...desiredOf([{ configId: parseConfigId("base"), revision: 2, hash: aHash(), order: 100, rolloutId }]),
  assignedAtMs: 0,
});
const exclusionBy = (rolloutId: RolloutId): Exclusion => {
  return { rolloutId, hash: aHash(), state: "failed", error: "", atMs: 0 };
};
const batch = (...events: readonly AgentEvent[]) => ({ partition: 0, entryId: "1-0", events });

/** A projector's world in memory; it notes what is asked for. */
function aWorld(overrides: Partial<ProjectDeps> = {}) {
  const views = new Map<InstanceUid, AgentView>();
  const asked: string[] = [];
  const counts: number[][] = [];
  const errors: unknown[] = [];
  const deps: ProjectDeps = {
    async project(uid, events) {
      const before = views.get(uid) ?? unknownAgent(uid, 0);
      const after = events.reduce(apply, before);
      views.set(uid, after);
      return { before, after };
    },
    loadDesired: async (uids) => uids.map(() => desiredBy(ROLLOUT_ID)),
    activeRollouts: async () => new Set([ROLLOUT_ID]),
    partitionOf: (uid) => Number.parseInt(uid.at(-1) ?? "0", 16) % 2,
    requestReconcile: async (id) => {
      asked.push(`reconcile ${id === ROLLOUT_ID ? "it" : "other"}`);
    },
    requestAssign: async (p) => {
      asked.push(`assign ${p}`);
    },
    nowMs: () => 1_000,
    onProjected: (agents, changed) => counts.push([agents, changed]),
    onError: (error) => errors.push(error),
    ...overrides,
  };
  return { deps, views, asked, counts, errors };
}

describe("project", () => {
  it("has a rollout looked at that ended long ago when it fails an agent, and for nothing else", async () => {
    const { deps, asked } = aWorld({ activeRollouts: async () => new Set() });
    const head = { uid: aUid(1), epoch: 1, atMs: 1, hash: aHash() };
    await project([batch({ kind: "agent.config-offered", ...head, n: 1 })], deps);
    const said = { kind: "agent.config-acknowledged", ...head, error: "" } as const;
    await project([batch({ ...said, n: 2, state: "applying" })], deps);
    assert.deepEqual(asked, []);
    await project([batch({ ...said, n: 3, state: "failed" })], deps);
    assert.deepEqual(asked, ["reconcile it"]);
  });

  it("folds the events of each agent together, in order, over all batches", async () => {
    const seen: [InstanceUid, number[]][] = [];
    const { deps } = aWorld();
    const noting: ProjectDeps = {
      ...deps,
      project(uid, events) {
        seen.push([uid, events.map(({ n }) => n)]);
        return deps.project(uid, events);
      },
    };
    await project([batch(described(1), offered(1, aUid(2))), batch(offered(2)), batch(offered(3))], noting);
    assert.deepEqual(seen, [
      [aUid(1), [1, 2, 3]],
      [aUid(2), [1]],
    ]);
  });

  it("asks for decisions where agents described themselves, once per partition", async () => {
    const { deps, asked } = aWorld({ activeRollouts: async () => new Set() });
    await project([batch(described(1, aUid(1)), described(1, aUid(3)), offered(1, aUid(2)))], deps);
    assert.deepEqual(asked, ["assign 1"]);
  });

  it("asks for decisions where an agent goes on under another uid, though it says nothing new of itself", async () => {
    const { deps, asked } = aWorld({ activeRollouts: async () => new Set() });
    const renamed: AgentEvent = { kind: "agent.renamed", uid: aUid(3), from: aUid(2), epoch: 1, n: 1, atMs: 0 };
    await project([batch(renamed)], deps);
    assert.deepEqual(asked, ["assign 1"]);
    await project([batch(renamed)], deps);
    assert.deepEqual(asked, ["assign 1"]);
  });

  it("hints each rollout at work once, however many of its agents changed", async () => {
    const { deps, asked } = aWorld();
    await project([batch(...Array.from({ length: 600 }, (_, i) => offered(1, aUid(i))))], deps);
    assert.deepEqual(asked, ["reconcile it"]);
  });

  it("has no rollout looked at for what an agent takes, and says that its view changed", async () => {
    const { deps, asked, counts } = aWorld();
    const usage = { cpuPercent: null, cpuCores: 0.5, memoryBytes: 1 };
    const measured: AgentEvent = { kind: "agent.usage-measured", uid: aUid(), epoch: 0, n: 1, atMs: 0, usage };
    await project([batch(measured)], deps);
    assert.deepEqual([asked, counts], [[], [[1, 1]]]);
    await project([batch({ ...measured, n: 2, usage: { ...usage, cpuCores: 0.7 } }, offered(1))], deps);
    assert.deepEqual(asked, ["reconcile it"]);
  });

  const hints: readonly (readonly [name: string, overrides: Partial<ProjectDeps>, asked: readonly string[]])[] = [
    ["an agent that no config reaches", { loadDesired: async (uids) => uids.map(() => null) }, []],
    [
      "agents that a rollout failed, and from which another was taken back",
      {
        activeRollouts: async () => new Set([ROLLOUT_ID, OTHER_ID]),
        loadDesired: async () => [
          { ...BLANK, assignedAtMs: 0, exclusions: [exclusionBy(ROLLOUT_ID)] },
          { ...BLANK, assignedAtMs: 0, returned: [OTHER_ID] },
        ],
      },
      ["reconcile it", "reconcile other"],
    ],
    ["an agent of a rollout that ended", { activeRollouts: async () => new Set([OTHER_ID]) }, []],
    [
      "agents of two rollouts",
      {
        activeRollouts: async () => new Set([ROLLOUT_ID, OTHER_ID]),
        loadDesired: async () => [desiredBy(ROLLOUT_ID), desiredBy(OTHER_ID)],
      },
      ["reconcile it", "reconcile other"],
    ],
  ];
  for (const [name, overrides, expected] of hints) {
    it(`hints ${expected.length} rollouts for ${name}`, async () => {
      const { deps, asked } = aWorld(overrides);
      await project([batch(offered(1, aUid(1)), offered(1, aUid(2)))], deps);
      assert.deepEqual(asked, expected);
    });
  }

  it("asks for nothing when a batch comes again", async () => {
    const { deps, asked, counts } = aWorld();
    const batches = [batch(described(1), offered(2))];
    await project(batches, deps);
    assert.deepEqual(asked.splice(0), ["assign 1", "reconcile it"]);
    await project(batches, deps);
    assert.deepEqual(asked, []);
    assert.deepEqual(counts, [
      [1, 1],
      [1, 0],
    ]);
  });

  it("does not bring a batch back because a request for work failed, but tells of it", async () => {
    const { deps, errors } = aWorld({ requestAssign: async () => Promise.reject(new Error("no queue")) });
    await project([batch(described(1))], deps);
    assert.match(String(errors[0]), /no queue/);
  });

  it("brings a batch back when views cannot be saved", async () => {
    const { deps, asked } = aWorld({ project: async () => Promise.reject(new Error("no store")) });
    await assert.rejects(project([batch(described(1))], deps), /no store/);
    assert.deepEqual(asked, []);
  });

  it("has nothing to do for batches without events", async () => {
    const { deps, asked, counts } = aWorld();
    await project([batch(), batch()], deps);
    assert.deepEqual([asked, counts], [[], [[0, 0]]]);
  });
});
