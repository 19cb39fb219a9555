// What lean agents say is what the codec would have said, and what servers say is read as the codec would read it.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { decodeAgentFrame, encodeAgentFrame, encodeServerFrame, ProtocolError } from "@muster/protocol";
import { AgentToServerSchema, RemoteConfigStatuses, ServerToAgentSchema } from "@muster/protocol/opamp";
import { clientFrame, heartbeatFrame, OPCODE } from "./frames.ts";
import { asksSomething, readFrames, readUpgrade } from "./reader.ts";
import { CAPABILITIES, changeReport, fullReport, uidOf } from "./report.ts";

/** The payload of a client's frame, as a server sees it. */
function unmask(frame: Uint8Array): Uint8Array {
  const short = (frame[1] ?? 0) & 0x7f;
  const start = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0);
  const key = frame.subarray(start, start + 4);
  return frame.subarray(start + 4).map((byte, i) => byte ^ (key[i & 3] ?? 0));
}

/** A frame as a server sends it. */
function serverFrame(payload: Uint8Array, opcode: number = OPCODE.binary): Buffer {
  const { length } = payload;
  const head = length < 126 ? [length] : [126, length >> 8, length & 255];
  return Buffer.from([0x80 | opcode, ...head, ...payload]);
}

const who = { seed: 7, index: 3, configBytes: 3_072 };
const condition = { sequenceNum: 0, isHealthy: true, startedAtMs: 1_000, nowMs: 2_000, offer: null };

describe("heartbeatFrame", () => {
  for (const sequenceNum of [0, 1, 127, 128, 300, 16_384, 2 ** 31, 2 ** 40]) {
    it(`writes number ${sequenceNum} as the encoder does`, () => {
      const message = create(AgentToServerSchema, {
        instanceUid: uidOf(who),
        sequenceNum: BigInt(sequenceNum),
        capabilities: CAPABILITIES,
      });
      const frame = heartbeatFrame(uidOf(who), sequenceNum, Number(CAPABILITIES));
      assert.deepEqual(Buffer.from(unmask(frame)), Buffer.from(encodeAgentFrame(message)));
    });
  }
});

describe("clientFrame", () => {
  for (const length of [0, 125, 126, 65_535, 65_536]) {
    it(`carries ${length} bytes`, () => {
      const payload = Uint8Array.from({ length }, (_, i) => i & 255);
      assert.deepEqual(Buffer.from(unmask(clientFrame(OPCODE.binary, payload))), Buffer.from(payload));
    });
  }
});

describe("reports", () => {
  const decode = (frame: Uint8Array) => {
    const message = decodeAgentFrame(unmask(frame));
    assert.ok(!(message instanceof ProtocolError));
    return message;
  };

  it("tell everything first, with a config of the size asked for that names the agent", () => {
    const message = decode(fullReport(who, condition));
    const body = Buffer.from(message.effectiveConfig?.configMap?.configMap[""]?.body ?? []).toString();
    assert.equal(body.length, 3_072);
    assert.match(body, /instance_uid: [0-9a-f-]{36}\n/);
    assert.equal(message.sequenceNum, 0n);
    assert.equal(message.health?.healthy, true);
    assert.ok((message.agentDescription?.nonIdentifyingAttributes.length ?? 0) > 3);
    assert.equal(message.remoteConfigStatus?.status, RemoteConfigStatuses.RemoteConfigStatuses_UNSET);
  });

  it("tell a change and nothing else", () => {
    const message = decode(changeReport(who, { ...condition, isHealthy: false }, { health: true, config: false }));
    assert.equal(message.health?.healthy, false);
    const { agentDescription, effectiveConfig, remoteConfigStatus } = message;
    assert.ok([agentDescription, effectiveConfig, remoteConfigStatus].every((part) => part === undefined));
  });

  it("tell an applied config with what runs now", () => {
    const offer = { hash: Uint8Array.of(1, 2), status: "APPLIED" } as const;
    const message = decode(changeReport(who, { ...condition, offer }, { health: false, config: true }));
    assert.equal(message.remoteConfigStatus?.status, RemoteConfigStatuses.RemoteConfigStatuses_APPLIED);
    assert.ok(message.effectiveConfig !== undefined && message.health === undefined);
  });
});

describe("readFrames", () => {
  const [short, long] = [Uint8Array.of(1, 2, 3), new Uint8Array(300).fill(7)];
  const both = Buffer.concat([serverFrame(short), serverFrame(long), serverFrame(short, OPCODE.ping)]);

  it("finds every frame however the bytes are cut", () => {
    for (let cut = 0; cut <= both.length; cut++) {
      const seen: string[] = [];
      const note = (opcode: number, payload: Uint8Array) => seen.push(`${opcode}:${payload.length}`);
      const rest = readFrames(both.subarray(0, cut), note);
      assert.ok(rest !== null);
      assert.equal(readFrames(Buffer.concat([rest, both.subarray(cut)]), note)?.length, 0);
      assert.deepEqual(seen, ["2:3", "2:300", "9:3"]);
    }
  });

  it("refuses what no server sends", () => {
    for (const bad of [Buffer.from([0x02, 1, 1]), Buffer.from([0x82, 0x81, 1, 1, 1, 1, 1])]) {
      assert.equal(
        readFrames(bad, () => {}),
        null,
      );
    }
  });
});

describe("asksSomething", () => {
  const instanceUid = new Uint8Array(16).fill(9);
  const cases = [
    { name: "an answer to a heartbeat", init: { instanceUid, capabilities: 0x87n }, asks: false },
    { name: "a greeting", init: { instanceUid, customCapabilities: { capabilities: ["io.example"] } }, asks: false },
    { name: "a flag", init: { instanceUid, flags: 1n }, asks: true },
    { name: "an offer", init: { instanceUid, remoteConfig: { configHash: instanceUid } }, asks: true },
    { name: "a new uid", init: { instanceUid, agentIdentification: { newInstanceUid: instanceUid } }, asks: true },
    { name: "an error", init: { instanceUid, errorResponse: { errorMessage: "no" } }, asks: true },
  ];
  for (const { name, init, asks } of cases) {
    it(`says ${asks} of ${name}`, () => {
      assert.equal(asksSomething(encodeServerFrame(create(ServerToAgentSchema, init))), asks);
    });
  }
});

describe("readUpgrade", () => {
  it("waits for the whole head, and finds status and pause", () => {
    assert.equal(readUpgrade("HTTP/1.1 101 Switching"), null);
    assert.equal(readUpgrade("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nxx")?.status, 101);
    const busy = readUpgrade("HTTP/1.1 429 Too Many Requests\r\nretry-after: 42\r\n\r\n");
    assert.deepEqual([busy?.status, busy?.retryAfterMs], [429, 42_000]);
  });
});
