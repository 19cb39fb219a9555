import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { hasMoreElementsThan } from "./elements.ts";
import { AgentToServerSchema } from "./gen/opamp/v1/opamp_pb.ts";

const bytesOf = (message: MessageInitShape<typeof AgentToServerSchema>): Uint8Array =>
  toBinary(AgentToServerSchema, create(AgentToServerSchema, message));

describe("hasMoreElementsThan", () => {
  const messages: readonly (readonly [what: string, bytes: Uint8Array, count: number])[] = [
    ["nothing", new Uint8Array(), 0],
    ["two scalars", bytesOf({ sequenceNum: 1n, capabilities: 1n }), 2],
    ["a list in a message", bytesOf({ agentDescription: { identifyingAttributes: [{ key: "a" }, { key: "" }] } }), 4],
    ["maps in maps", bytesOf({ health: { componentHealthMap: { a: { componentHealthMap: { b: {} } } } } }), 3],
    ["unknown fields", Uint8Array.of(0x98, 0x06, 1, 0x98, 0x06, 2), 2],
  ];
  for (const [what, bytes, count] of messages) {
    it(`counts ${what}`, () => {
      assert.equal(hasMoreElementsThan(AgentToServerSchema, bytes, count), false);
      if (count > 0) assert.equal(hasMoreElementsThan(AgentToServerSchema, bytes, count - 1), true);
    });
  }

  it("leaves it to decoding to say what is no message", () => {
    for (const bytes of [Uint8Array.of(0x0a, 50), Uint8Array.of(0x0f), new Uint8Array(5).fill(0xff)])
      assert.equal(hasMoreElementsThan(AgentToServerSchema, bytes, 1_000), false);
  });
});
