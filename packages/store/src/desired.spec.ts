import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Desired,
  type DesiredRecord,
  desiredOf,
  type InstanceUid,
  parseConfigId,
  parseGatewayId,
} from "@muster/fleet";
import { aHash, aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import type { DesiredWrite } from "./desired.ts";
import { useStore } from "./spec-store.ts";

const aDesired = (revision: number): Desired =>
  desiredOf([
    {
      configId: parseConfigId("base"),
      revision,
      hash: aHash(String(revision)),
      order: 100,
      rolloutId: ROLLOUT_ID,
    },
  ]);

describe("desired", () => {
  const spec = useStore();
  const desired = () => spec.store.desired;
  const decide = async (decision: Omit<DesiredWrite, "uid">, version: number, nowMs: number, uid = aUid()) =>
    (await desired().assign([{ uid, ...decision }], version, nowMs))[0];
  const assign = (revision: number, version: number, uid = aUid()) =>
    decide({ desired: aDesired(revision) }, version, 50, uid);

  it("reads decisions in the order of the uids, null where there is none", async () => {
    await assign(1, 1, aUid(1));
    await assign(2, 1, aUid(3));
    const hashes = (await desired().load([aUid(3), aUid(2), aUid(1)])).map((record) => record?.hash ?? null);
    assert.deepEqual(hashes, [aHash("2"), null, aHash("1")]);
    assert.deepEqual((await desired().load([aUid(1)]))[0], { ...aDesired(1), assignedAtMs: 50 });
  });

  it("takes an opinion back", async () => {
    await assign(1, 1);
    assert.equal(await decide({ desired: null }, 2, 60), null);
    assert.deepEqual(await desired().load([aUid()]), [null]);
  });

  it("names the gateway to hint while the agent has a session", async () => {
    assert.equal(await assign(1, 1), null);
    const gateway = parseGatewayId("gw");
    const { epoch } = await spec.store.sessions.open(aUid(), gateway, 0, null);
    assert.equal(await assign(2, 2), gateway);
    const ended = {
      uid: aUid(),
      epoch,
      state: "ended" as const,
      checkpoint: { seq: 0n, state: "{}" },
      events: [],
      ending: null,
    };
    await spec.store.sessions.flush(spec.store.sessions.partitionOf(aUid()), [ended]);
    assert.equal(await assign(3, 3), null);
  });

  it("does not let a worker that was presumed dead take an agent back", async () => {
    await assign(2, 10);
    assert.equal(await assign(1, 9), "stale");
    assert.equal(await decide({ desired: null }, 9, 60), "stale");
    assert.deepEqual((await desired().load([aUid()]))[0]?.hash, aHash("2"));
    assert.equal(await assign(1, 10), null, "of the same version, the later one counts");
  });

  it("writes a decision over the one that it rests on, and over no other", async () => {
    const over = async (revision: number, present: DesiredRecord | null) =>
      await decide({ desired: aDesired(revision), present }, 1, 50);
    assert.equal(await over(1, null), null);
    const [first = null] = await desired().load([aUid()]);
    assert.equal(await over(2, null), "moved", "it was read before the first was written");
    assert.equal(await over(2, first), null, "what was read is known again as it was stored");
    assert.equal(await over(3, first), "moved");
    assert.equal((await desired().load([aUid()]))[0]?.hash, aHash("2"));
    const exclusion = { rolloutId: ROLLOUT_ID, hash: aHash("2"), state: "failed", error: 'é " {}', atMs: 1 } as const;
    const [second = null] = await desired().load([aUid()]);
    const rich = { ...aDesired(4), tries: 2, exclusions: [exclusion], returned: [ROLLOUT_ID] };
    assert.equal(await decide({ desired: rich, present: second }, 1, 60), null);
    const [third = null] = await desired().load([aUid()]);
    assert.deepEqual(third, { ...rich, assignedAtMs: 60 });
    assert.equal(await decide({ desired: null, present: third }, 1, 70), null);
    assert.equal(await over(5, null), null, "no opinion is as none");
  });

  it("has no assignments before the first rollout", async () => {
    assert.deepEqual(await desired().assignments(), { version: 0, list: [] });
  });

  it("remembers per partition which assignments all of it was decided on", async () => {
    await desired().setAssignedVersion(1, 7);
    assert.deepEqual(await Promise.all([0, 1].map((p) => desired().assignedVersion(p))), [0, 7]);
    await spec.wipe();
    assert.equal(await desired().assignedVersion(1), 0, "a lost fleet state is decided afresh");
  });

  it("writes nothing that rests on older assignments than all of the partition was decided on", async () => {
    const p = spec.store.sessions.partitionOf(aUid());
    await desired().setAssignedVersion(p, 5);
    assert.equal(await assign(1, 4), "stale");
    assert.equal(await assign(1, 5), null);
  });

  it("counts on from what a partition was decided on where control state is older, and never back", async () => {
    assert.equal(await desired().raise(5), true);
    assert.equal((await desired().assignments()).version, 6);
    assert.deepEqual(await Promise.all([6, 2].map((seen) => desired().raise(seen))), [false, false]);
    assert.equal((await desired().assignments()).version, 6);
  });

  it("knows whether every partition was decided on the present assignments", async () => {
    assert.equal(await desired().isAssigned(), true, "there are none");
    await spec.redis.set("muster:{ctl}:assignments-version", "3");
    for (let p = 0; p < spec.store.partitions; p++) {
      assert.equal(await desired().isAssigned(), false);
      await desired().setAssignedVersion(p, 3);
    }
    assert.equal(await desired().isAssigned(), true);
  });

  it("strikes from the list who was decided on, and not who changed meanwhile", async () => {
    const p = spec.store.sessions.partitionOf(aUid());
    const describe = (uid: InstanceUid, n: number) =>
      spec.store.agents.project(uid, [
        { kind: "agent.described", uid, epoch: 1, n, atMs: 0, identifying: [], nonIdentifying: [["n", n]] },
      ]);
    await describe(aUid(), 1);
    const [before] = await desired().unassigned(p, 10);
    await describe(aUid(), 2);
    await desired().settle([{ uid: aUid(), version: before?.version ?? 0 }]);
    assert.deepEqual(await desired().unassigned(p, 10), [{ uid: aUid(), version: 2 }]);
    await desired().settle([{ uid: aUid(), version: 2 }]);
    assert.deepEqual(await desired().unassigned(p, 10), []);
  });

  it("has one agent decided anew, under the version that it has", async () => {
    const p = spec.store.sessions.partitionOf(aUid());
    await desired().decideAgain(aUid());
    assert.deepEqual(await desired().unassigned(p, 10), [], "nobody knows it");
    await spec.redis.set(`muster:{${p}}:agent:${aUid()}`, "7 0 1-1\n");
    await desired().decideAgain(aUid());
    assert.deepEqual(await desired().unassigned(p, 10), [{ uid: aUid(), version: 7 }]);
    await desired().settle([{ uid: aUid(), version: 7 }]);
    assert.deepEqual(await desired().unassigned(p, 10), []);
  });
});
