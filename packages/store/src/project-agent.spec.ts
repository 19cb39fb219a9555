// Agents that go on under another uid: what is known of them follows, whatever happens in between.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentEvent, type InstanceUid, isConnected, labelsOf, parseGatewayId } from "@muster/fleet";
import { aHash, aUid } from "@muster/fleet/builders";
import { createBodies } from "./bodies.ts";
import { createContext, MAX_REMEMBERED_BYTES, projectAgent } from "./project-agent.ts";
import { useStore } from "./spec-store.ts";

const [OLD, NEW, NEWER] = [aUid(1), aUid(2), aUid(3)];
const at = (uid: InstanceUid, epoch: number, n: number) => ({ uid, epoch, n, atMs: 1_000 * epoch + n });
const described = (uid: InstanceUid, epoch: number, n: number, env: string): AgentEvent => ({
  kind: "agent.described",
  ...at(uid, epoch, n),
  identifying: [],
  nonIdentifying: [["env", env]],
});
const connected = (uid: InstanceUid, epoch: number): AgentEvent => ({
  kind: "agent.connected",
  ...at(uid, epoch, 1),
  gateway: parseGatewayId("gw"),
  transport: "websocket",
  remoteAddress: "",
});
const reported = (uid: InstanceUid, epoch: number, n: number, body: string): AgentEvent => ({
  kind: "agent.effective-config-reported",
  ...at(uid, epoch, n),
  body,
  sizeBytes: 1,
});
const offered = (uid: InstanceUid, epoch: number, n: number): AgentEvent => ({
  kind: "agent.config-offered",
  ...at(uid, epoch, n),
  hash: aHash(),
});
const renamed = (uid: InstanceUid, from: InstanceUid, epoch = 2): AgentEvent => ({
  kind: "agent.renamed",
  ...at(uid, epoch, 2),
  from,
});

describe("views that are remembered", () => {
  const spec = useStore();
  const deps = () => {
    const { partitions, metadata, desired, comparison } = spec.store;
    return { fleet: spec.redis, partitions, metadata, desired, comparison };
  };

  it("are few where they are large", async () => {
    const context = createContext({ ...deps(), copyBody: async () => undefined });
    const uids = Array.from({ length: 20 }, (_, i) => aUid(i + 1));
    const large = "x".repeat(MAX_REMEMBERED_BYTES / 16);
    for (const uid of uids) {
      // Those that come by once are not remembered.
      for (const n of [1, 2]) await projectAgent(context, uid, [described(uid, 1, n, `${n}${large}`)]);
    }
    const size = uids.filter((uid) => context.remembered.get(uid) !== undefined).length;
    assert.ok(size > 0 && size < 16, `${size} of them`);
  });
});

describe("what an agent takes", () => {
  const spec = useStore();
  const measured = (uid: InstanceUid, memoryBytes: number): AgentEvent => ({
    kind: "agent.usage-measured",
    ...at(uid, 0, memoryBytes),
    usage: { cpuPercent: null, cpuCores: null, memoryBytes },
  });

  it("is kept of an agent that is there, and makes none of one that is not", async () => {
    const { agents } = spec.store;
    await agents.project(OLD, [measured(OLD, 5)]);
    assert.equal(await agents.get(OLD), undefined);
    await agents.project(OLD, [connected(OLD, 1)]);
    for (const bytes of [6, 5]) await agents.project(OLD, [measured(OLD, bytes)]);
    assert.equal((await agents.get(OLD))?.view.ownUsage?.value.memoryBytes, 6);
  });

  it("follows the agent to another uid", async () => {
    const { agents } = spec.store;
    await agents.project(OLD, [connected(OLD, 1), measured(OLD, 5)]);
    await agents.project(NEW, [connected(NEW, 2), renamed(NEW, OLD)]);
    assert.equal((await agents.get(NEW))?.view.ownUsage?.value.memoryBytes, 5);
    await agents.project(OLD, [measured(OLD, 6)]);
    assert.equal((await agents.get(NEW))?.view.ownUsage?.value.memoryBytes, 6, "though it is told under the old one");
  });
});

