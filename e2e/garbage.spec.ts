// What no agent should send: each gets a BAD_REQUEST or the right close code, nothing crashes, other agents do not notice.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  decodeServerBody,
  decodeServerFrame,
  encodeAgentBody,
  encodeAgentFrame,
  ProtocolError,
} from "@muster/protocol";
import { AgentToServerSchema, ServerErrorResponseType } from "@muster/protocol/opamp";
import type { Fleet } from "@muster/simulator";
import { WebSocket } from "ws";
import { openWorld, untilListed, type World } from "./world.ts";

const LIMIT_BYTES = 1024 * 1024;

let world: World;
let bystanders: Fleet;
before(async () => {
  world = await openWorld({}, { gateway: { MUSTER_GATEWAY_MAX_MESSAGE_BYTES: String(LIMIT_BYTES) } });
  bystanders = await world.fleet({ count: 5, heartbeatMs: 100 });
  await untilListed(world.operator, 5, "connected=true,healthy=true");
});
after(() => world.close());

const uid = Buffer.from("01890a5dac96774bbcceb302099a8057", "hex");
const valid = encodeAgentFrame(create(AgentToServerSchema, { instanceUid: uid, sequenceNum: 1n, capabilities: 1n }));

/** Sends one message and answers what came of it: the error's type and sentence, or the close code. */
async function exchange(message: Uint8Array | string): Promise<string> {
  const socket = new WebSocket(world.stack.opampUrls[0] ?? "");
  try {
    return await new Promise<string>((resolve, reject) => {
      socket.on("open", () => socket.send(message));
      socket.on("message", (data: Buffer) => resolve(describeReply(decodeServerFrame(data))));
      socket.on("close", (code) => resolve(`closed ${code}`));
      socket.on("error", reject);
    });
  } finally {
    socket.terminate();
  }
}

function describeReply(reply: ReturnType<typeof decodeServerFrame>): string {
  assert.ok(!(reply instanceof ProtocolError), String(reply));
  const error = reply.errorResponse;
  if (error === undefined) return "ok";
  assert.equal(error.type, ServerErrorResponseType.ServerErrorResponseType_BadRequest);
  assert.equal(reply.capabilities, 0n, "an error stands alone");
  return `bad request: ${error.errorMessage}`;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const nested = (depth: number): Uint8Array => {
  let inner: Uint8Array = bytes();
  for (let i = 0; i < depth; i++) {
    const entry = Buffer.concat([bytes(0x12), varint(inner.length), inner]);
    inner = Buffer.concat([bytes(0x32), varint(entry.length), entry]);
  }
  return Buffer.concat([bytes(0x2a), varint(inner.length), inner]);
};
function varint(value: number): Uint8Array {
  const out: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...out, rest]);
    out.push((rest % 128) | 0x80);
  }
}

const cases: readonly (readonly [name: string, message: Uint8Array | string, expected: RegExp])[] = [
  ["a valid message", valid, /^ok$/],
  ["a header of two bytes that is zero", Buffer.concat([bytes(0x80, 0x00), valid.subarray(1)]), /^ok$/],
  ["an empty frame", bytes(), /^bad request: empty_frame/],
  ["a header alone", bytes(0), /^bad request: .*instance_uid has 0 bytes/],
  ["a message without header", valid.subarray(1), /^bad request: bad_header/],
  ["a varint that does not end", bytes(...Array<number>(11).fill(0xff)), /^bad request: bad_header/],
  ["a truncated varint", bytes(0x80), /^bad request: bad_header/],
  ["a truncated field", valid.subarray(0, 10), /^bad request: malformed/],
  ["random bytes", bytes(0, 0xde, 0xad, 0xbe, 0xef, 0x99), /^bad request: malformed/],
  ["invalid UTF-8", Buffer.concat([valid, bytes(0x2a, 4, 0x1a, 2, 0xff, 0xfe)]), /^bad request: malformed/],
  [
    "a uid of five bytes",
    Buffer.concat([bytes(0, 0x0a, 5), Buffer.alloc(5)]),
    /^bad request: .*instance_uid has 5 bytes/,
  ],
  ["a nesting bomb", Buffer.concat([valid, nested(500)]), /^bad request: malformed/],
  ["a text frame", "hello", /^closed 1003$/],
  ["an oversized frame", new Uint8Array(LIMIT_BYTES + 1), /^closed 1009$/],
];

