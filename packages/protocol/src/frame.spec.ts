// Frames: what counts as a header, what is refused and with which code, and that both directions round-trip.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, equals } from "@bufbuild/protobuf";
import fc from "fast-check";
import { ProtocolError } from "./error.ts";
import {
  decodeAgentBody,
  decodeAgentFrame,
  decodeServerBody,
  decodeServerFrame,
  encodeAgentBody,
  encodeAgentFrame,
  encodeServerBody,
  encodeServerFrame,
  frameOf,
  parseFrameHeader,
} from "./frame.ts";
import { AgentToServerSchema, ServerToAgentSchema } from "./gen/opamp/v1/opamp_pb.ts";

const codeOf = (outcome: unknown): string => (outcome instanceof ProtocolError ? outcome.code : "decoded");

describe("parseFrameHeader", () => {
  const cases: readonly { name: string; bytes: number[]; want: number | string }[] = [
    { name: "the usual single zero byte", bytes: [0, 0x0a], want: 1 },
    { name: "a header alone, a valid empty message", bytes: [0], want: 1 },
    { name: "zero spelled with two bytes", bytes: [0x80, 0], want: 2 },
    { name: "zero spelled with ten bytes", bytes: [...new Array(9).fill(0x80), 0], want: 10 },
    { name: "eleven bytes", bytes: [...new Array(10).fill(0x80), 0], want: "bad_header" },
    { name: "a header that is cut off", bytes: [0x80, 0x80], want: "bad_header" },
    { name: "the value 1", bytes: [1], want: "bad_header" },
    { name: "a value in the second group", bytes: [0x80, 0x01], want: "bad_header" },
    { name: "the value 127 with continuation", bytes: [0xff, 0x00], want: "bad_header" },
    { name: "a message of the old days without header", bytes: [0x0a, 0x10], want: "bad_header" },
    { name: "no bytes at all", bytes: [], want: "empty_frame" },
  ];
  for (const c of cases) {
    it(`reads ${c.name}`, () => {
      const got = parseFrameHeader(Uint8Array.from(c.bytes));
      assert.equal(got instanceof ProtocolError ? got.code : got, c.want);
    });
  }
});

describe("decoding", () => {
  const valid = create(AgentToServerSchema, { instanceUid: new Uint8Array(16).fill(7), sequenceNum: 3n });
  const cases: readonly { name: string; got: () => unknown; want: string }[] = [
    { name: "a frame of a header alone", got: () => decodeAgentFrame(Uint8Array.of(0)), want: "decoded" },
    { name: "an HTTP body of 0 bytes", got: () => decodeAgentBody(new Uint8Array()), want: "decoded" },
    { name: "a frame of 0 bytes", got: () => decodeAgentFrame(new Uint8Array()), want: "empty_frame" },
    { name: "a non-zero header", got: () => decodeServerFrame(Uint8Array.of(5)), want: "bad_header" },
    {
      name: "a field that is cut off",
      got: () => decodeAgentFrame(Uint8Array.of(0, 0x0a, 0x10, 1)),
      want: "malformed",
    },
    { name: "random bytes", got: () => decodeServerBody(Uint8Array.of(0xff, 0xff, 0xff)), want: "malformed" },
    {
      name: "text that is not UTF-8",
      got: () => decodeServerBody(Uint8Array.of(0x12, 3, 0x12, 1, 0xff)),
      want: "malformed",
    },
    { name: "a frame over the limit", got: () => decodeAgentFrame(encodeAgentFrame(valid), 20), want: "too_large" },
    { name: "a frame at the limit", got: () => decodeAgentFrame(encodeAgentFrame(valid), 21), want: "decoded" },
    { name: "a body over the limit", got: () => decodeServerBody(new Uint8Array(9), 8), want: "too_large" },
  ];
  for (const c of cases) it(`answers ${c.want} to ${c.name}`, () => assert.equal(codeOf(c.got()), c.want));

  it("survives health nested deeper than it is willing to follow", () => {
    let body = new Uint8Array([0x08, 1]);
    for (let depth = 0; depth < 200; depth++) body = mapEntry(body);
    assert.equal(codeOf(decodeAgentBody(field(5, body))), "malformed");
  });

  it("words the failure for people and keeps the cause", () => {
    const outcome = decodeAgentBody(Uint8Array.of(0x0a, 0x10));
    assert.ok(outcome instanceof ProtocolError);
    assert.match(outcome.message, /^malformed: the data is not a valid AgentToServer message: /);
    assert.ok(outcome.cause instanceof Error);
  });
});

describe("encoding", () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

  it("round-trips messages of agents in frames and bodies", () => {
    fc.assert(
      fc.property(bytes, uint64, uint64, fc.string(), (instanceUid, sequenceNum, capabilities, lastError) => {
        const message = create(AgentToServerSchema, { instanceUid, sequenceNum, capabilities, health: { lastError } });
        for (const got of [decodeAgentFrame(encodeAgentFrame(message)), decodeAgentBody(encodeAgentBody(message))]) {
          assert.ok(!(got instanceof ProtocolError) && equals(AgentToServerSchema, got, message));
        }
      }),
    );
  });

  it("round-trips messages of servers in frames and bodies, hostile file names included", () => {
    fc.assert(
      fc.property(bytes, bytes, fc.constantFrom("__proto__", "", "a.yaml"), (instanceUid, body, name) => {
        const configMap = { [name]: { body, contentType: "text/yaml" } };
        const message = create(ServerToAgentSchema, { instanceUid, remoteConfig: { config: { configMap } } });
        for (const got of [
          decodeServerFrame(encodeServerFrame(message)),
          decodeServerBody(encodeServerBody(message)),
        ]) {
          assert.ok(!(got instanceof ProtocolError) && equals(ServerToAgentSchema, got, message));
        }
      }),
    );
  });

  it("never throws on arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (input) => {
        decodeAgentFrame(input);
        decodeServerBody(input);
      }),
    );
  });

  it("copies the body behind the header", () => {
    assert.deepEqual(frameOf(Uint8Array.of(1, 2)), Uint8Array.of(0, 1, 2));
  });
});

function field(number: number, body: Uint8Array): Uint8Array {
  const length: number[] = [];
  let rest = body.length;
  for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128);
  return Uint8Array.from([(number << 3) | 2, ...length, rest, ...body]);
}

function mapEntry(value: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(field(6, Uint8Array.from([0x0a, 1, 0x61, ...field(2, value)])));
}
