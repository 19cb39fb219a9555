// The scan agrees with the full decode on every message, and refuses what is cut off.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { ProtocolError } from "./error.ts";
import { decodeAgentBody, encodeAgentBody, encodeAgentFrame } from "./frame.ts";
import { AgentToServerSchema } from "./gen/opamp/v1/opamp_pb.ts";
import { createReportScan, isBareHeartbeat, scanReport } from "./scan.ts";

const uid = Uint8Array.from({ length: 16 }, (_, i) => i);
const heartbeat = create(AgentToServerSchema, { instanceUid: uid, sequenceNum: 300n, capabilities: 0x7807n });

describe("scanReport", () => {
  const scan = createReportScan();

  it("finds uid, sequence number and capabilities of a heartbeat in a frame", () => {
    const frame = encodeAgentFrame(heartbeat);
    assert.ok(scanReport(frame, 1, scan));
    assert.deepEqual(frame.slice(scan.uidStart, scan.uidStart + scan.uidBytes), uid);
    assert.equal(scan.sequenceNum, 300);
    assert.equal(scan.capabilities, 0x7807);
    assert.equal(scan.flags, 0);
    assert.ok(isBareHeartbeat(scan));
  });

  it("forgets the scan before", () => {
    scanReport(encodeAgentBody(create(AgentToServerSchema, { instanceUid: uid, flags: 1n, health: {} })), 0, scan);
    assert.ok(scan.hasOther);
    assert.ok(scanReport(new Uint8Array(), 0, scan));
    const { at, ...rest } = scan;
    assert.equal(at, 0);
    const { at: _, ...empty } = createReportScan();
    assert.deepEqual(rest, empty);
    assert.ok(!isBareHeartbeat(scan), "without a uid nothing is a heartbeat");
  });

  const others = [
    ["an agent description", { agentDescription: {} }],
    ["health", { health: { healthy: true } }],
    ["an effective config", { effectiveConfig: {} }],
    ["a remote config status", { remoteConfigStatus: {} }],
    ["package statuses", { packageStatuses: {} }],
    ["a goodbye", { agentDisconnect: {} }],
    ["a connection settings request", { connectionSettingsRequest: {} }],
    ["custom capabilities", { customCapabilities: {} }],
    ["a custom message", { customMessage: {} }],
    ["available components", { availableComponents: {} }],
    ["a connection settings status", { connectionSettingsStatus: {} }],
    ["a sequence number beyond 2^53", { sequenceNum: 2n ** 53n + 1n }],
    ["capabilities beyond 2^53", { capabilities: 2n ** 63n }],
  ] as const;
  for (const [name, init] of others) {
    it(`sends ${name} to the full decode`, () => {
      assert.ok(scanReport(encodeAgentBody(create(AgentToServerSchema, { instanceUid: uid, ...init })), 0, scan));
      assert.ok(scan.hasOther && !isBareHeartbeat(scan));
    });
  }

  const bad: readonly (readonly [string, readonly number[]])[] = [
    ["a uid that is cut off", [0x0a, 0x10, 1, 2]],
    ["a number that is cut off", [0x10, 0x80]],
    ["a varint of eleven bytes", [0x10, ...new Array<number>(10).fill(0x80), 0]],
    ["a uid with the wire type of a number", [0x08, 1]],
    ["a sequence number with the wire type of bytes", [0x12, 0]],
    ["field number 0", [0x02, 0]],
    ["a group", [0x1b, 0x1c]],
    ["a fixed64 that is cut off", [0x79, 1, 2, 3]],
    ["a fixed32 that is cut off", [0x7d, 1, 2, 3]],
    ["a sub-message that is cut off", [0x1a, 5, 1]],
    ["a length of 2^40", [0x1a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]],
  ];
  for (const [name, bytes] of bad) {
    it(`refuses ${name}`, () => assert.ok(!scanReport(Uint8Array.from(bytes), 0, scan)));
  }

  it("skips unknown fields of every wire type", () => {
    const unknown = [0xa0, 1, 5, 0xa1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0xa2, 1, 2, 9, 9, 0xa5, 1, 1, 2, 3, 4];
    assert.ok(scanReport(Uint8Array.from([...unknown, ...encodeAgentBody(heartbeat)]), 0, scan));
    assert.ok(scan.hasOther);
    assert.equal(scan.sequenceNum, 300);
  });

  it("agrees with the full decode on every well-formed message", () => {
    const small = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), small, small, small, fc.boolean(), (instanceUid, a, b, c, more) => {
        const init = { instanceUid, sequenceNum: a, capabilities: b, flags: c, ...(more ? { health: {} } : {}) };
        const body = encodeAgentBody(create(AgentToServerSchema, init));
        assert.ok(scanReport(body, 0, scan));
        assert.deepEqual(
          [BigInt(scan.sequenceNum), BigInt(scan.capabilities), BigInt(scan.flags), scan.hasOther, scan.uidBytes],
          [a, b, c, more, instanceUid.length],
        );
      }),
    );
  });

  it("accepts no truncation of a message that the full decode refuses", () => {
    const body = encodeAgentBody(heartbeat);
    for (let length = 0; length < body.length; length++) {
      const cut = body.subarray(0, length);
      assert.equal(scanReport(cut, 0, scan), !(decodeAgentBody(cut) instanceof ProtocolError), `${length} bytes`);
    }
  });
});
