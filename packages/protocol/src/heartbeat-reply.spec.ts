// The hand-written answer equals the encoder's, byte for byte.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { encodeServerBody, encodeServerFrame } from "./frame.ts";
import { ServerToAgentSchema } from "./gen/opamp/v1/opamp_pb.ts";
import { createHeartbeatReply } from "./heartbeat-reply.ts";

describe("createHeartbeatReply", () => {
  it("writes what the encoder would, for any uid and capabilities", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (instanceUid, capabilities) => {
          const message = create(ServerToAgentSchema, { instanceUid, capabilities });
          const reply = createHeartbeatReply(capabilities);
          const source = Uint8Array.from([9, 9, ...instanceUid, 9]);
          assert.deepEqual(Buffer.from(reply.frame(source, 2)), Buffer.from(encodeServerFrame(message)));
          assert.deepEqual(Buffer.from(reply.body(source, 2)), Buffer.from(encodeServerBody(message)));
        },
      ),
    );
  });

  it("writes every answer into the same buffer", () => {
    const reply = createHeartbeatReply(7n);
    const first = reply.frame(new Uint8Array(16).fill(1), 0);
    const second = reply.frame(new Uint8Array(16).fill(2), 0);
    assert.equal(first, second);
  });
});
