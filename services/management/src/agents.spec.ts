import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { encodeEffective, parseConfigId, parseGatewayId } from "@muster/fleet";
import { aHash, aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import { ActionKind, AgentHistoryKind } from "@muster/protocol/muster/agents";
import { AvailableComponentsSchema } from "@muster/protocol/opamp";
import { BadRequestSchema } from "@muster/protocol/rpc/error_details";
import { failureOf, type SpecApi, startApi, storeAgent } from "./spec-api.ts";

const FLEET = 120;

describe("AgentService", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
    for (let n = 1; n <= FLEET; n++) {
      const labels = { env: n % 3 === 0 ? "prod" : "dev", region: n % 2 === 0 ? "eu" : "us", "host.name": `host-${n}` };
      await storeAgent(api.store, n, { labels, healthy: n % 10 !== 0 });
    }
  });
  after(() => api.stop());

  async function listAll(request: { readonly selector?: string; readonly pageSize?: number }) {
    const pages: string[][] = [];
    let pageToken = "";
    do {
      const page = await api.agents.listAgents({ ...request, pageToken });
      pages.push(page.agents.map((agent) => agent.instanceUid));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return pages;
  }

  it("pages through the whole fleet in the order of uids, each agent once", async () => {
    const pages = await listAll({});
    assert.deepEqual(
      pages.map((page) => page.length),
      [50, 50, 20],
    );
    assert.deepEqual(
      pages.flat(),
      Array.from({ length: FLEET }, (_, i) => aUid(i + 1)),
    );
  });

  it("goes on where it was although an agent came in between", async () => {
    const first = await api.agents.listAgents({ pageSize: 60 });
    await storeAgent(api.store, 1_000, { labels: { env: "late" } });
    const second = await api.agents.listAgents({ pageSize: 60, pageToken: first.nextPageToken });
    const third = await api.agents.listAgents({ pageSize: 60, pageToken: second.nextPageToken });
    assert.equal(second.agents[0]?.instanceUid, aUid(61));
    assert.deepEqual(
      third.agents.map((agent) => agent.instanceUid),
      [aUid(1_000)],
    );
  });

  const selections = [
    { selector: "env=prod", count: 40 },
    { selector: "env=prod,region=eu", count: 20 },
    { selector: "env in (prod,dev),region!=eu", count: 60 },
    { selector: "host.name=host-1?", count: 10 },
    { selector: "env=prod,healthy=false", count: 4 },
    { selector: "env,connected=true", count: 121 },
    { selector: "connected=false", count: 0 },
    { selector: "gateway=gw,connected=true", count: 121 },
    { selector: "service.name=otelcol,!canary,env!=late", count: 120 },
    { selector: "env=nowhere", count: 0 },
  ];
  for (const { selector, count } of selections) {
    it(`selects ${count} agents by ${selector}`, async () => {
      assert.equal((await listAll({ selector, pageSize: 7 })).flat().length, count);
    });
  }

  it("still selects by its last gateway an agent that left", async () => {
    await storeAgent(api.store, 2_000, { labels: { env: "gone" } });
    await storeAgent(api.store, 2_000, { connected: false, epoch: 2 });
    const found = await api.agents.listAgents({ selector: "env=gone,gateway=gw,connected=false" });
    assert.equal(found.agents.length, 1);
    assert.equal((await api.agents.listAgents({ selector: "gateway=gw,connected=false" })).agents.length, 1);
  });

  it("counts those that a list would tell", async () => {
    for (const { selector } of selections) {
      const listed = (await listAll({ selector })).flat().length;
      assert.equal((await api.agents.countAgents({ selector })).count, BigInt(listed), selector);
    }
  });

  it("groups them by an attribute or a fact, most first, with those that have none", async () => {
    const byRegion = await api.agents.summarizeAgents({
      selector: "env in (prod,dev)",
      groupBy: "region",
      pageSize: 1,
    });
    assert.deepEqual(
      byRegion.groups.map(({ value, count }) => [value, count]),
      [["eu", 60n]],
    );
    assert.deepEqual([byRegion.otherValues, byRegion.withoutCount, byRegion.totalCount], [1n, 0n, 120n]);
    const byHealth = await api.agents.summarizeAgents({ selector: "env=prod", groupBy: "healthy" });
    assert.deepEqual(
      byHealth.groups.map(({ value, count }) => [value, count]),
      [
        ["true", 36n],
        ["false", 4n],
      ],
    );
    const byNothing = await api.agents.summarizeAgents({ selector: "env=prod", groupBy: "nobody has it" });
    assert.deepEqual([byNothing.groups, byNothing.withoutCount], [[], 40n]);
    const error = await failureOf(api.agents.summarizeAgents({ selector: "env in", pageSize: -1 }));
    const [{ fieldViolations = [] } = {}] = error.findDetails(BadRequestSchema);
    assert.deepEqual(fieldViolations.map((v) => v.field).sort(), ["group_by", "page_size", "selector"]);
  });

  it("sends only the fields that were asked for", async () => {
    const page = await api.agents.listAgents({ pageSize: 1, readMask: { paths: ["instance_uid", "health"] } });
    const agent = page.agents[0] ?? assert.fail("no agent");
    assert.equal(agent.health?.healthy, true);
    assert.deepEqual([agent.connection, agent.nonIdentifyingAttributes, agent.etag], [undefined, {}, ""]);
  });

  it("lists everything that is wrong with a request", async () => {
    const error = await failureOf(
      api.agents.listAgents({
        pageSize: -1,
        selector: "env in",
        pageToken: "?",
        orderBy: "name,zone",
        readMask: { paths: ["nonsense"] },
      }),
    );
    assert.equal(error.code, Code.InvalidArgument);
    const [{ fieldViolations = [] } = {}] = error.findDetails(BadRequestSchema);
    assert.deepEqual(fieldViolations.map((v) => v.field).sort(), [
      "order_by",
      "page_size",
      "page_token",
      "read_mask.paths",
      "selector",
    ]);
  });

  it("refuses a page token of another selector", async () => {
    const { nextPageToken } = await api.agents.listAgents({ pageSize: 1 });
    const error = await failureOf(api.agents.listAgents({ selector: "env=prod", pageToken: nextPageToken }));
    assert.equal(error.code, Code.InvalidArgument);
    assert.match(error.rawMessage, /another list or selector/);
  });

  it("gets one agent with its effective config, its desired config and its attempts, newest first", async () => {
    const uid = await storeAgent(api.store, 3_000, { labels: { env: "one" } });
    const body = encodeEffective([{ name: "collector.yaml", contentType: "text/yaml", body: Buffer.from("a: 1") }]);
    const address = api.store.bodies.addressOf(body);
    await api.store.bodies.put(api.store.sessions.partitionOf(uid), address, body);
    const fact = { uid, epoch: 1, atMs: 5_000 };
    await api.store.agents.project(uid, [
      { ...fact, n: 10, kind: "agent.effective-config-reported", body: address, sizeBytes: 4 },
      { ...fact, n: 11, kind: "agent.config-offered", hash: aHash("a") },
      { ...fact, n: 12, kind: "agent.config-acknowledged", hash: aHash("a"), state: "failed", error: "no" },
      { ...fact, n: 13, kind: "agent.config-offered", hash: aHash("b") },
    ]);
    const contributions = [
      { configId: parseConfigId("base"), revision: 2, hash: aHash("b"), order: 100, rolloutId: ROLLOUT_ID },
    ];
    await api.store.desired.assign([{ uid, desired: { hash: aHash("b"), contributions } }], 1, 6_000);
    const { agent } = await api.agents.getAgent({ instanceUid: uid.toUpperCase() });
    assert.equal(String(Buffer.from(agent?.effectiveConfig?.files[0]?.body ?? [])), "a: 1");
    assert.deepEqual(
      agent?.attempts.map((attempt) => attempt.hash),
      [aHash("b"), aHash("a")],
    );
    assert.equal(agent?.desiredConfig?.contributions[0]?.rolloutId, ROLLOUT_ID);
  });

  describe("of one agent with all that it reported", () => {
    const uid = aUid(4_000);
    const fact = { uid, epoch: 1, atMs: 5_000 };
    const put = async (text: string | Uint8Array) => {
      const address = api.store.bodies.addressOf(Buffer.from(text));
      await api.store.bodies.put(api.store.sessions.partitionOf(uid), address, Buffer.from(text));
      return address;
    };
    before(async () => {
      await storeAgent(api.store, 4_000, { labels: { env: "one" } });
      const inventory = create(AvailableComponentsSchema, {
        components: { receivers: { subComponentMap: { otlp: {} } } },
      });
      const address = api.store.inventories.addressOf("aa");
      await api.store.inventories.put(address, toBinary(AvailableComponentsSchema, inventory), []);
      const message = { ...fact, kind: "agent.custom-message-received", capability: "c", type: "t" } as const;
      await api.store.agents.project(uid, [
        { ...fact, n: 10, kind: "agent.components-reported", inventory: "aa", address },
        { ...message, n: 11, body: await put("first"), sizeBytes: 5 },
        { ...message, n: 12, body: null, sizeBytes: 9_999_999 },
        { ...message, n: 13, body: await put("third"), sizeBytes: 5 },
        { ...fact, n: 14, kind: "agent.unrecognized-reported", part: "health", body: await put(Buffer.from([250, 1])) },
        { ...fact, n: 15, kind: "agent.unrecognized-reported", part: "message", body: null },
        { ...fact, n: 16, kind: "agent.action-sent", actionId: "x", action: "restart" },
        { ...fact, n: 17, kind: "agent.action-sent", actionId: "y", action: "refresh" },
        { ...fact, n: 18, kind: "agent.renamed", from: aUid(4_001) },
      ]);
    });
    const get = async (readMask: readonly string[] = [], instanceUid: string = uid) => {
      const { agent } = await api.agents.getAgent({ instanceUid, readMask: { paths: [...readMask] } });
      return agent ?? assert.fail("no agent");
    };

    it("tells components, messages, actions and parts that are not understood", async () => {
      const agent = await get();
      assert.deepEqual(Object.keys(agent.availableComponents?.components["receivers"]?.subComponents ?? {}), ["otlp"]);
      assert.deepEqual(
        agent.customMessages.map(({ data, sizeBytes }) => [String(Buffer.from(data)), sizeBytes]),
        [
          ["third", 5n],
          ["", 9_999_999n],
          ["", 5n],
        ],
        "newest first; those beyond what an answer holds without their content",
      );
      assert.deepEqual(
        Object.entries(agent.unrecognized).map(([part, body]) => [part, [...body]]),
        [["health", [250, 1]]],
      );
      assert.deepEqual(
        agent.actions.map(({ actionId, kind, sendTime }) => [actionId, kind, sendTime?.seconds]),
        [
          ["y", ActionKind.REFRESH, 5n],
          ["x", ActionKind.RESTART, 5n],
        ],
      );
    });

    it("tells it by a uid that the agent had before", async () => {
      const agent = await get([], aUid(4_001));
      assert.deepEqual([agent.instanceUid, agent.previousInstanceUids], [uid, [aUid(4_001)]]);
      assert.equal(agent.customMessages.length, 3, "bodies are where the agent is now");
    });

    it("tells no more than the mask asks for", async () => {
      const agent = await get(["actions"]);
      assert.deepEqual([agent.actions.length, agent.customMessages, agent.availableComponents], [2, [], undefined]);
    });

    it("leaves it out of lists", async () => {
      const { agents } = await api.agents.listAgents({ selector: "env=one,host.name!=x" });
      const agent = agents.find(({ instanceUid }) => instanceUid === uid) ?? assert.fail("not listed");
      assert.deepEqual([agent.actions, agent.customMessages, agent.unrecognized], [[], [], {}]);
      assert.deepEqual([agent.availableComponents?.hash, agent.availableComponents?.components], ["aa", {}]);
      assert.ok(agents.every(({ instanceUid }) => instanceUid !== aUid(4_001)));
    });
  });

  it("tells who owns an agent and releases it, under the uids it had before, too", async () => {
    const uid = await storeAgent(api.store, 5_000);
    const former = aUid(5_001);
    await api.store.agents.project(uid, [{ kind: "agent.renamed", uid, from: former, epoch: 1, n: 50, atMs: 0 }]);
    const open = async (of: typeof uid, identity: string) =>
      (await api.store.sessions.open(of, parseGatewayId("gw"), 0, null, identity)).isForeign;
    const ownerOf = async (paths: readonly string[] = []) =>
      (await api.agents.getAgent({ instanceUid: uid, readMask: { paths: [...paths] } })).agent?.owner;
    assert.equal(await ownerOf(), "", "nobody authenticated");
    for (const each of [uid, former]) assert.equal(await open(each, "alice"), false);
    assert.deepEqual([await ownerOf(), await ownerOf(["owner"]), await ownerOf(["health"])], ["alice", "alice", ""]);
    assert.equal(await open(uid, "bob"), true);
    assert.equal((await api.agents.releaseAgent({ instanceUid: former })).formerOwner, "alice");
    assert.equal(await ownerOf(), "");
    for (const each of [uid, former]) assert.equal(await open(each, "bob"), false, each);
    assert.equal(await ownerOf(), "bob");
    assert.equal((await api.agents.releaseAgent({ instanceUid: aUid(1) })).formerOwner, "", "nobody owned it");
  });

  it("tells what happened to an agent, newest first", async () => {
    const uid = await storeAgent(api.store, 700, { healthy: true });
    await storeAgent(api.store, 700, { healthy: false, connected: false, epoch: 2 });
    const { entries } = await api.agents.listAgentHistory({ instanceUid: uid });
    const told = entries.map(({ kind, reason, count, time }) => [kind, reason, count, time?.seconds]);
    assert.deepEqual(told.sort(), [
      [AgentHistoryKind.DISCONNECTED, "closed", 1, 2n],
      [AgentHistoryKind.UNHEALTHY, "", 1, 2n],
    ]);
    assert.deepEqual((await api.agents.listAgentHistory({ instanceUid: aUid(1) })).entries, []);
  });

  it("names the agent that it does not know, and refuses what is no uid", async () => {
    const missing = await failureOf(api.agents.getAgent({ instanceUid: aUid(9_999) }));
    assert.equal(missing.code, Code.NotFound);
    assert.match(missing.rawMessage, new RegExp(aUid(9_999)));
    assert.equal((await failureOf(api.agents.getAgent({ instanceUid: "x" }))).code, Code.InvalidArgument);
    assert.equal((await failureOf(api.agents.releaseAgent({ instanceUid: aUid(9_999) }))).code, Code.NotFound);
    assert.equal((await failureOf(api.agents.releaseAgent({ instanceUid: "x" }))).code, Code.InvalidArgument);
  });
});
