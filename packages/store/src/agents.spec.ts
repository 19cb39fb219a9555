import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AgentEvent,
  type AttributeValue,
  apply,
  type InstanceUid,
  labelsOf,
  NO_METADATA,
  type PackageReport,
  parseGatewayId,
  parseSelector,
  type Selector,
  unknownAgent,
  withMetadata,
} from "@muster/fleet";
import { aHash, aUid } from "@muster/fleet/builders";
import { useStore } from "./spec-store.ts";
import type { Store } from "./store.ts";

const health = {
  healthy: true,
  status: "",
  lastError: "",
  startTimeUnixNano: "0",
  statusTimeUnixNano: "0",
  components: [],
};

const aPackage: PackageReport = {
  name: "otelcol",
  agentVersion: "1",
  agentHash: "aa",
  offeredVersion: "",
  offeredHash: "",
  state: "downloading",
  error: "",
  downloadPercent: 12.5,
  downloadBytesPerSecond: null,
};

type Labels = Readonly<Record<string, AttributeValue>>;
const at = (uid: InstanceUid, n: number, epoch = 1) => ({ uid, epoch, n, atMs: 1_000 * epoch + n });
const described = (uid: InstanceUid, n: number, labels: Labels = {}, epoch = 1): AgentEvent => ({
  kind: "agent.described",
  ...at(uid, n, epoch),
  identifying: [],
  nonIdentifying: Object.entries(labels),
});
const connected = (uid: InstanceUid, n: number, gateway = "gw-1", epoch = 1): AgentEvent => ({
  kind: "agent.connected",
  ...at(uid, n, epoch),
  gateway: parseGatewayId(gateway),
  transport: "websocket",
  remoteAddress: "",
});
const disconnected = (uid: InstanceUid, n: number): AgentEvent => ({
  kind: "agent.disconnected",
  ...at(uid, n),
  reason: "closed",
});
const reported = (uid: InstanceUid, n: number, body: string): AgentEvent => ({
  kind: "agent.effective-config-reported",
  ...at(uid, n),
  body,
  sizeBytes: 1,
});
const offered = (uid: InstanceUid, n: number, hash = aHash()): AgentEvent => ({
  kind: "agent.config-offered",
  ...at(uid, n),
  hash,
});

