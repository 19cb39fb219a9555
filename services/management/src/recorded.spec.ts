import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { parseGatewayId } from "@muster/fleet";
import { AuditOutcome } from "@muster/protocol/muster/audit";
import { CreateGroupRequestSchema, GroupService } from "@muster/protocol/muster/groups";
import { BadRequestSchema } from "@muster/protocol/rpc/error_details";
import type { AuditEntry } from "@muster/store";
import type { MethodsOf } from "./call.ts";
import { recorded } from "./recorded.ts";
import { failureOf, type SpecApi, startApi, storeAgent } from "./spec-api.ts";

const by = (user: string) => ({ headers: { "muster-user": user, "x-request-id": "call-1" } });

describe("a change", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  const entriesOf = async (resource: string) => (await api.audit.listAuditEntries({ resource })).entries;

  it("is told with who, what, before and after", async () => {
    await api.configs.createConfig({ configId: "told", selector: "env=prod" }, by("ana"));
    const config = { configId: "told", selector: "env=dev" };
    await api.configs.updateConfig({ config, updateMask: { paths: ["selector"] }, requestId: "r-1" }, by("ben"));
    const [update, create] = await entriesOf("config/told");
    assert.deepEqual(
      [update?.user, update?.method, update?.resource, update?.requestId, update?.callId, update?.outcome],
      ["ben", "ConfigService/UpdateConfig", "config/told", "r-1", "call-1", AuditOutcome.DONE],
    );
    assert.match(update?.peerAddress ?? "", /^127\.0\.0\.1:\d+$/);
    assert.deepEqual([update?.before?.["selector"], update?.after?.["selector"]], ["env=prod", "env=dev"]);
    assert.deepEqual([update?.before?.["generation"], update?.after?.["generation"]], ["1", "2"]);
    assert.deepEqual([create?.user, create?.before, create?.after?.["selector"]], ["ana", undefined, "env=prod"]);
  });

  it("that was refused or only checked leaves nothing", async () => {
    await failureOf(api.configs.createConfig({ configId: "No!" }));
    await failureOf(api.configs.publishRevision({ configId: "nowhere", files: [{ name: "a.yaml" }] }));
    await api.configs.createConfig({ configId: "checked", validateOnly: true });
    for (const resource of ["config/No!", "config/nowhere", "config/checked"]) {
      assert.deepEqual(await entriesOf(resource), []);
    }
  });

  it("keeps bodies as their digest, and secrets not at all", async () => {
    await api.configs.createConfig({ configId: "bodies" });
    const body = Buffer.from("password: hunter2");
    await api.configs.publishRevision({ configId: "bodies", files: [{ name: "a.yaml", body }] });
    const instanceUid = await storeAgent(api.store, 1, { capabilities: ["AcceptsOpAMPConnectionSettings"] });
    const opamp = { destinationEndpoint: "ws://muster:4320/v1/opamp", headers: { Authorization: "Bearer hunter2" } };
    await api.connections.offerConnectionSettings({ instanceUid, settings: { opamp } });
    const { entries } = await api.audit.listAuditEntries({ pageSize: 2 });
    const text = JSON.stringify(entries.map(({ request, before: old, after: now }) => [request, old, now]));
    assert.doesNotMatch(text, /hunter2|aHVudGVyMg/);
    assert.match(text, /"17 bytes, sha256 [0-9a-f]{64}"/);
    assert.match(text, /"Authorization":"\[redacted\]"/);
  });

  it("that makes no sense in JSON is told what is wrong like any other", async () => {
    const config = { configId: "odd", selector: "env=prod" };
    await api.configs.createConfig(config);
    const mask = await failureOf(api.configs.updateConfig({ config, updateMask: { paths: ["Selector__"] } }));
    assert.equal(mask.code, Code.InvalidArgument, mask.message);
    const applyTimeout = { seconds: 1_000_000_000_000n };
    const policy = await failureOf(api.policies.createPolicy({ policy: { policyId: "odd", applyTimeout } }));
    assert.equal(policy.code, Code.InvalidArgument, policy.message);
    await api.policies.createPolicy({ policy: { policyId: "fine" } });
    await api.configs.publishRevision({ configId: "odd", files: [{ name: "a.yaml", body: Buffer.from("a: 1") }] });
    const settings = { timing: { soak: { seconds: 1_000_000_000_000n } } };
    const start = api.rollouts.startRollout({ configId: "odd", policyId: "fine", settings, validateOnly: true });
    assert.equal((await failureOf(start)).code, Code.InvalidArgument);
  });

  it("that starts a rollout is told with the rollout", async () => {
    await api.configs.createConfig({ configId: "rolled" });
    await api.configs.publishRevision({ configId: "rolled", files: [{ name: "a.yaml", body: Buffer.from("a: 1") }] });
    const { rollout } = await api.rollouts.startRollout({ configId: "rolled" });
    const [entry] = await entriesOf(`rollout/${rollout?.rolloutId}`);
    assert.deepEqual(
      [entry?.before, entry?.after?.["config_id"], entry?.after?.["revision"]],
      [undefined, "rolled", "1"],
    );
  });

  it("is found by who, what and when", async () => {
    const startedAt = new Date();
    await api.groups.createGroup({ group: { groupId: "found" } }, by("cleo"));
    const { entries } = await api.audit.listAuditEntries({ user: "cleo" });
    assert.deepEqual(
      entries.map(({ resource }) => resource),
      ["group/found"],
    );
    const ofKind = await api.audit.listAuditEntries({ resource: "group", method: "CreateGroup" });
    assert.equal(ofKind.entries.length, 1);
    assert.equal((await api.audit.listAuditEntries({ resource: "gro" })).entries.length, 0);
    const seconds = BigInt(Math.floor(startedAt.getTime() / 1_000));
    assert.equal((await api.audit.listAuditEntries({ endTime: { seconds: seconds - 60n } })).entries.length, 0);
    assert.equal((await api.audit.listAuditEntries({ user: "cleo", startTime: { seconds } })).entries.length, 1);
  });

  it("is paged without gaps while others are made", async () => {
    for (const groupId of ["p-1", "p-2", "p-3"]) await api.groups.createGroup({ group: { groupId } }, by("dan"));
    const first = await api.audit.listAuditEntries({ user: "dan", pageSize: 2 });
    await api.groups.createGroup({ group: { groupId: "p-4" } }, by("dan"));
    const second = await api.audit.listAuditEntries({ user: "dan", pageSize: 2, pageToken: first.nextPageToken });
    assert.deepEqual(
      [...first.entries, ...second.entries].map(({ resource }) => resource),
      ["group/p-3", "group/p-2", "group/p-1"],
    );
    assert.equal(second.nextPageToken, "");
  });
});

