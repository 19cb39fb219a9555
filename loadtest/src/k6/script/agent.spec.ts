import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { decodeAgentBody, ProtocolError } from "@muster/protocol";
import { type AgentToServer, RemoteConfigStatuses, ServerToAgentSchema } from "@muster/protocol/opamp";
import {
  type AgentState,
  changeConfig,
  changeHealth,
  createAgent,
  finishApplying,
  reportDisconnect,
  reportEverything,
  reportHeartbeat,
  reportOnConnect,
  type Step,
  takeOffer,
  takeUid,
} from "./agent.ts";
import { decodeReply, type Reply } from "./report.ts";

const NOW_MS = 1_800_000_000_000;
const anAgent = (): AgentState => createAgent(1, 0, [["load-test.run", "r1"]], NOW_MS);
const anOffer = (hash = 7) => ({ hash: Uint8Array.of(hash), files: [{ name: "base.yaml", body: Uint8Array.of(35) }] });

function said([, body]: Step): AgentToServer {
  const message = decodeAgentBody(body);
  assert.ok(!(message instanceof ProtocolError));
  return message;
}

function aReply(message: Parameters<typeof create<typeof ServerToAgentSchema>>[1]): Reply {
  const reply = decodeReply(toBinary(ServerToAgentSchema, create(ServerToAgentSchema, message)));
  assert.ok(!(reply instanceof ProtocolError));
  return reply;
}

describe("an agent of a load test", () => {
  it("has a UUIDv7 of its own, the same in every run", () => {
    const { identity, uidBytes } = anAgent();
    assert.match(identity.uid, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(uidBytes.length, 16);
    assert.deepEqual(anAgent().uidBytes, uidBytes);
    assert.notDeepEqual(createAgent(1, 1, [], NOW_MS).uidBytes, uidBytes);
    assert.notDeepEqual(createAgent(2, 0, [], NOW_MS).uidBytes, uidBytes);
  });

  it("tells everything with its first message, an effective config of about 3 KB among it", () => {
    const message = said(reportOnConnect(anAgent()));
    assert.equal(message.sequenceNum, 0n);
    const attributes = message.agentDescription?.nonIdentifyingAttributes ?? [];
    assert.ok(attributes.some(({ key, value }) => key === "load-test.run" && value?.value.value === "r1"));
    assert.equal(message.health?.healthy, true);
    assert.equal(message.remoteConfigStatus?.status, RemoteConfigStatuses.RemoteConfigStatuses_UNSET);
    const bytes = message.effectiveConfig?.configMap?.configMap[""]?.body.length ?? 0;
    assert.ok(bytes > 2_500 && bytes < 4_000, `${bytes}`);
  });

  it("counts its messages on, over reconnects too, and tells only what changed", () => {
    const [connected] = reportOnConnect(anAgent());
    const beat = reportHeartbeat(connected);
    assert.equal(said(beat).sequenceNum, 1n);
    assert.equal(said(beat).health, undefined);
    const again = reportOnConnect(beat[0]);
    assert.equal(said(again).sequenceNum, 2n);
    assert.equal(said(again).agentDescription, undefined);
    const full = reportEverything(again[0]);
    assert.equal(said(full).sequenceNum, 3n);
    assert.ok(said(full).agentDescription);
    assert.ok(said(reportDisconnect(full[0])).agentDisconnect);
  });

  it("turns its health, and its config by itself", () => {
    const ill = changeHealth(anAgent(), NOW_MS + 1);
    assert.equal(said(ill).health?.healthy, false);
    assert.equal(said(changeHealth(ill[0], NOW_MS + 2)).health?.healthy, true);
    const changed = said(changeConfig(anAgent())).effectiveConfig;
    assert.notDeepEqual(changed, said(reportOnConnect(anAgent())).effectiveConfig);
  });

  it("says APPLYING and then APPLIED with the hash and the new effective config", () => {
    const applying = takeOffer(anAgent(), anOffer());
    assert.equal(said(applying).remoteConfigStatus?.status, RemoteConfigStatuses.RemoteConfigStatuses_APPLYING);
    const applied = finishApplying(applying[0]);
    assert.ok(applied);
    const { remoteConfigStatus, effectiveConfig } = said(applied);
    assert.equal(remoteConfigStatus?.status, RemoteConfigStatuses.RemoteConfigStatuses_APPLIED);
    assert.deepEqual([...(remoteConfigStatus?.lastRemoteConfigHash ?? [])], [7]);
    assert.ok(effectiveConfig?.configMap?.configMap["base.yaml"]);
    assert.equal(finishApplying(applied[0]), undefined);
  });

  it("answers the same offer again without applying it again, and a newer one instead of the older", () => {
    const [applying] = takeOffer(anAgent(), anOffer());
    const [applied] = finishApplying(applying) ?? [applying];
    const again = takeOffer(applied, anOffer());
    assert.equal(said(again).remoteConfigStatus?.status, RemoteConfigStatuses.RemoteConfigStatuses_APPLIED);
    assert.equal(again[0].applying, undefined);
    const newer = finishApplying(takeOffer(applying, anOffer(8))[0]);
    assert.ok(newer);
    assert.deepEqual([...(said(newer).remoteConfigStatus?.lastRemoteConfigHash ?? [])], [8]);
  });

  it("goes by the uid that it is given", () => {
    const newInstanceUid = Uint8Array.from({ length: 16 }, (_, index) => index);
    const renamed = takeUid(anAgent(), aReply({ agentIdentification: { newInstanceUid } }));
    assert.deepEqual([...said(reportHeartbeat(renamed)).instanceUid], [...newInstanceUid]);
    const bad = takeUid(anAgent(), aReply({ agentIdentification: { newInstanceUid: Uint8Array.of(1) } }));
    assert.deepEqual(bad.uidBytes, anAgent().uidBytes);
  });
});

describe("an answer", () => {
  it("tells a request for everything, an offer and an error", () => {
    assert.equal(aReply({ flags: 1n }).asksFullState, true);
    assert.equal(aReply({ flags: 2n }).asksFullState, false);
    const config = { configMap: { "a.yaml": { body: Uint8Array.of(1) } } };
    const { offer } = aReply({ remoteConfig: { configHash: Uint8Array.of(9), config } });
    assert.deepEqual([...(offer?.hash ?? [])], [9]);
    assert.equal(offer?.files[0]?.name, "a.yaml");
    assert.equal(aReply({ errorResponse: { errorMessage: "no" } }).error, "no");
    assert.equal(aReply({}).error, undefined);
  });

  it("is an error when nobody can read it", () => {
    assert.ok(decodeReply(Uint8Array.of(0x0a, 0xff)) instanceof ProtocolError);
  });
});
