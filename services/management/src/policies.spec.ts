import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { BadRequestSchema } from "@muster/protocol/rpc/error_details";
import { failureOf, type SpecApi, startApi } from "./spec-api.ts";

const percent = (value: number) => ({ size: { case: "percent" as const, value } });

describe("PolicyService", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
    await api.configs.createConfig({ configId: "demo" });
    await api.configs.publishRevision({ configId: "demo", files: [{ name: "a.yaml", body: Buffer.from("a: 1") }] });
  });
  after(() => api.stop());

  it("keeps policies as they were given", async () => {
    const given = {
      policyId: "careful",
      description: "for what earns money",
      stages: [percent(1), percent(10)],
      applyTimeout: { seconds: 60n },
      settings: { pace: { maxPerMinute: 100n }, minReachedPercent: 0 },
    };
    await api.policies.createPolicy({ policy: given });
    const { policy } = await api.policies.getPolicy({ policyId: "careful" });
    assert.deepEqual(
      policy?.stages.map(({ size }) => size.value),
      [1, 10],
    );
    assert.deepEqual([policy?.applyTimeout?.seconds, policy?.settings?.pace?.maxPerMinute], [60n, 100n]);
    assert.equal(policy?.settings?.minReachedPercent, 0);
    assert.equal((await failureOf(api.policies.createPolicy({ policy: given }))).code, Code.AlreadyExists);
    await api.policies.updatePolicy({ policy: { ...given, description: "" } });
    const stale = { policyId: "careful", etag: policy?.etag ?? "" };
    assert.equal((await failureOf(api.policies.updatePolicy({ policy: stale }))).code, Code.Aborted);
  });

  it("lists everything that is wrong", async () => {
    const either = { size: { case: "selector" as const, value: "group in (a,b)" } };
    const settings = { weight: -1 };
    const policy = { policyId: "-", stages: [percent(0), either], applyTimeout: { seconds: 1n }, settings };
    const error = await failureOf(api.policies.createPolicy({ policy }));
    const fields = error.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field) ?? [];
    for (const field of [
      "policy.policy_id",
      "policy.stages[0].percent",
      "policy.stages[1].selector",
      "policy.apply_timeout",
    ]) {
      assert.ok(fields.includes(field), `${field} in ${fields}`);
    }
  });

  it("says what a rollout does not say itself", async () => {
    const policy = {
      policyId: "slow",
      stages: [percent(5), percent(100)],
      applyTimeout: { seconds: 90n },
      settings: { pace: { maxPerMinute: 7n, maxInFlight: 3n } },
    };
    await api.policies.createPolicy({ policy });
    const ask = { configId: "demo", policyId: "slow", validateOnly: true };
    const { rollout } = await api.rollouts.startRollout({ ...ask, settings: { pace: { maxInFlight: 9n } } });
    assert.deepEqual(
      rollout?.stages.map(({ stage }) => stage?.size.value),
      [5, 100],
    );
    assert.equal(rollout?.applyTimeout?.seconds, 90n);
    assert.deepEqual([rollout?.settings?.pace?.maxPerMinute, rollout?.settings?.pace?.maxInFlight], [7n, 9n]);
    const own = await api.rollouts.startRollout({ ...ask, stages: [percent(50)], applyTimeout: { seconds: 20n } });
    assert.deepEqual(
      own.rollout?.stages.map(({ stage }) => stage?.size.value),
      [50, 100],
    );
    assert.equal(own.rollout?.applyTimeout?.seconds, 20n);
  });

  it("holds for a plan as for the rollout that follows it, unless it changed meanwhile", async () => {
    await api.policies.createPolicy({ policy: { policyId: "planned", stages: [percent(5)] } });
    const request = { configId: "demo", policyId: "planned" };
    const { planId } = await api.rollouts.planRollout({ rollout: request });
    await api.rollouts.startRollout({ ...request, planId, validateOnly: true });
    await api.policies.updatePolicy({ policy: { policyId: "planned", stages: [percent(6)] } });
    const error = await failureOf(api.rollouts.startRollout({ ...request, planId, validateOnly: true }));
    assert.equal(error.code, Code.FailedPrecondition);
  });

  it("is named by rollouts only while it is there", async () => {
    await api.policies.createPolicy({ policy: { policyId: "gone" } });
    await api.policies.deletePolicy({ policyId: "gone" });
    const error = await failureOf(api.rollouts.startRollout({ configId: "demo", policyId: "gone" }));
    assert.equal(error.code, Code.InvalidArgument);
    assert.match(error.rawMessage, /there is no policy "gone"/);
  });
});
