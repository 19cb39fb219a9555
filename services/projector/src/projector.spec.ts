// A projector over a real Redis: what it does beside folding events, as its process runs it.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type AgentEvent,
  encodeEffective,
  hashFiles,
  type InstanceUid,
  NO_METADATA,
  parseConfigId,
  parseGatewayId,
} from "@muster/fleet";
import { aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import { openStore, type Store } from "@muster/store";
import { createLogger, createMetrics } from "@muster/telemetry";
import { type RedisServer, startRedis, until } from "@muster/testkit";
import { createProjector } from "./projector.ts";
import { REST_MS } from "./sweep.ts";

const DAY_MS = 86_400_000;

describe("a projector", () => {
  let redis: RedisServer;
  let store: Store;
  const stop = new AbortController();
  const logged: string[] = [];
  let watching: Promise<void>;
  let nowMs = 100 * DAY_MS;
  before(async () => {
    redis = await startRedis();
    const encryptionKey = new Uint8Array(32).fill(7);
    const options = { redisUrl: redis.url, controlUrl: redis.url, partitions: 4, encryptionKey };
    store = await openStore({ ...options, onError: () => undefined });
    const projector = createProjector({
      store,
      queue: { requestReconcile: async () => undefined, requestAssign: async () => undefined },
      clock: {
        nowMs: () => nowMs,
        async delay() {
          nowMs += REST_MS; // every pass is due
          await new Promise((resolve) => setImmediate(resolve));
        },
      },
      log: createLogger({ service: "spec", level: "info", write: (line) => logged.push(line) }),
      metrics: createMetrics("spec"),
      retentionMs: 7 * DAY_MS,
      onError: (error) => assert.fail(String(error)),
    });
    watching = projector.watch(stop.signal);
  });
  after(async () => {
    stop.abort();
    await watching;
    store.close();
    await redis.stop();
  });

  const left = (uid: InstanceUid, atMs: number): AgentEvent => {
    return { kind: "agent.disconnected", uid, epoch: 1, n: 1, atMs, reason: "closed" };
  };

  it("forgets agents that do not come back, but none that operators labelled", async () => {
    const [gone, marked] = [aUid(1), aUid(2)];
    const said = { generation: 1, labels: [["keep", "true"]] as const, annotations: [] };
    await store.metadata.put([{ uid: marked, before: NO_METADATA, after: said }]);
    for (const uid of [marked, gone]) await store.agents.project(uid, [left(uid, 90 * DAY_MS)]);
    await until(async () => (await store.agents.get(gone)) === undefined, { what: "the agent to be forgotten" });
    assert.ok((await store.agents.get(marked)) !== undefined);
    assert.ok(logged.some((line) => line.includes("agents.forgotten")));
  });

  it("finds what operators said of an agent and nobody told it of", async () => {
    const uid = aUid(4);
    await store.agents.project(uid, [left(uid, nowMs)]);
    const said = { generation: 1, labels: [["ring", "one"]] as const, annotations: [] };
    await store.metadata.put([{ uid, before: NO_METADATA, after: said }]); // and whoever said it died
    const isShown = async () => (await store.agents.get(uid))?.view.metadata?.labels[0]?.[1] === "one";
    await until(isShown, { what: "the label to be seen" });
  });

  it("tells drift of agents whose desired config was not known when they spoke", async () => {
    const uid = aUid(3);
    const files = [{ name: "a.yaml", contentType: "text/yaml", body: Buffer.from("a: 1") }];
    const [hash, body, configId] = [hashFiles(files), encodeEffective(files), parseConfigId("base")];
    await store.bodies.put(store.sessions.partitionOf(uid), store.bodies.addressOf(body), body);
    const fact = { uid, epoch: 1, atMs: nowMs };
    await store.agents.project(uid, [
      { ...fact, n: 1, kind: "agent.connected", gateway: parseGatewayId("gw"), transport: "http", remoteAddress: "" },
      { ...fact, n: 2, kind: "agent.capabilities-changed", capabilities: ["ReportsRemoteConfig"] },
      {
        ...fact,
        n: 3,
        kind: "agent.effective-config-reported",
        body: store.bodies.addressOf(body),
        sizeBytes: body.length,
      },
      { ...fact, n: 4, kind: "agent.config-acknowledged", hash, state: "applied", error: "" },
    ]);
    assert.equal((await store.agents.get(uid))?.view.drift, null);
    await store.configs.create(
      { id: configId, description: "", selector: "", order: 1, isFragment: false, createdAtMs: 0, updatedAtMs: 0 },
      "",
    );
    await store.configs.publish(
      { configId, hash, files, message: "", author: "", variables: [], secrets: [], createdAtMs: 0 },
      "",
    );
    const contributions = [{ configId, revision: 1, hash, order: 1, rolloutId: ROLLOUT_ID }];
    await store.desired.assign([{ uid, desired: { hash, contributions } }], 1, 1);
    await until(async () => (await store.agents.get(uid))?.view.drift?.isDrifted === false, { what: "the verdict" });
  });
});