describe("a request with an id", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
  });
  after(() => api.stop());

  it("is answered the second time as the first, and changes nothing again", async () => {
    const group = { groupId: "twice", description: "one" };
    const first = await api.groups.createGroup({ group, requestId: "r" });
    await api.groups.updateGroup({ group: { groupId: "twice", description: "two" } });
    assert.deepEqual(await api.groups.createGroup({ group, requestId: "r" }), first);
    assert.equal((await api.groups.getGroup({ groupId: "twice" })).group?.description, "two");
    assert.equal((await api.audit.listAuditEntries({ resource: "group/twice" })).entries.length, 2);
  });

  it("works once, however many call at once", async () => {
    const uid = await storeAgent(api.store, 1);
    await api.store.sessions.open(uid, parseGatewayId("gw"), 0, null);
    const ask = () => api.agents.refreshAgent({ instanceUid: uid, requestId: "once" });
    const answers = await Promise.all([ask(), ask(), ask(), ask()]);
    assert.equal(new Set(answers.map(({ action }) => action?.actionId)).size, 1);
    const again = await api.agents.refreshAgent({ instanceUid: uid, requestId: "another" });
    assert.notEqual(again.action?.actionId, answers[0]?.action?.actionId);
  });

  it("is refused with another content, and another method may use it", async () => {
    await api.groups.createGroup({ group: { groupId: "mine" }, requestId: "id" });
    const error = await failureOf(api.groups.createGroup({ group: { groupId: "yours" }, requestId: "id" }));
    assert.equal(error.code, Code.InvalidArgument);
    assert.equal(error.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field, "request_id");
    await api.groups.deleteGroup({ groupId: "mine", requestId: "id" });
  });

  it("is the same request however its maps are ordered", async () => {
    const instanceUid = await storeAgent(api.store, 2);
    const ask = (setLabels: Record<string, string>) =>
      api.agents.updateAgent({ instanceUid, labels: setLabels, updateMask: { paths: ["labels"] }, requestId: "maps" });
    const first = await ask({ a: "1", b: "2" });
    assert.deepEqual(await ask({ b: "2", a: "1" }), first);
    assert.equal((await failureOf(ask({ b: "2", a: "2" }))).code, Code.InvalidArgument);
  });

  it("is known though its answer is too large to be kept, and told once", async () => {
    await api.configs.createConfig({ configId: "large" });
    const publish = (letter: string) => {
      const body = Buffer.from(`a: ${letter.repeat(300_000)}\n`);
      return api.configs.publishRevision({ configId: "large", files: [{ name: "a.yaml", body }], requestId: "large" });
    };
    const first = await publish("x");
    assert.deepEqual(await publish("x"), first);
    assert.equal((await failureOf(publish("y"))).code, Code.InvalidArgument);
    const { entries } = await api.audit.listAuditEntries({ resource: "config/large" });
    assert.deepEqual(
      entries.map(({ method }) => method),
      ["ConfigService/PublishRevision", "ConfigService/CreateConfig"],
    );
  });

  it("may try again what was refused", async () => {
    const update = () => api.groups.updateGroup({ group: { groupId: "later", priority: 3 }, requestId: "again" });
    assert.equal((await failureOf(update())).code, Code.NotFound);
    await api.groups.createGroup({ group: { groupId: "later" } });
    assert.equal((await update()).group?.priority, 3);
  });

  it("waits no longer for a call that has it than that lives", async () => {
    const claim = await api.store.answers.claim("GroupService/CreateGroup", "held", AbortSignal.timeout(1_000));
    assert.equal(claim.kind, "claimed");
    const call = api.groups.createGroup({ group: { groupId: "held" }, requestId: "held" }, { timeoutMs: 500 });
    assert.equal((await failureOf(call)).code, Code.DeadlineExceeded);
    if (claim.kind === "claimed") await api.store.answers.release("GroupService/CreateGroup", "held", claim.word);
    await api.groups.createGroup({ group: { groupId: "held" }, requestId: "held" });
  });
});

