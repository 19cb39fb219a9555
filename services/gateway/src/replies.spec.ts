import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import type { ConfigFile } from "@muster/fleet";
import { aHash, aUid } from "@muster/fleet/builders";
import { decodeServerBody, decodeServerFrame, ProtocolError, parseUid, serverCapabilityMask } from "@muster/protocol";
import {
  ConnectionSettingsOffersSchema,
  PackagesAvailableSchema,
  ServerErrorResponseType,
  type ServerToAgent,
  ServerToAgentFlags,
} from "@muster/protocol/opamp";
import { NOTHING_TO_SAY } from "./outgoing.ts";
import { createReplies, type EncodedOffer, encodeError, encodeOffer, type Sayable } from "./replies.ts";

const parsed = parseUid(aUid());
assert.ok(!(parsed instanceof ProtocolError));
const uid: Uint8Array = parsed;
const replies = createReplies({ signsCertificates: false, customCapabilities: [] });
const SERVED = serverCapabilityMask([
  "AcceptsStatus",
  "OffersRemoteConfig",
  "AcceptsEffectiveConfig",
  "OffersPackages",
  "AcceptsPackagesStatus",
  "OffersConnectionSettings",
]);
const NOTHING: Sayable = { ...NOTHING_TO_SAY, config: null, identify: null };
const encodeReply = (to: Uint8Array, fullState: boolean, config: EncodedOffer | null): Uint8Array =>
  replies.encode(to, { ...NOTHING, fullState, config });
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
    assert.equal(message.capabilities, SERVED);
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
    const message = decodeServerFrame(replies.heartbeatFrame(Buffer.concat([Buffer.alloc(5), uid]), 5));
    assert.ok(!(message instanceof ProtocolError));
    assert.deepEqual(Buffer.from(message.instanceUid), Buffer.from(uid));
    assert.equal(message.capabilities, SERVED);
  });
});

describe("what else a reply carries", () => {
  const say = (what: Partial<Sayable>): ServerToAgent => decode(replies.encode(uid, { ...NOTHING, ...what }));

  it("a command alone, whatever else there is to say (R128)", () => {
    const message = say({ command: true, fullState: true, identify: aUid(9), config: encodeOffer(aHash(), files) });
    assert.deepEqual(fieldsOf(message), ["capabilities", "command", "instanceUid"]);
  });

  it("both flags at once", () => {
    assert.equal(say({ fullState: true, inventory: true }).flags, 3n);
    assert.equal(say({ inventory: true }).flags, 2n);
  });

  it("another uid (R28)", () => {
    const told = say({ identify: aUid(9) }).agentIdentification?.newInstanceUid ?? assert.fail();
    assert.deepEqual(Buffer.from(told), Buffer.from(parseUid(aUid(9)) as Uint8Array));
  });

  it("connection settings and packages as they were encoded, and a certificate before any settings", () => {
    const encoded = (endpoint: string) =>
      toBinary(
        ConnectionSettingsOffersSchema,
        create(ConnectionSettingsOffersSchema, { opamp: { destinationEndpoint: endpoint } }),
      );
    const connection = { hash: "aa", body: encoded("ws://a/v1/opamp") };
    assert.equal(say({ connection }).connectionSettings?.opamp?.destinationEndpoint, "ws://a/v1/opamp");
    const certificate = { hash: "bb", body: encoded("ws://b/v1/opamp") };
    assert.equal(say({ connection, certificate }).connectionSettings?.opamp?.destinationEndpoint, "ws://b/v1/opamp");
    const body = toBinary(
      PackagesAvailableSchema,
      create(PackagesAvailableSchema, { packages: { "": { version: "1" } }, allPackagesHash: new Uint8Array([1]) }),
    );
    assert.equal(say({ packages: { hash: "01", body } }).packagesAvailable?.packages[""]?.version, "1");
  });

  it("a custom message, and our custom capabilities when an agent is greeted (R130)", () => {
    const message = { capability: "io.example.x", type: "t", data: Buffer.from("data") };
    assert.equal(say({ message }).customMessage?.type, "t");
    assert.equal(say({ greet: true }).customCapabilities, undefined, "none are none");
    const named = createReplies({ signsCertificates: true, customCapabilities: ["io.example.x"] });
    const greeted = decode(named.encode(uid, { ...NOTHING, greet: true }));
    assert.deepEqual(greeted.customCapabilities?.capabilities, ["io.example.x"]);
    assert.equal(greeted.capabilities, SERVED | serverCapabilityMask(["AcceptsConnectionSettingsRequest"]));
    assert.equal(decode(named.encode(uid, NOTHING)).customCapabilities, undefined);
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