describe("agents", () => {
  const spec = useStore();
  const project = (...events: readonly AgentEvent[]) => spec.store.agents.project(events[0]?.uid ?? aUid(), events);

  it("keeps every facet of a view as it was folded", async () => {
    const uid = aUid();
    const events: AgentEvent[] = [
      connected(uid, 1),
      described(uid, 2, { env: "prod", ports: [1, 2], nested: JSON.parse('{"constructor":{"x":1}}') }),
      { kind: "agent.capabilities-changed", ...at(uid, 3), capabilities: ["ReportsStatus"] },
      { kind: "agent.health-changed", ...at(uid, 4), health: { ...health, startTimeUnixNano: "1" } },
      offered(uid, 5),
      { kind: "agent.config-acknowledged", ...at(uid, 6), hash: aHash(), state: "applied", error: "" },
      reported(uid, 7, "body"),
      { kind: "agent.packages-reported", ...at(uid, 8), packages: [aPackage], allHash: "aa", error: "" },
      { kind: "agent.connection-settings-acknowledged", ...at(uid, 9), settings: "bb", state: "applied", error: "" },
      { kind: "agent.custom-capabilities-changed", ...at(uid, 10), capabilities: ["io.example"] },
      { kind: "agent.components-reported", ...at(uid, 11), inventory: "cc", address: "inventory" },
      { kind: "agent.settings-offered", ...at(uid, 12), of: "connection", settings: "bb" },
      { kind: "agent.settings-offered", ...at(uid, 13), of: "packages", settings: "aa" },
      { kind: "agent.custom-message-received", ...at(uid, 14), capability: "c", type: "t", body: "m", sizeBytes: 1 },
      { kind: "agent.unrecognized-reported", ...at(uid, 15), part: "health", body: "u" },
      { kind: "agent.action-sent", ...at(uid, 16), actionId: "1", action: "restart" },
      { kind: "agent.renamed", ...at(uid, 17), from: aUid(9) },
      { kind: "agent.health-changed", ...at(uid, 18), health: { ...health, startTimeUnixNano: "9000000000000000000" } },
      {
        kind: "agent.usage-measured",
        ...at(uid, 19, 0),
        usage: { cpuPercent: 12.5, cpuCores: 0.25, memoryBytes: 70_000_000 },
      },
    ];
    const said = { generation: 1, labels: [["canary", "true"]] as const, annotations: [] };
    await spec.store.metadata.put([{ uid, before: NO_METADATA, after: said }]);
    const { after } = await project(...events);
    assert.deepEqual(after, withMetadata(events.reduce(apply, unknownAgent(uid, 1_001)), said));
    const { drift: _, ...folded } = after; // it is no event's (drift.spec.ts)
    const empty = Object.entries(folded).filter(
      ([, facet]) => facet === null || (Array.isArray(facet) && !facet.length),
    );
    assert.deepEqual(empty, [], "or not every facet was tried");
    const { view, version } = (await spec.store.agents.get(uid)) ?? assert.fail("it was saved");
    assert.deepEqual([view, version], [after, 1]);
  });

  it("changes nothing when the same events come again, not even the version", async () => {
    const events = [connected(aUid(), 1), described(aUid(), 2, { env: "prod" }), offered(aUid(), 3)];
    await project(...events);
    const keys = await spec.keys("*");
    const { before, after } = await project(...events);
    assert.equal(after, before);
    assert.equal((await spec.store.agents.get(aUid()))?.version, 1);
    assert.deepEqual(await spec.keys("*"), keys);
  });

  it("knows nobody it was not told of", async () => {
    assert.equal(await spec.store.agents.get(aUid()), undefined);
    await project(connected(aUid(2), 1));
    const views = await spec.store.agents.load([aUid(1), aUid(2), aUid(3)]);
    assert.deepEqual(
      views.map(({ view }) => view.uid),
      [aUid(2)],
    );
  });

  it("tells views as they are, also where it remembers others", async () => {
    const [uid, other] = [aUid(), await spec.open()];
    const seenBy = async (store: Store) =>
      (await store.agents.load([uid])).map(({ view }) => labelsOf(view).get("env") ?? "");
    await project(described(uid, 1, { env: "a" }));
    assert.deepEqual([await seenBy(spec.store), await seenBy(other)], [["a"], ["a"]]);
    await project(described(uid, 2, { env: "b" }));
    assert.deepEqual([await seenBy(spec.store), await seenBy(other)], [["b"], ["b"]]);
    await spec.wipe();
    assert.deepEqual([await seenBy(spec.store), await seenBy(other)], [[], []]);
    for (const n of [1, 2]) await other.agents.project(uid, [described(uid, n, { env: "c" })]);
    assert.deepEqual(await seenBy(spec.store), ["c"], "of the version that it remembers another of");
  });

  it("folds onto what is stored, whatever it remembers", async () => {
    const [uid, other] = [aUid(), await spec.open()];
    const events = [connected(uid, 1), described(uid, 2, { env: "a" })];
    await project(...events);
    await other.agents.project(uid, [described(uid, 3, { env: "b" })]);
    const { before, after } = await project(offered(uid, 4));
    assert.deepEqual(
      [before, after].map((view) => labelsOf(view).get("env")),
      ["b", "b"],
    );
    await spec.wipe(); // as when a backup is older than what a projector remembers
    await project(...events);
    assert.equal((await spec.store.agents.get(uid))?.version, 1, "what it remembers is no reason to save nothing");
  });

  it("loads thousands, in the order that they are asked for", async () => {
    const uids = Array.from({ length: 1_100 }, (_, n) => aUid(n + 1));
    await Promise.all(uids.slice(0, -100).map((uid) => project(connected(uid, 1))));
    const asked = uids.toReversed();
    for (const _ of [1, 2]) {
      const found = (await spec.store.agents.load(asked)).map(({ view }) => view.uid);
      assert.deepEqual(found, asked.slice(100));
    }
  });

  it("takes in many agents at once that have as many attributes as one may have", async () => {
    const inOnePartition = Array.from({ length: 400 }, (_, n) => aUid(n + 1)).filter(
      (uid) => spec.store.sessions.partitionOf(uid) === 0,
    );
    const uids = inOnePartition.slice(0, 64);
    assert.equal(uids.length, 64);
    const attributesOf = (uid: InstanceUid) =>
      Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`key ${i}`, `${uid} ${i}`]));
    await Promise.all(uids.map((uid) => project(described(uid, 1, attributesOf(uid)))));
    const [uid = aUid()] = uids;
    const found = await spec.store.agents.page("", 10, parseSelector(`"key 999"="${uid} 999"`));
    assert.deepEqual(found, [uid]);
  });

  it("loses nothing when 50 projectors fold events of one agent at once", async () => {
    const others = await Promise.all([spec.open(), spec.open(), spec.open()]);
    const stores = [spec.store, ...others];
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => {
        const event =
          i % 5 === 0 ? offered(aUid(), i + 1, aHash(String(i / 5))) : described(aUid(), i + 1, { n: i + 1 });
        return stores[i % stores.length]?.agents.project(aUid(), [event]);
      }),
    );
    const stored = await spec.store.agents.get(aUid());
    assert.equal(labelsOf(stored?.view ?? unknownAgent(aUid(), 0)).get("n"), "50");
    assert.deepEqual(
      stored?.view.attempts.map(({ n }) => n),
      [1, 6, 11, 16, 21, 26, 31, 36, 41, 46],
    );
    const indexed = await Promise.all(
      Array.from({ length: 50 }, (_, i) => spec.store.agents.page("", 10, parseSelector(`n=${i + 1}`))),
    );
    assert.deepEqual(indexed.flat(), [aUid()]);
    assert.equal(indexed[49]?.length, 1, "of all values only the last is indexed");
  });

  it("pages over all partitions in the order of the uids", async () => {
    const uids = Array.from({ length: 57 }, (_, i) => aUid(i + 1));
    await Promise.all(uids.map((uid, i) => project(described(uid, 1, { even: i % 2 === 0 }))));
    const readAll = async (limit: number, selector?: Selector): Promise<InstanceUid[]> => {
      const all: InstanceUid[] = [];
      for (;;) {
        const page = await spec.store.agents.page(all.at(-1) ?? "", limit, selector);
        assert.ok(page.length <= limit);
        if (page.length === 0) return all;
        all.push(...page);
      }
    };
    for (const limit of [1, 10, 57, 100]) assert.deepEqual(await readAll(limit), uids);
    const even = uids.filter((_, i) => i % 2 === 0);
    assert.deepEqual(await readAll(10, parseSelector("even=true")), even);
    const pages = await Promise.all([0, 1, 2, 3].map((p) => spec.store.agents.pageOf(p, "", 100)));
    assert.deepEqual(pages.flat().sort(), uids);
    assert.ok(pages.every((page) => page.length > 0 && page.every((uid, i) => i === 0 || uid > (page[i - 1] ?? ""))));
  });

  it("lists who is connected at a gateway, and nobody who moved or left", async () => {
    await Promise.all([1, 2, 3].map((n) => project(connected(aUid(n), 1))));
    await project(disconnected(aUid(2), 2));
    await project(connected(aUid(3), 1, "gw-2", 2));
    assert.deepEqual(await spec.store.agents.connectedAt(parseGatewayId("gw-1"), 10), [aUid(1)]);
    assert.deepEqual(await spec.store.agents.connectedAt(parseGatewayId("gw-2"), 10), [aUid(3)]);
  });

  it("asks for a decision for agents that are new or describe themselves anew, and for no others", async () => {
    const p = spec.store.sessions.partitionOf(aUid());
    const waiting = () => spec.store.desired.unassigned(p, 10);
    await project(connected(aUid(), 1));
    assert.deepEqual(await waiting(), [{ uid: aUid(), version: 1 }]);
    await spec.store.desired.settle([{ uid: aUid(), version: 1 }]);
    await project(offered(aUid(), 2));
    assert.deepEqual(await waiting(), []);
    await project(described(aUid(), 3, { env: "prod" }));
    assert.deepEqual(await waiting(), [{ uid: aUid(), version: 3 }]);
  });

  it("keeps a body as long as a view points at it", async () => {
    const p = spec.store.sessions.partitionOf(aUid());
    const { bodies } = spec.store;
    const [a, b] = ["a", "b"].map((text) => bodies.addressOf(Buffer.from(text)));
    assert.ok(a !== undefined && b !== undefined);
    for (const text of ["a", "b"]) await bodies.put(p, bodies.addressOf(Buffer.from(text)), Buffer.from(text));
    await project(reported(aUid(), 1, a));
    assert.equal(await spec.redis.ttl(`muster:{${p}}:body:${a}`), -1);
    await project(reported(aUid(), 2, b));
    assert.ok((await spec.redis.ttl(`muster:{${p}}:body:${a}`)) > 0);
    assert.equal(await spec.redis.ttl(`muster:{${p}}:body:${b}`), -1);
  });

  it("keeps every body that a view points at, one that comes after it, too", async () => {
    const p = spec.store.sessions.partitionOf(aUid());
    const { bodies } = spec.store;
    const ttl = (address: string) => spec.redis.ttl(`muster:{${p}}:body:${address}`);
    await project(
      { kind: "agent.custom-message-received", ...at(aUid(), 1), capability: "c", type: "t", body: "m", sizeBytes: 1 },
      { kind: "agent.unrecognized-reported", ...at(aUid(), 2), part: "health", body: "part" },
    );
    for (const address of ["m", "part", "of nobody"]) await bodies.put(p, address, Buffer.from("x"));
    assert.deepEqual([await ttl("m"), await ttl("part"), (await ttl("of nobody")) > 0], [-1, -1, true]);
    await project({ kind: "agent.unrecognized-reported", ...at(aUid(), 3), part: "health", body: null });
    assert.deepEqual([await ttl("m"), (await ttl("part")) > 0], [-1, true]);
  });

  it("keeps the record of a usual agent under half a kilobyte", async () => {
    const attributes = {
      "service.name": "otelcol",
      "host.name": "node-17.eu-west-1.compute.internal",
      env: "prod",
      region: "eu-west-1",
    };
    await project(connected(aUid(), 1), described(aUid(), 2, attributes), offered(aUid(), 3));
    const [key = ""] = await spec.keys("*:agent:*");
    const sizeBytes = Number(await spec.redis.memory("USAGE", key));
    assert.ok(sizeBytes < 512, `${sizeBytes} bytes`);
  });
});
