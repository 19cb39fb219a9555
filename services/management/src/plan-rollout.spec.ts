import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { parseRolloutId } from "@muster/fleet";
import { ErrorInfoSchema } from "@muster/protocol/rpc/error_details";
import { failureOf, type SpecApi, startApi, storeAgent } from "./spec-api.ts";

const CAPABLE = ["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig"];
const percent = (value: number) => ({ size: { case: "percent", value } as const, bake: { seconds: 60n, nanos: 0 } });
const yaml = (text: string) => [{ name: "a.yaml", body: Buffer.from(text) }];

describe("PlanRollout", () => {
  let api: SpecApi;
  let count = 0;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  /** A config for `fleet=<its id>`, with that many agents: the first is offline, the second takes no configs. */
  async function aFleet(size: number) {
    const configId = `plan-${++count}`;
    await api.configs.createConfig({ configId, selector: `fleet=${configId}` });
    await api.configs.publishRevision({ configId, files: yaml("receivers: {otlp: {}}\n") });
    const labels = { fleet: configId };
    for (let i = 0; i < size; i++) {
      const capabilities = i === 1 ? ["ReportsStatus"] : CAPABLE;
      await storeAgent(api.store, count * 1_000 + i, { labels, capabilities, connected: i !== 0 });
    }
    return configId;
  }

  it("says whom each stage reaches, who is offline or incapable, what changes and how long it takes, and changes nothing", async () => {
    const configId = await aFleet(20);
    const rollout = { configId, stages: [percent(10), percent(50), percent(100)] };
    const plan = await api.rollouts.planRollout({ rollout });
    assert.deepEqual([plan.targeted, plan.offline, plan.incapable, plan.revision], [20n, 1n, 1n, 1n]);
    assert.deepEqual(
      plan.stages.map(({ size, newAgents, instanceUids }) => [size, newAgents, instanceUids.length]),
      [
        [2n, 2n, 2],
        [10n, 8n, 8],
        [19n, 9n, 9],
      ],
    );
    assert.equal(new Set(plan.stages.flatMap(({ instanceUids }) => instanceUids)).size, 19, "nobody twice");
    assert.deepEqual(plan.incapableGroups[0]?.missing, ["AcceptsRemoteConfig"]);
    const [change] = plan.changes;
    assert.deepEqual([plan.changes.length, change?.fromHash, change?.agents], [1, "", 19n]);
    assert.match(change?.diff ?? "", /\+receivers: \{otlp: \{\}\}/);
    // Three stages of 5 s to apply, 2 min of soak and 1 min of bake, and half an hour at the end.
    assert.equal(plan.estimatedDuration?.seconds, BigInt(3 * (5 + 120 + 60) + 1_800));
    assert.deepEqual((await api.rollouts.listRollouts({ configId })).rollouts, []);
  });

  it("is what starts when its id is given: the very agents that were shown", async () => {
    const configId = await aFleet(20);
    const rollout = { configId, stages: [percent(10), percent(100)] };
    const { planId, stages } = await api.rollouts.planRollout({ rollout });
    const started = await api.rollouts.startRollout({ ...rollout, planId });
    const stored = await api.store.rollouts.get(parseRolloutId(started.rollout?.rolloutId ?? ""));
    assert.equal(stored?.spec.planned?.targeted, 20);
    assert.deepEqual(
      stored?.spec.planned?.stages,
      stages.map(({ size }) => Number(size)),
    );
    assert.equal(planId, `plan-${stored?.spec.seed}`, "the same ranks");
  });

  it("refuses a plan that is gone, of another request, or of a fleet that has moved", async () => {
    const configId = await aFleet(20);
    const rollout = { configId, stages: [percent(10), percent(100)] };
    const { planId } = await api.rollouts.planRollout({ rollout });
    const reasonOf = async (request: Parameters<typeof api.rollouts.startRollout>[0]) => {
      const error = await failureOf(api.rollouts.startRollout(request));
      assert.equal(error.code, Code.FailedPrecondition);
      return error.findDetails(ErrorInfoSchema)[0]?.reason;
    };
    assert.equal(await reasonOf({ ...rollout, planId: "plan-x" }), "PLAN_NOT_FOUND");
    assert.equal(await reasonOf({ configId, planId }), "PLAN_MISMATCH");
    for (let i = 0; i < 3; i++) await storeAgent(api.store, count * 1_000 + 500 + i, { labels: { fleet: configId } });
    assert.equal(await reasonOf({ ...rollout, planId }), "PLAN_OUTDATED");
  });

  it("refuses a plan whose stages reach others now, though as many agents match", async () => {
    const configId = await aFleet(20);
    const canary = { size: { case: "selector", value: "tier=canary" } as const, bake: { seconds: 60n, nanos: 0 } };
    const rollout = { configId, stages: [canary, percent(100)] };
    const { planId, stages } = await api.rollouts.planRollout({ rollout });
    assert.deepEqual(
      stages.map(({ size }) => size),
      [0n, 19n],
    );
    for (let i = 2; i < 10; i++)
      await storeAgent(api.store, count * 1_000 + i, {
        labels: { fleet: configId, tier: "canary" },
        capabilities: CAPABLE,
        epoch: 2,
      });
    const error = await failureOf(api.rollouts.startRollout({ ...rollout, planId }));
    assert.equal(error.findDetails(ErrorInfoSchema)[0]?.reason, "PLAN_OUTDATED");
    assert.match(error.message, /stage 1 was to be done with 0 agents, and would be with 8 now/);
  });

  it("warns of an empty fleet and of offline agents", async () => {
    const configId = await aFleet(0);
    const empty = await api.rollouts.planRollout({ rollout: { configId } });
    assert.match(empty.warnings.join(), /No agent matches/);
    const few = await api.rollouts.planRollout({ rollout: { configId: await aFleet(3) } });
    assert.match(few.warnings.join(), /1 of 2 agents are offline/);
  });

  it("names the components that a revision uses and agents do not have", async () => {
    const configId = await aFleet(0);
    const address = api.store.inventories.addressOf("small");
    await api.store.inventories.put(address, Buffer.from("x"), ["exporters/debug"]);
    const uid = await storeAgent(api.store, 77_000, { labels: { fleet: configId }, capabilities: CAPABLE });
    await api.store.agents.project(uid, [
      { kind: "agent.components-reported", uid, epoch: 1, n: 9, atMs: 1, inventory: "small", address },
    ]);
    const plan = await api.rollouts.planRollout({ rollout: { configId } });
    assert.deepEqual([plan.incapable, plan.incapableGroups[0]?.missing], [1n, ["receivers/otlp"]]);
  });

  it("refuses content that is quarantined, but for a reason", async () => {
    const configId = await aFleet(3);
    const { rollout } = await api.rollouts.startRollout({ configId });
    const stored =
      (await api.store.rollouts.get(parseRolloutId(rollout?.rolloutId ?? ""))) ?? assert.fail("no rollout");
    const status = {
      ...stored.status,
      phase: "halted",
      reason: "aborted",
      message: "It was bad.",
      endedAtMs: 1,
      isSettled: true,
    } as const;
    const { phase, reason, message } = status;
    const decision = { atMs: 1, kind: "phase", phase, reason, message, stage: null, agents: [], inputs: {} } as const;
    await api.store.rollouts.commit(stored, { status, wave: [], decisions: [decision] });
    assert.match(
      (await api.rollouts.planRollout({ rollout: { configId } })).warnings.join(),
      /quarantined since rollout .*It was bad/,
    );
    const error = await failureOf(api.rollouts.startRollout({ configId }));
    assert.equal(error.findDetails(ErrorInfoSchema)[0]?.reason, "REVISION_QUARANTINED");
    await api.rollouts.startRollout({ configId, quarantineOverride: "it was the network" });
  });
});