describe("an agent that goes on under another uid", () => {
  const spec = useStore();
  const deps = () => {
    const { partitions, metadata, desired, comparison } = spec.store;
    return { fleet: spec.redis, partitions, metadata, desired, comparison };
  };
  const project = (uid: InstanceUid, ...events: readonly AgentEvent[]) => spec.store.agents.project(uid, events);
  const partitionOf = (uid: InstanceUid) => spec.store.sessions.partitionOf(uid);
  const view = async (uid: InstanceUid) => (await spec.store.agents.get(uid))?.view ?? assert.fail(`${uid} is unknown`);
  const all = async () => (await spec.store.agents.page("", 100)).slice();
  const body = (text: string) => spec.store.bodies.addressOf(Buffer.from(text));
  const putBody = async (uid: InstanceUid, text: string) => {
    await spec.store.bodies.put(partitionOf(uid), body(text), Buffer.from(text));
    return body(text);
  };
  const readBody = async (uid: InstanceUid, text: string) =>
    String(await spec.store.bodies.get(partitionOf(uid), body(text)));

  it("takes everything along, and the old uid leads to it", async () => {
    assert.notEqual(partitionOf(OLD), partitionOf(NEW), "or this shows little");
    const address = await putBody(OLD, "a: 1");
    await project(
      OLD,
      connected(OLD, 1),
      described(OLD, 1, 2, "prod"),
      reported(OLD, 1, 3, address),
      offered(OLD, 1, 4),
    );
    await project(NEW, connected(NEW, 2), renamed(NEW, OLD));
    const now = await view(NEW);
    assert.equal(labelsOf(now).get("env"), "prod");
    assert.deepEqual([now.previousUids, now.firstSeenAtMs, now.attempts.length], [[OLD], 1_001, 1]);
    assert.equal(await readBody(NEW, "a: 1"), "a: 1");
    assert.deepEqual(await view(OLD), now);
    assert.deepEqual(await all(), [NEW]);
    assert.deepEqual(await spec.store.agents.load([OLD, NEW]), [await spec.store.agents.get(NEW)]);
    assert.deepEqual(await spec.store.agents.connectedAt(parseGatewayId("gw"), 10), [NEW]);
  });

  it("leaves nothing of the old uid but its alias", async () => {
    const address = await putBody(OLD, "a: 1");
    await project(OLD, connected(OLD, 1), described(OLD, 1, 2, "prod"), reported(OLD, 1, 3, address));
    await spec.store.desired.assign([{ uid: OLD, desired: { hash: aHash(), contributions: [] } }], 1, 1);
    const position = await spec.store.changes.end();
    await project(NEW, connected(NEW, 2), renamed(NEW, OLD));
    const p = partitionOf(OLD);
    const left = (await spec.keys(`muster:{${p}}:*`)).filter((key) => !key.endsWith(":changes")).sort();
    const [body, free, rows] = [`body:${address}`, "free-rows", "rows"].map((name) => `muster:{${p}}:${name}`);
    assert.deepEqual(left, [`muster:{${p}}:agent:${OLD}`, body, free, rows], "and its row, for the next agent");
    assert.equal(await spec.redis.get(`muster:{${p}}:agent:${OLD}`), `2 > ${NEW}\n`);
    assert.ok((await spec.redis.ttl(`muster:{${p}}:body:${address}`)) > 0, "nobody uses the body there");
    assert.equal(await spec.redis.ttl(`muster:{${partitionOf(NEW)}}:body:${address}`), -1);
    const told = await spec.redis.xrange(`muster:{${p}}:changes`, `(${position[p]}`, "+");
    assert.deepEqual(
      told.map(([, [, uid]]) => uid),
      [OLD],
      "watchers look at it again",
    );
  });

  it("is decided on again: its rank is that of its first uid", async () => {
    await project(NEW, described(NEW, 2, 1, "prod"));
    await spec.store.desired.settle([{ uid: NEW, version: 1 }]);
    await project(NEW, renamed(NEW, OLD));
    assert.deepEqual(await spec.store.desired.unassigned(partitionOf(NEW), 10), [{ uid: NEW, version: 2 }]);
  });

  it("takes in what is said of the old uid late, with its bodies", async () => {
    await project(NEW, connected(NEW, 2), renamed(NEW, OLD));
    const address = await putBody(OLD, "late: 1");
    const { after } = await project(OLD, described(OLD, 1, 2, "prod"), reported(OLD, 1, 3, address));
    assert.equal(after.uid, NEW);
    assert.equal(labelsOf(await view(NEW)).get("env"), "prod");
    assert.equal(await readBody(NEW, "late: 1"), "late: 1");
    assert.ok(isConnected(await view(NEW)), "by its own, newer session");
    assert.deepEqual(await all(), [NEW]);
  });

  it("changes nothing when the events come again", async () => {
    await project(OLD, connected(OLD, 1), offered(OLD, 1, 2));
    const events = [connected(NEW, 2), renamed(NEW, OLD)];
    await project(NEW, ...events);
    const stored = await spec.store.agents.get(NEW);
    const { before, after } = await project(NEW, ...events);
    assert.equal(after, before);
    await project(OLD, connected(OLD, 1), offered(OLD, 1, 2));
    assert.deepEqual(await spec.store.agents.get(NEW), stored);
  });

  it("may be given a third uid, and each before leads to it, in whatever order that is heard of", async () => {
    await project(OLD, connected(OLD, 1), described(OLD, 1, 2, "prod"));
    await project(NEWER, connected(NEWER, 3), renamed(NEWER, NEW, 3));
    await project(NEW, connected(NEW, 2), renamed(NEW, OLD));
    const now = await view(OLD);
    assert.deepEqual([now.uid, now.previousUids], [NEWER, [OLD, NEW]]);
    assert.equal(labelsOf(now).get("env"), "prod");
    assert.deepEqual(await all(), [NEWER]);
  });

  it("survives a crash after the new view was saved: the events come again", async () => {
    await project(OLD, connected(OLD, 1), described(OLD, 1, 2, "prod"));
    const events = [connected(NEW, 2), renamed(NEW, OLD)];
    await saveOnly(events);
    assert.deepEqual(await all(), [OLD, NEW]);
    await project(OLD, described(OLD, 1, 3, "dev"));
    await project(NEW, ...events);
    assert.deepEqual(await all(), [NEW]);
    assert.equal(labelsOf(await view(NEW)).get("env"), "dev");
  });

  it("survives a crash after the new view was saved: the next event of the new uid does", async () => {
    await project(OLD, connected(OLD, 1), described(OLD, 1, 2, "prod"));
    await saveOnly([connected(NEW, 2), renamed(NEW, OLD)]);
    await project(OLD, described(OLD, 1, 3, "dev"));
    await project(NEW, offered(NEW, 2, 3));
    assert.deepEqual(await all(), [NEW]);
    assert.equal(labelsOf(await view(NEW)).get("env"), "dev");
  });

  it("loses nothing that is said of both uids while the one becomes the other", async () => {
    const said: AgentEvent[] = [];
    for (let n = 1; n <= 20; n++) said.push(described(OLD, 1, n, `old-${n}`), offered(NEW, 2, n + 10));
    await Promise.all([
      project(NEW, connected(NEW, 2), renamed(NEW, OLD)),
      ...said.map((event) => project(event.uid, event)),
    ]);
    const now = await view(OLD);
    assert.deepEqual([now.uid, labelsOf(now).get("env"), await all()], [NEW, "old-20", [NEW]]);
    assert.deepEqual(
      now.attempts.map(({ n }) => n),
      [11],
    );
  });

  it("is not followed in circles", async () => {
    for (const [uid, to] of [
      [OLD, NEW],
      [NEW, OLD],
    ] as const) {
      await spec.redis.set(`muster:{${partitionOf(uid)}}:agent:${uid}`, `1 > ${to}\n`);
    }
    assert.equal(await spec.store.agents.get(OLD), undefined);
    const { before, after } = await project(OLD, connected(OLD, 1));
    assert.equal(before, after);
  });

  it("does not become its own predecessor", async () => {
    await project(OLD, connected(OLD, 1));
    await project(NEW, connected(NEW, 2), renamed(NEW, OLD));
    await project(OLD, renamed(OLD, NEW, 3));
    assert.deepEqual(await all(), [NEW]);
    assert.deepEqual((await view(OLD)).previousUids, [OLD]);
  });

  /** Projects as far as the new view, then the process dies. */
  async function saveOnly(events: readonly AgentEvent[]): Promise<void> {
    const { copy } = createBodies(spec.redis, new Uint8Array(32).fill(7));
    const dying = Object.create(spec.redis, {
      "muster-retire-agent": { value: async () => Promise.reject(new Error("killed")) },
    });
    await assert.rejects(
      projectAgent(createContext({ ...deps(), fleet: dying, copyBody: copy }), NEW, events),
      /killed/,
    );
  }
});
