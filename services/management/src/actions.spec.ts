import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code } from "@connectrpc/connect";
import type { InstanceUid } from "@muster/fleet";
import { parseGatewayId } from "@muster/fleet";
import { aUid } from "@muster/fleet/builders";
import { ActionKind } from "@muster/protocol/muster/agents";
import { ErrorInfoSchema } from "@muster/protocol/rpc/error_details";
import { type Hint, MAX_ACTION_BYTES } from "@muster/store";
import { until } from "@muster/testkit";
import { failureOf, type SpecApi, type StoredTraits, startApi, storeAgent } from "./spec-api.ts";

const gateway = parseGatewayId("gw");
const CAPABILITY = "io.example.diagnostics";

describe("actions", () => {
  let api: SpecApi;
  let hints: readonly Hint[];
  let count = 0;
  before(async () => {
    api = await startApi();
    hints = api.readHints(gateway);
  });
  after(() => api.stop());

  /** An agent with a session at the gateway, unless it left. */
  async function anAgent(traits: StoredTraits = {}): Promise<InstanceUid> {
    const uid = await storeAgent(api.store, ++count, { capabilities: ["AcceptsRestartCommand"], ...traits });
    if (traits.connected !== false) await api.store.sessions.open(uid, gateway, 0, null);
    return uid;
  }
  const restart = (instanceUid: string) => api.agents.restartAgent({ instanceUid });
  const refresh = (instanceUid: string) => api.agents.refreshAgent({ instanceUid });
  const send = (instanceUid: string, capability = CAPABILITY, data = new Uint8Array()) =>
    api.agents.sendCustomMessage({ instanceUid, capability, type: "t", data });

  it("are left for the gateway that has the agent, which is told to look", async () => {
    const uid = await anAgent();
    const { action } = await restart(uid);
    assert.deepEqual([action?.kind, action?.sendTime], [ActionKind.RESTART, undefined]);
    await until(() => hints.some((hint) => hint.kind === "actions" && hint.uid === uid));
    const queued = await api.store.actions.take(uid);
    assert.deepEqual([queued?.actionId, queued?.kind, queued?.message], [action?.actionId, "restart", null]);
    assert.ok((queued?.expiresAtMs ?? 0) > Date.now());
  });

  it("are left once per call: nothing makes two calls one", async () => {
    const uid = await anAgent();
    const answers = [await refresh(uid), await refresh(uid)];
    const ids = answers.map(({ action }) => action?.actionId);
    assert.notEqual(ids[0], ids[1]);
    const taken = [await api.store.actions.take(uid), await api.store.actions.take(uid)];
    assert.deepEqual(
      taken.map((action) => action?.actionId),
      ids,
    );
  });

  it("are left for nobody when they are only checked", async () => {
    const uid = await anAgent();
    await api.agents.restartAgent({ instanceUid: uid, validateOnly: true });
    assert.equal(await api.store.actions.take(uid), undefined);
    const lacking = await anAgent({ capabilities: [] });
    const error = await failureOf(api.agents.restartAgent({ instanceUid: lacking, validateOnly: true }));
    assert.equal(error.code, Code.FailedPrecondition);
  });

  it("carry a custom message as it is", async () => {
    const uid = await anAgent({ customCapabilities: [CAPABILITY] });
    const data = Uint8Array.from([0, 1, 255]);
    const { action } = await send(uid, CAPABILITY, data);
    assert.equal(action?.kind, ActionKind.CUSTOM_MESSAGE);
    const queued = await api.store.actions.take(uid);
    assert.deepEqual([queued?.message?.capability, queued?.message?.type], [CAPABILITY, "t"]);
    assert.deepEqual([...(queued?.message?.data ?? [])], [...data]);
  });

  it("find an agent by a uid that it had before", async () => {
    const uid = await anAgent();
    const former = aUid(9_001);
    await api.store.agents.project(uid, [{ kind: "agent.renamed", uid, from: former, epoch: 1, n: 50, atMs: 0 }]);
    await refresh(former);
    assert.equal((await api.store.actions.take(uid))?.kind, "refresh");
  });

  const refusals: readonly {
    readonly name: string;
    readonly traits: StoredTraits;
    readonly call: (uid: string) => Promise<unknown>;
    readonly reason: string;
    readonly sentence: RegExp;
  }[] = [
    {
      name: "a restart to an agent that left",
      traits: { connected: false },
      call: restart,
      reason: "AGENT_NOT_CONNECTED",
      sentence: /ask again when it is back/,
    },
    {
      name: "a refresh to an agent that left",
      traits: { connected: false },
      call: refresh,
      reason: "AGENT_NOT_CONNECTED",
      sentence: /not connected/,
    },
    {
      name: "a restart to an agent that cannot",
      traits: { capabilities: ["ReportsStatus"] },
      call: restart,
      reason: "AGENT_LACKS_CAPABILITY",
      sentence: /AcceptsRestartCommand.*restart it where it runs/,
    },
    {
      name: "a message to an agent that takes none",
      traits: {},
      call: (uid) => send(uid),
      reason: "AGENT_LACKS_CAPABILITY",
      sentence: /it lists none/,
    },
    {
      name: "a message to an agent that takes others",
      traits: { customCapabilities: ["io.example.other"] },
      call: (uid) => send(uid),
      reason: "AGENT_LACKS_CAPABILITY",
      sentence: /use one of io\.example\.other/,
    },
  ];
  for (const { name, traits, call, reason, sentence } of refusals) {
    it(`refuse ${name}`, async () => {
      const uid = await anAgent(traits);
      const error = await failureOf(call(uid));
      assert.equal(error.code, Code.FailedPrecondition);
      assert.match(error.rawMessage, sentence);
      const [info] = error.findDetails(ErrorInfoSchema);
      assert.deepEqual([info?.reason, info?.metadata["instance_uid"]], [reason, uid]);
      assert.equal(await api.store.actions.take(uid), undefined);
    });
  }

  it("refuse an agent whose record says connected but whose session is gone", async () => {
    const uid = await storeAgent(api.store, ++count, { capabilities: ["AcceptsRestartCommand"] });
    const error = await failureOf(restart(uid));
    assert.deepEqual(
      [error.code, error.findDetails(ErrorInfoSchema)[0]?.reason],
      [Code.FailedPrecondition, "AGENT_NOT_CONNECTED"],
    );
  });

  it("are refused when too many wait", async () => {
    const uid = await anAgent();
    for (let i = 0; i < 16; i++) await refresh(uid);
    const error = await failureOf(refresh(uid));
    assert.deepEqual(
      [error.code, error.findDetails(ErrorInfoSchema)[0]?.reason],
      [Code.ResourceExhausted, "ACTIONS_FULL"],
    );
  });

  it("name the agent that nobody knows", async () => {
    for (const call of [restart, refresh, send]) {
      const error = await failureOf(call(aUid(9_999)));
      assert.equal(error.code, Code.NotFound);
      assert.match(error.rawMessage, new RegExp(aUid(9_999)));
    }
  });

  it("list everything that is wrong with a message", async () => {
    const error = await failureOf(send("x", "", new Uint8Array(MAX_ACTION_BYTES + 1)));
    assert.equal(error.code, Code.InvalidArgument);
    for (const part of [/instance_uid/, /capability: name one/, /data: 1048577 bytes/])
      assert.match(error.rawMessage, part);
    const uid = await anAgent({ customCapabilities: [CAPABILITY] });
    await send(uid, CAPABILITY, new Uint8Array(MAX_ACTION_BYTES));
    assert.equal((await api.store.actions.take(uid))?.message?.data.byteLength, MAX_ACTION_BYTES);
  });
});
