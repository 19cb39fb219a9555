import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import { parseConfigId, parseRolloutId } from "@muster/fleet";
import { BadRequestSchema } from "@muster/protocol/rpc/error_details";
import { failureOf, type SpecApi, startApi, storeAgent } from "./spec-api.ts";

describe("GroupService", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  it("keeps groups, and changes them only as they were read", async () => {
    const group = { groupId: "web", selector: "tier=web", priority: 5, description: "what people see" };
    const { group: created } = await api.groups.createGroup({ group });
    assert.equal(created?.selector, "tier=web");
    assert.equal((await failureOf(api.groups.createGroup({ group }))).code, Code.AlreadyExists);
    const etag = created?.etag ?? "";
    await api.groups.updateGroup({ group: { ...group, priority: 6, etag } });
    const stale = { ...group, etag };
    assert.equal((await failureOf(api.groups.updateGroup({ group: stale }))).code, Code.Aborted);
    assert.equal((await failureOf(api.groups.deleteGroup({ groupId: "web", etag }))).code, Code.Aborted);
    await api.groups.deleteGroup({ groupId: "web", validateOnly: true });
    assert.equal((await api.groups.getGroup({ groupId: "web" })).group?.priority, 6);
    await api.groups.deleteGroup({ groupId: "web" });
    assert.equal((await failureOf(api.groups.getGroup({ groupId: "web" }))).code, Code.NotFound);
  });

  it("lists everything that is wrong", async () => {
    const group = { groupId: "No!", selector: "a in (", description: "x".repeat(1_001) };
    const error = await failureOf(api.groups.createGroup({ group }));
    assert.deepEqual(
      error.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field),
      ["group.group_id", "group.description", "group.selector"],
    );
  });

  it("tells the groups of an agent, the one that stands for it first", async () => {
    const instanceUid = await storeAgent(api.store, 1, { labels: { tier: "db" }, healthy: false });
    await api.groups.createGroup({ group: { groupId: "db", selector: "tier=db" } });
    await api.groups.createGroup({ group: { groupId: "sick", selector: "healthy=false", priority: 1 } });
    await api.groups.createGroup({ group: { groupId: "others", selector: "tier!=db", priority: 2 } });
    const { groups } = await api.groups.listGroups({ instanceUid });
    assert.deepEqual(
      groups.map(({ groupId }) => groupId),
      ["sick", "db"],
    );
  });

  it("is what selectors mean that name one, wherever agents are asked for", async () => {
    const uid = await storeAgent(api.store, 20, { labels: { rack: "r1", env: "prod" } });
    await storeAgent(api.store, 21, { labels: { rack: "r2", env: "prod" } });
    await api.groups.createGroup({ group: { groupId: "rack-one", selector: "rack=r1" } });
    const selector = "env=prod,group=rack-one";
    const { agents } = await api.agents.listAgents({ selector });
    assert.deepEqual(
      agents.map(({ instanceUid }) => instanceUid),
      [uid],
    );
    const sorted = await api.agents.listAgents({ selector, orderBy: "rack desc" });
    assert.equal(sorted.agents.length, 1);
    assert.equal((await api.agents.countAgents({ selector })).count, 1n);
    assert.equal((await api.agents.summarizeAgents({ selector, groupBy: "rack" })).totalCount, 1n);
    const labelled = await api.agents.labelAgents({ selector, setLabels: { a: "b" }, validateOnly: true });
    assert.equal(labelled.matchedCount, 1n);
    let resumeToken = "";
    for await (const { event } of api.agents.watchAgents({ selector })) {
      if (event.case === "agent") assert.equal(event.value.instanceUid, uid);
      if (event.case !== "bookmark") continue;
      ({ resumeToken } = event.value);
      break;
    }
    for await (const { event } of api.agents.watchAgents({ selector, resumeToken })) {
      if (event.case === "bookmark") break;
    }
    await api.groups.updateGroup({ group: { groupId: "rack-one", selector: "rack in (r1,r2)" } });
    const resumed = api.agents.watchAgents({ selector, resumeToken })[Symbol.asyncIterator]();
    assert.equal((await failureOf(resumed.next())).code, Code.OutOfRange);
    const error = await failureOf(api.agents.countAgents({ selector: "group=nowhere" }));
    assert.equal(error.code, Code.InvalidArgument);
    assert.match(error.rawMessage, /no group "nowhere"/);
  });

  it("is named in a config as rollouts understand it, and kept apart from others that are not", async () => {
    for (const selector of ["group in (a,b)", "group!=a", "!group"]) {
      const error = await failureOf(api.configs.createConfig({ configId: "odd", selector }));
      assert.equal(error.code, Code.InvalidArgument, selector);
      assert.match(error.rawMessage, /a group is named as group=<id>/);
    }
    // As one might have been kept before that was checked.
    const head = { id: parseConfigId("older"), selector: "group in (a,b)", description: "", order: 100 };
    await api.store.configs.create({ ...head, isFragment: false, createdAtMs: 1, updatedAtMs: 1 }, "");
    for (const groupId of ["a", "z"]) await api.groups.createGroup({ group: { groupId } });
    assert.equal((await failureOf(api.groups.deleteGroup({ groupId: "a" }))).code, Code.FailedPrecondition);
    await api.groups.deleteGroup({ groupId: "z" });
    await api.configs.deleteConfig({ configId: "older" });
  });

  it("stay while a stage of a policy is for them", async () => {
    await api.groups.createGroup({ group: { groupId: "first", selector: "a=b" } });
    const stages = [{ size: { case: "selector" as const, value: "group=first" } }];
    await api.policies.createPolicy({ policy: { policyId: "by-group", stages } });
    const error = await failureOf(api.groups.deleteGroup({ groupId: "first" }));
    assert.deepEqual([error.code, /policy by-group/.test(error.rawMessage)], [Code.FailedPrecondition, true]);
    await api.policies.deletePolicy({ policyId: "by-group" });
    await api.groups.deleteGroup({ groupId: "first" });
  });

  it("pins what a group asks for when a rollout starts", async () => {
    await api.groups.createGroup({ group: { groupId: "canaries", selector: "canary=true" } });
    const selector = "group=canaries,env=prod";
    await api.configs.createConfig({ configId: "grouped", selector });
    await api.configs.publishRevision({
      configId: "grouped",
      files: [{ name: "a.yaml", body: Buffer.from("a: 1") }],
    });
    const stages = [{ size: { case: "selector" as const, value: "group=canaries" } }];
    const { rollout } = await api.rollouts.startRollout({ configId: "grouped", stages });
    assert.equal(rollout?.selector, "canary=true,env=prod");
    const stored = await api.store.rollouts.get(parseRolloutId(rollout?.rolloutId ?? ""));
    assert.deepEqual(stored?.spec.stages[0]?.size, { kind: "selector", selector: "canary=true" });
    assert.equal((await api.configs.getConfig({ configId: "grouped" })).config?.selector, selector);
  });

  it("says why a config cannot be rolled out to a group that is gone, or asks for facts", async () => {
    await api.groups.createGroup({ group: { groupId: "gone", selector: "a=b" } });
    await api.configs.createConfig({ configId: "orphan", selector: "group=gone" });
    await api.configs.publishRevision({ configId: "orphan", files: [{ name: "a.yaml", body: Buffer.from("a: 1") }] });
    const error = await failureOf(api.groups.deleteGroup({ groupId: "gone" }));
    assert.equal(error.code, Code.FailedPrecondition);
    assert.match(error.rawMessage, /orphan/);
    await api.groups.updateGroup({ group: { groupId: "gone", selector: "connected=true" } });
    const passing = await failureOf(api.rollouts.startRollout({ configId: "orphan" }));
    assert.match(passing.rawMessage, /"connected" is a passing fact/);
    await api.groups.deleteGroup({ groupId: "gone", force: true });
    const lost = await failureOf(api.rollouts.startRollout({ configId: "orphan" }));
    assert.equal(lost.code, Code.FailedPrecondition);
    assert.match(lost.rawMessage, /there is no group "gone"/);
  });
});
