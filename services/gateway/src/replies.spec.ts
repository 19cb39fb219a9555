import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConfigFile } from "@muster/fleet";
import { aHash, aUid } from "@muster/fleet/builders";
import { decodeServerBody, decodeServerFrame, ProtocolError, parseUid, serverCapabilityMask } from "@muster/protocol";
import { ServerErrorResponseType, type ServerToAgent, ServerToAgentFlags } from "@muster/protocol/opamp";
import { encodeError, encodeOffer, encodeReply, heartbeatFrame, SERVER_CAPABILITIES_OFFERED } from "./replies.ts";

const parsed = parseUid(aUid());
assert.ok(!(parsed instanceof ProtocolError));
const uid: Uint8Array = parsed;
const files: readonly ConfigFile[] = [
  { name: "100-base-main.yaml", contentType: "text/yaml", body: Buffer.from("a: 1") },
  { name: "__proto__", contentType: "", body: Buffer.from([0, 255]) },
  { name: "empty", contentType: "text/yaml", body: Buffer.alloc(0) },
];

function decode(body: Uint8Array): ServerToAgent {
  const message = decodeServerBody(body);
  assert.ok(!(message instanceof ProtocolError), String(message));
  return message;
}

/** The fields that are set, by name. */
const fieldsOf = (message: ServerToAgent): readonly string[] =>
  Object.entries(message)
    .filter(([name, value]) => !name.startsWith("$") && value !== undefined && value !== 0n)
    .map(([name]) => name)
    .sort();

describe("replies", () => {
  it("say who is meant and what the server does, and nothing else when nothing is asked", () => {
    const message = decode(encodeReply(uid, false, null));
    assert.deepEqual(fieldsOf(message), ["capabilities", "instanceUid"]);
    assert.deepEqual(Buffer.from(message.instanceUid), Buffer.from(uid));
    assert.equal(message.capabilities, SERVER_CAPABILITIES_OFFERED);
    const served = serverCapabilityMask(["AcceptsStatus", "OffersRemoteConfig", "AcceptsEffectiveConfig"]);
    assert.equal(message.capabilities, served);
  });

  it("ask for full state", () => {
    const message = decode(encodeReply(uid, true, null));
    assert.deepEqual(fieldsOf(message), ["capabilities", "flags", "instanceUid"]);
    assert.equal(message.flags, BigInt(ServerToAgentFlags.ServerToAgentFlags_ReportFullState));
  });

  for (const fullState of [false, true]) {
    it(`carry an offer, ${fullState ? "with" : "without"} a request for full state`, () => {
      const message = decode(encodeReply(uid, fullState, encodeOffer(aHash("b"), files.slice(0, 1))));
      assert.equal(message.flags !== 0n, fullState);
      const { config, configHash } = message.remoteConfig ?? assert.fail();
      assert.equal(Buffer.from(configHash).toString("hex"), aHash("b"));
      const [file, ...others] = Object.entries(config?.configMap ?? {});
      assert.deepEqual(others, []);
      assert.deepEqual([file?.[0], file?.[1].contentType], ["100-base-main.yaml", "text/yaml"]);
      assert.equal(Buffer.from(file?.[1].body ?? []).toString(), "a: 1");
    });
  }

  it("carry files with any name and body", () => {
    const bytes = Buffer.from(encodeReply(uid, false, encodeOffer(aHash(), files)));
    assert.ok(bytes.includes("__proto__") && bytes.includes("empty"));
    assert.ok(decode(bytes).remoteConfig?.config?.configMap["empty"] !== undefined);
  });

  it("are bytes of their own, that a later reply does not change", () => {
    const first = encodeReply(uid, false, null);
    const before = Buffer.from(first);
    encodeReply(uid.toReversed(), true, null);
    assert.deepEqual(Buffer.from(first), before);
  });

  it("answer a heartbeat where it lies, as a frame", () => {
    const message = decodeServerFrame(heartbeatFrame(Buffer.concat([Buffer.alloc(5), uid]), 5));
    assert.ok(!(message instanceof ProtocolError));
    assert.deepEqual(Buffer.from(message.instanceUid), Buffer.from(uid));
    assert.equal(message.capabilities, SERVER_CAPABILITIES_OFFERED);
  });
});

describe("encodeError", () => {
  it("stands alone beside the uid (R58)", () => {
    const message = decode(encodeError(uid, "bad_request", "no"));
    assert.deepEqual(fieldsOf(message), ["errorResponse", "instanceUid"]);
    const { type, errorMessage, Details } = message.errorResponse ?? assert.fail();
    assert.equal(type, ServerErrorResponseType.ServerErrorResponseType_BadRequest);
    assert.deepEqual([errorMessage, Details.case], ["no", undefined]);
  });

  it("says when to come again", () => {
    const { errorResponse } = decode(encodeError(uid, "unavailable", "later", 31_234.4));
    assert.equal(errorResponse?.type, ServerErrorResponseType.ServerErrorResponseType_Unavailable);
    assert.equal(errorResponse?.Details.value?.retryAfterNanoseconds, 31_234_000_000n);
  });

  it("answers one who did not say who it is", () => {
    assert.equal(decode(encodeError(new Uint8Array(), "bad_request", "who?")).instanceUid.byteLength, 0);
  });
});
