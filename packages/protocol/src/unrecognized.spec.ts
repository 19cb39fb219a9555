import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { AgentToServerSchema } from "./gen/opamp/v1/opamp_pb.ts";
import { hasUnrecognized } from "./unrecognized.ts";

const known = create(AgentToServerSchema, {
  instanceUid: new Uint8Array(16),
  agentDescription: { identifyingAttributes: [{ key: "a", value: { value: { case: "stringValue", value: "b" } } }] },
  health: { healthy: true, componentHealthMap: { part: { healthy: false } } },
  packageStatuses: { packages: { p: { name: "p", status: 4 } } },
  remoteConfigStatus: { status: 3 },
});

/** A message's bytes with the unknown field 100 inside the length-delimited fields of `path`. */
function withUnknown(path: readonly number[]): Uint8Array {
  const [field, ...rest] = path;
  const writer = new BinaryWriter();
  if (field === undefined) return writer.tag(100, WireType.Varint).uint32(7).finish();
  return writer.tag(field, WireType.LengthDelimited).bytes(withUnknown(rest)).finish();
}

describe("hasUnrecognized", () => {
  it("finds nothing in what the specification names", () => {
    assert.equal(hasUnrecognized(AgentToServerSchema, known), false);
  });

  const places: readonly (readonly [string, readonly number[]])[] = [
    ["the message", []],
    ["a sub-message", [3]],
    ["a list's item", [3, 1]],
    ["a member of a oneof", [3, 1, 2, 6]],
    ["a map's value", [5, 6, 2]],
  ];
  for (const [place, path] of places) {
    it(`finds an unknown field in ${place}, and it survives`, () => {
      const bytes = withUnknown(path);
      const message = fromBinary(AgentToServerSchema, bytes);
      assert.equal(hasUnrecognized(AgentToServerSchema, message), true);
      const again = fromBinary(AgentToServerSchema, toBinary(AgentToServerSchema, message));
      assert.equal(hasUnrecognized(AgentToServerSchema, again), true);
    });
  }

  it("finds an unknown enum number, alone or in a map", () => {
    const status = create(AgentToServerSchema, { remoteConfigStatus: { status: 9 as 0 } });
    assert.equal(hasUnrecognized(AgentToServerSchema, status), true);
    const packages = create(AgentToServerSchema, { packageStatuses: { packages: { p: { status: 77 as 0 } } } });
    assert.equal(hasUnrecognized(AgentToServerSchema, packages), true);
  });
});