describe("over a WebSocket", () => {
  for (const [name, message, expected] of cases) {
    it(`answers ${name}`, async () => assert.match(await exchange(message), expected));
  }

  it("closes a connection that sends nothing but garbage", async () => {
    const socket = new WebSocket(world.stack.opampUrls[0] ?? "");
    const code = await new Promise<number>((resolve, reject) => {
      socket.on("open", () => {
        for (let i = 0; i < 20; i++) socket.send(bytes(9));
      });
      socket.on("close", resolve);
      socket.on("error", reject);
    });
    assert.equal(code, 1002);
  });
});

describe("over plain HTTP", () => {
  const url = (): string => (world.stack.opampUrls[0] ?? "").replace("ws:", "http:");
  const post = (body: Uint8Array, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(url(), {
      method: "POST",
      body: new Uint8Array(body),
      headers: { "content-type": "application/x-protobuf", connection: "close", ...headers },
    });

  it("answers a valid message with exactly the content type that clients compare", async () => {
    const response = await post(valid.subarray(1));
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "application/x-protobuf");
    assert.equal(describeReply(decodeServerBody(new Uint8Array(await response.arrayBuffer()))), "ok");
  });

  it("answers what it cannot decode with 400 and what it can with 200, both with an error body", async () => {
    const undecodable = await post(bytes(0xff, 0xff));
    assert.equal(undecodable.status, 400);
    assert.match(
      describeReply(decodeServerBody(new Uint8Array(await undecodable.arrayBuffer()))),
      /^bad request: malformed/,
    );
    const anonymous = await post(encodeAgentBody(create(AgentToServerSchema, { sequenceNum: 1n })));
    assert.equal(anonymous.status, 200);
    assert.match(
      describeReply(decodeServerBody(new Uint8Array(await anonymous.arrayBuffer()))),
      /instance_uid has 0 bytes/,
    );
  });

  it("refuses a uid in the header that the body contradicts", async () => {
    const response = await post(valid.subarray(1), { "OpAMP-Instance-UID": "01890a5d-ac96-774b-bcce-000000000000" });
    assert.match(describeReply(decodeServerBody(new Uint8Array(await response.arrayBuffer()))), /differ/);
  });

  const statuses: readonly (readonly [name: string, call: () => Promise<Response>, status: number])[] = [
    ["an oversized body", () => post(new Uint8Array(LIMIT_BYTES + 1)), 413],
    [
      "a gzip bomb",
      async () => post(await gzipOf(new Uint8Array(LIMIT_BYTES * 50)), { "content-encoding": "gzip" }),
      413,
    ],
    ["gzip that is none", () => post(bytes(1, 2, 3), { "content-encoding": "gzip" }), 400],
    ["another encoding", () => post(valid, { "content-encoding": "br" }), 415],
    ["another content type", () => post(valid, { "content-type": "application/json" }), 415],
    ["a GET without upgrade", () => fetch(url(), { headers: { connection: "close" } }), 426],
    ["another method", () => fetch(url(), { method: "DELETE", headers: { connection: "close" } }), 405],
    ["another path", () => fetch(url().replace("/v1/opamp", "/"), { headers: { connection: "close" } }), 404],
  ];
  for (const [name, call, status] of statuses) {
    it(`answers ${name} with ${status}`, async () => {
      const response = await call();
      await response.arrayBuffer();
      assert.equal(response.status, status);
    });
  }

  it("accepts gzip", async () => {
    assert.equal((await post(await gzipOf(valid.subarray(1)), { "content-encoding": "GZIP" })).status, 200);
  });
});

it("did all of that without disturbing anybody", async () => {
  const { connects, connected, errors } = bystanders.counts();
  assert.deepEqual([connects, connected, errors], [5, 5, 0]);
  assert.ok(world.stack.of("gateway")[0].pid() !== null);
});

async function gzipOf(body: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([new Uint8Array(body)]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
