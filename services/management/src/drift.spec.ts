import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type AgentEvent, encodeEffective, hashFiles, parseConfigId } from "@muster/fleet";
import { aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import { DifferenceKind, DriftState } from "@muster/protocol/muster/agents";
import { type SpecApi, startApi, storeAgent } from "./spec-api.ts";

const file = (text: string) => ({ name: "a.yaml", contentType: "text/yaml", body: Buffer.from(text) });
const KEYS = Array.from({ length: 120 }, (_, i) => `k${i}`);
const FILES = [file(`exporters: {otlp: {${KEYS.map((key) => `${key}: 1`).join(", ")}}}`)];
const hash = hashFiles(FILES);

describe("drift, by the API", () => {
  let api: SpecApi;
  before(async () => {
    api = await startApi();
    const configId = parseConfigId("base");
    const head = {
      id: configId,
      description: "",
      selector: "",
      order: 1,
      isFragment: false,
      createdAtMs: 0,
      updatedAtMs: 0,
    };
    await api.store.configs.create(head, "");
    await api.store.configs.publish(
      { configId, hash, files: FILES, message: "", author: "", variables: [], secrets: [], createdAtMs: 0 },
      "",
    );
    const contributions = [{ configId, revision: 1, hash, order: 1, rolloutId: ROLLOUT_ID }];
    const uids = [aUid(1), aUid(2)];
    await api.store.desired.assign(
      uids.map((uid) => ({ uid, desired: { hash, contributions } })),
      1,
      1,
    );
    await api.secrets.createSecret({ secretId: "token", value: `t0ken-${"x".repeat(60)}` });
    await show(1, `exporters: {otlp: {}, debug: {}}`);
    await show(2, FILES[0]?.body.toString() ?? "");
    await storeAgent(api.store, 3);
  });
  after(() => api.stop());

  /** An agent that went away. */
  async function gone(n: number) {
    await storeAgent(api.store, n, { connected: false, epoch: 9 });
    return await api.store.agents.load([aUid(n)]);
  }
  async function show(n: number, text: string): Promise<void> {
    const uid = await storeAgent(api.store, n, { capabilities: ["ReportsRemoteConfig", "ReportsEffectiveConfig"] });
    const { bodies, sessions, agents } = api.store;
    const body = encodeEffective([file(text)]);
    await bodies.put(sessions.partitionOf(uid), bodies.addressOf(body), body);
    const fact = { uid, epoch: 2, atMs: 1 };
    const events: readonly AgentEvent[] = [
      { ...fact, n: 1, kind: "agent.effective-config-reported", body: bodies.addressOf(body), sizeBytes: body.length },
      { ...fact, n: 2, kind: "agent.config-acknowledged", hash, state: "applied", error: "" },
    ];
    await agents.project(uid, events);
  }

  it("is told with the first differences, drift before what is extra", async () => {
    const { agent } = await api.agents.getAgent({ instanceUid: aUid(1) });
    const { configDrift: drift } = agent ?? assert.fail();
    assert.deepEqual([drift?.state, drift?.hash, drift?.differenceCount], [DriftState.DRIFTED, hash, 121n]);
    assert.equal(drift?.differences.length, 100);
    const [first] = drift?.differences ?? [];
    assert.deepEqual([first?.path, first?.kind, first?.offered], ["exporters.otlp.k0", DifferenceKind.MISSING, "1"]);
    assert.ok(!drift?.differences.some(({ kind }) => kind === DifferenceKind.EXTRA));
  });

  it("is none where the agent shows it all, and absent where nobody can tell", async () => {
    const [, second, third] = (await api.agents.listAgents({})).agents;
    assert.deepEqual([second?.configDrift?.state, third?.configDrift], [DriftState.IN_SYNC, undefined]);
    const { agent } = await api.agents.getAgent({ instanceUid: aUid(2) });
    assert.deepEqual(agent?.configDrift?.differences, []);
  });

  it("shows no secret, nor the beginning of one", async () => {
    const long = `${"a".repeat(170)}t0ken-${"x".repeat(60)}`;
    await show(4, `exporters: {otlp: {k0: 't0ken-${"x".repeat(60)}', k1: '${long}'}}`);
    const contributions = [{ configId: parseConfigId("base"), revision: 1, hash, order: 1, rolloutId: ROLLOUT_ID }];
    await api.store.desired.assign([{ uid: aUid(4), desired: { hash, contributions } }], 1, 1);
    const { agent } = await api.agents.getAgent({ instanceUid: aUid(4) });
    const told = agent?.configDrift?.differences ?? [];
    assert.deepEqual(
      told.flatMap(({ kind, effective }) => (kind === DifferenceKind.DIFFERENT ? [effective] : [])),
      ["${secret:token}", `${"a".repeat(170)}\${secret:token}…`],
    );
    await api.store.agents.forget(await gone(4));
  });

  it("is a fact that selectors and summaries know", async () => {
    const { agents } = await api.agents.listAgents({ selector: "config.drift=true" });
    assert.deepEqual(
      agents.map(({ instanceUid, configDrift }) => [instanceUid, configDrift?.differences.length]),
      [[aUid(1), 0]],
    );
    const { groups, withoutCount } = await api.agents.summarizeAgents({ groupBy: "config.drift" });
    assert.deepEqual(
      [groups.map(({ value, count }) => [value, count]), withoutCount],
      [
        [
          ["false", 1n],
          ["true", 1n],
        ],
        1n,
      ],
    );
  });
});