describe("words about a change", () => {
  const call = { signal: AbortSignal.timeout(60_000), user: "ann", peer: "", id: "c" };
  const group = { groupId: "g" };
  /** A service whose change is done, with an audit and answers that fail as they are told. */
  function aService(failing: ReadonlySet<string>, isLong = false) {
    const entries: string[] = [];
    const renewed = Promise.withResolvers<void>();
    const may = (name: string): void => {
      if (failing.has(name)) throw new Error(`${name} failed`);
    };
    const audit = {
      begin: async ({ outcome }: AuditEntry) => void entries.push(outcome),
      async finish({ outcome, after }: AuditEntry) {
        may("finish");
        entries.push(`${outcome} ${after}`);
      },
      drop: async () => void entries.push("dropped"),
    };
    const answers = {
      claim: async () => ({ kind: "claimed", word: "w" }) as const,
      keep: async () => may("keep"),
      release: async () => void entries.push("released"),
      renew: async () => void renewed.resolve(),
    };
    const createsGroup = async () => {
      if (isLong) await renewed.promise;
      return { group };
    };
    const methods = { createGroup: createsGroup } as unknown as MethodsOf<typeof GroupService>; // no other is called
    const read = async (_: unknown, __: unknown, answer: unknown) => {
      if (answer !== undefined) may("read");
      return undefined;
    };
    const deps = { audit, answers, nowMs: () => 0, newEntryId: () => "1", renewMs: 1 };
    const { createGroup } = recorded(GroupService, methods, { createGroup: { resource: () => "group/g", read } }, deps);
    return { entries, create: () => createGroup(create(CreateGroupRequestSchema, { group, requestId: "r" }), call) };
  }

  it("say that a long call is still at work", async () => {
    const service = aService(new Set(), true); // it ends when it was said
    await service.create();
    assert.deepEqual(service.entries, ["unknown", "done "]);
  });

  const cases: readonly (readonly [failing: string, entries: readonly string[]])[] = [
    ["nothing", ["unknown", "done "]],
    ["read", ["unknown", "done "]],
    ["finish", ["unknown"]],
    ["keep", ["unknown", "done "]],
  ];
  for (const [failing, expected] of cases) {
    it(`that fail (${failing}) make it no failure, and no call for a repeat`, async () => {
      const service = aService(new Set([failing]));
      assert.equal((await service.create()).group?.groupId, "g");
      assert.deepEqual(service.entries, expected);
    });
  }
});
