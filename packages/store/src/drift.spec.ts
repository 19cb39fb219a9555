// The fact `config.drift`, from what agents report to what selectors see.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AckState,
  type AgentEvent,
  encodeEffective,
  hashFiles,
  parseConfigId,
  parseSelector,
} from "@muster/fleet";
import { aHash, aUid, ROLLOUT_ID } from "@muster/fleet/builders";
import { useStore } from "./spec-store.ts";

const file = (text: string) => ({ name: "a.yaml", contentType: "text/yaml", body: Buffer.from(text) });
const FILES = [file("exporters: {otlp: {endpoint: a}}")];
const HASH = hashFiles(FILES);
const configId = parseConfigId("base");

describe("the fact config.drift", () => {
  const spec = useStore();
  const uid = aUid();
  let n = 0;
  const project = (...events: readonly AgentEvent[]) => spec.store.agents.project(uid, events);
  const at = () => ({ uid, epoch: 1, n: ++n, atMs: n });
  const acknowledged = (state: AckState, hash = HASH): AgentEvent => ({
    kind: "agent.config-acknowledged",
    ...at(),
    hash,
    state,
    error: "",
  });
  const capabilities = (...names: readonly string[]): AgentEvent => ({
    kind: "agent.capabilities-changed",
    ...at(),
    capabilities: names,
  });

  async function wish(): Promise<void> {
    const head = {
      id: configId,
      description: "",
      selector: "",
      order: 1,
      isFragment: false,
      createdAtMs: 0,
      updatedAtMs: 0,
    };
    await spec.store.configs.create(head, "");
    await spec.store.configs.publish(
      { configId, hash: HASH, files: FILES, message: "", author: "", variables: [], secrets: [], createdAtMs: 0 },
      "",
    );
    const contributions = [{ configId, revision: 1, hash: HASH, order: 1, rolloutId: ROLLOUT_ID }];
    await spec.store.desired.assign([{ uid, desired: { hash: HASH, contributions } }], 1, 1);
  }
  async function shows(text: string): Promise<AgentEvent> {
    const { bodies, sessions } = spec.store;
    const body = encodeEffective([file(text)]);
    await bodies.put(sessions.partitionOf(uid), bodies.addressOf(body), body);
    return { kind: "agent.effective-config-reported", ...at(), body: bodies.addressOf(body), sizeBytes: body.length };
  }
  async function drift(): Promise<boolean | null> {
    const found = (await spec.store.agents.get(uid))?.view.drift ?? null;
    const { tally } = spec.store.agents;
    const count = (text: string) => tally.count(parseSelector(text), new AbortController().signal);
    const counts = await Promise.all(["config.drift=true", "config.drift=false"].map(count));
    assert.deepEqual(counts, [Number(found?.isDrifted === true), Number(found?.isDrifted === false)]);
    return found === null ? null : found.isDrifted;
  }
  const GOOD = "exporters: {otlp: {endpoint: a, compression: gzip}}";

  it("follows what an agent says it applied, and what it shows", async () => {
    await wish();
    await project(capabilities("ReportsRemoteConfig", "ReportsEffectiveConfig"), await shows("a: 1"));
    assert.equal(await drift(), null, "it said nothing yet");
    await project(acknowledged("applied"));
    assert.equal(await drift(), true);
    await project(await shows(GOOD));
    assert.equal(await drift(), false);
    await project(await shows("exporters: {otlp: {endpoint: b}}"));
    assert.equal(await drift(), true);
    await project(acknowledged("applying", aHash("9")));
    assert.equal(await drift(), null, "it is at work on another");
  });

  it("is told of agents that tell no status", async () => {
    await wish();
    await project(capabilities("ReportsEffectiveConfig"), await shows(GOOD));
    assert.equal(await drift(), false);
    await project(await shows("{}"));
    assert.equal(await drift(), true);
  });

  it("is absent where nothing should be run, and told once something should", async () => {
    await project(capabilities("ReportsRemoteConfig"), await shows(GOOD), acknowledged("applied"));
    assert.equal(await drift(), null);
    await wish();
    await project({ kind: "agent.metadata-changed", uid, epoch: 0, n: 0, atMs: 1 });
    assert.equal(await drift(), false);
  });

  it("is absent where the body is gone or no YAML, and of one that is very large", async () => {
    await wish();
    await project(capabilities("ReportsEffectiveConfig"), await shows("[INPUT]\n  Name cpu"));
    assert.equal(await drift(), null);
    await project({ kind: "agent.effective-config-reported", ...at(), body: "gone", sizeBytes: 1 });
    assert.equal(await drift(), null);
    await project({ ...(await shows(GOOD)), sizeBytes: 600_000 } as AgentEvent);
    assert.equal(await drift(), null);
  });

  it("is told when the agent connects, where nobody could tell before", async () => {
    await project(capabilities("ReportsRemoteConfig"), await shows(GOOD), acknowledged("applied"));
    await wish();
    await project({ kind: "agent.disconnected", ...at(), reason: "closed" });
    assert.equal(await drift(), false);
  });

  it("reads a body once for all who show and should run the same", async () => {
    await wish();
    const event = await shows(GOOD);
    await project(capabilities("ReportsEffectiveConfig"), event);
    const found = await spec.store.agents.get(uid);
    assert.ok(found !== undefined);
    for (const key of await spec.keys("muster:*:body:*")) await spec.redis.del(key);
    const [desired = null] = await spec.store.desired.load([uid]);
    assert.deepEqual(await spec.store.comparison.drift(found.view, desired), { hash: HASH, isDrifted: false });
  });
});
