// Agents that are forgotten, with all that is kept of them, and what becomes of those that report again.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type AgentEvent, type InstanceUid, NO_METADATA, parseGatewayId, parseSelector } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { useStore } from "./spec-store.ts";

const gateway = parseGatewayId("gw");

describe("forgetting", () => {
  const spec = useStore();
  let n = 0;
  const at = (uid: InstanceUid) => ({ uid, epoch: 5, n: ++n, atMs: n });
  const connected = (uid: InstanceUid): AgentEvent => {
    return { kind: "agent.connected", ...at(uid), gateway, transport: "http", remoteAddress: "" };
  };
  const left = (uid: InstanceUid): AgentEvent => ({ kind: "agent.disconnected", ...at(uid), reason: "closed" });
  const described = (uid: InstanceUid): AgentEvent => {
    return { kind: "agent.described", ...at(uid), identifying: [], nonIdentifying: [["env", "prod"]] };
  };
  const project = (uid: InstanceUid, ...events: readonly AgentEvent[]) => spec.store.agents.project(uid, events);
  const forget = async (uid: InstanceUid) =>
    spec.store.agents.forget([(await spec.store.agents.get(uid)) ?? assert.fail()]);
  const count = (text: string) => spec.store.agents.tally.count(parseSelector(text), new AbortController().signal);

  it("leaves nothing of an agent, under no uid, neither its labels nor what it is offered", async () => {
    const [old, uid] = [aUid(1), aUid(2)];
    await project(old, connected(old), described(old), left(old));
    await project(uid, { kind: "agent.renamed", ...at(uid), from: old });
    const said = { generation: 1, labels: [["canary", "true"]] as const, annotations: [] };
    await spec.store.metadata.put([{ uid, before: NO_METADATA, after: said }]);
    await spec.store.settings.change(uid, "packages", () => ({ hash: "aa", body: Buffer.from("x"), setAtMs: 1 }));
    assert.deepEqual(await forget(uid), ["forgotten"]);
    const keys = (await spec.keys("muster:*")).filter((key) => !/rows|changes|install/.test(key));
    assert.deepEqual(keys, []);
    assert.deepEqual(
      [await spec.store.agents.get(old), await spec.store.agents.get(uid), await count("")],
      [undefined, undefined, 0],
    );
  });

  it("makes an agent that reports again a new one, which may get the row of another", async () => {
    const uids = Array.from({ length: 20 }, (_, i) => aUid(i + 1));
    for (const uid of uids) await project(uid, connected(uid), described(uid), left(uid));
    for (const uid of uids.slice(0, 10)) await forget(uid);
    assert.deepEqual([await count(""), await count("env=prod"), await count("connected=false")], [10, 10, 10]);
    await Promise.all([...uids.slice(5, 10), aUid(50)].map((uid) => project(uid, connected(uid))));
    assert.deepEqual([await count(""), await count("env=prod"), await count("connected=true")], [16, 10, 6]);
    const { view, version } = (await spec.store.agents.get(aUid(6))) ?? assert.fail();
    assert.deepEqual([version, view.description], [1, null]);
    assert.equal((await spec.store.agents.page("", 100)).length, 16);
  });

  it("leaves one that is there, or came back meanwhile", async () => {
    const uid = aUid();
    await project(uid, connected(uid));
    assert.deepEqual(await forget(uid), ["back"]);
    await project(uid, left(uid));
    const found = (await spec.store.agents.get(uid)) ?? assert.fail();
    await project(uid, described(uid));
    assert.deepEqual(await spec.store.agents.forget([found]), ["back"], "something else was heard of it");
    await spec.store.sessions.open(uid, gateway, 6, null);
    assert.deepEqual(await forget(uid), ["back"], "a session was opened that no event told of yet");
    assert.equal(await count(""), 1);
  });
});
