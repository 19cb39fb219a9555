// Section 4.1, first half: WebSocket framing and what both transports share. Plain HTTP is in plain-http.ts.

import { BOTH, type Case, type Context, DEFAULT_MAX_MESSAGE_BYTES } from "../case.ts";
import { ensure, NotApplicable, waitFor } from "../check.ts";
import { ensureBadRequest, ensureTakenIn, offersConfig } from "../expect.ts";
import { type Closing, describeAnswer, exchange } from "../link.ts";
import type { Socket } from "../websocket.ts";
import { encodeReport, newUid } from "../wire.ts";

const aHeartbeat = (): Uint8Array => encodeReport({ instanceUid: newUid(), sequenceNum: 1n, capabilities: 1n });

/** A report of this many bytes, header included over WebSocket. */
export function reportOf(bytes: number): Uint8Array {
  const fields = { instanceUid: newUid(), sequenceNum: 1n, capabilities: 0x801n };
  const bare = encodeReport({ ...fields, health: { healthy: false, lastError: "x".repeat(70_000) } }).byteLength;
  const room = Math.max(0, bytes - (bare - 70_000) - 8);
  return encodeReport({ ...fields, health: { healthy: false, lastError: "x".repeat(room) } });
}

async function untilClosed(socket: Socket, withinMs: number): Promise<Closing> {
  return await waitFor(() => socket.closing, {
    withinMs,
    expected: "the end of the WebSocket",
    seen: () => "it is open",
  });
}

export const transport: readonly Case[] = [
  {
    ids: ["R1"],
    says: "answers a first report",
    over: BOTH,
    async run(context) {
      const agent = await context.agent();
      ensureTakenIn(await agent.introduce());
    },
  },
  {
    ids: ["R5"],
    says: "answers BAD_REQUEST to a header that is not 0",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket();
      for (const header of [[1], [0x8a, 0x01], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]]) {
        const from = socket.received.length;
        socket.sendRaw(Buffer.concat([Uint8Array.from(header), aHeartbeat()]));
        const answer = await answerFrom(context, socket, from);
        ensureBadRequest(answer);
      }
    },
  },
  {
    ids: ["R5", "R6"],
    says: "reads a header of several bytes that is 0, and everything behind it",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket();
      const agent = await context.agent({ link: socket });
      socket.sendRaw(Buffer.concat([Uint8Array.of(0x80, 0x80, 0x00), agent.encode(agent.fullState())]));
      ensureTakenIn(await agent.until(() => true, "a reply for the agent", { isBeating: false }));
    },
  },
  {
    ids: ["R6"],
    says: "takes the fragments of a message for one message",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket();
      const agent = await context.agent({ link: socket });
      const frame = Buffer.concat([Uint8Array.of(0), agent.encode(agent.fullState())]);
      socket.sendFragments([frame.subarray(0, 1), frame.subarray(1, 12), frame.subarray(12)]);
      ensureTakenIn(await agent.until(() => true, "a reply for the agent", { isBeating: false }));
    },
  },
  {
    ids: ["R7"],
    says: "answers a message without data and serves on",
    over: BOTH,
    async run(context) {
      const link = await context.link();
      const answer = await exchange(link, new Uint8Array(), context.target.deadlineMs);
      ensure(answer.kind === "message", "a ServerToAgent", () => describeAnswer(answer));
      const agent = await context.agent({ link });
      ensureTakenIn(await agent.introduce());
    },
  },
  {
    ids: ["R8"],
    says: "takes in no message over the limit",
    over: ["ws"],
    async run(context) {
      const body = reportOf(context.maxMessageBytes + 1_000);
      const answer = await exchange(await context.socket(), body, 2 * context.target.deadlineMs);
      const isRefused = answer.kind === "message" && answer.message.errorResponse !== undefined;
      ensure(isRefused || answer.kind === "closed", "an error or a close", () => describeAnswer(answer));
    },
  },
  {
    ids: ["R9"],
    says: "closes with 1009 when a message is over the limit",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket();
      await socket.send(reportOf(context.maxMessageBytes + 1_000));
      const closing = await untilClosed(socket, 2 * context.target.deadlineMs);
      ensure(closing.code === 1009, "close code 1009", `close code ${closing.code}`);
    },
  },
  {
    ids: ["R8"],
    says: "counts the bytes of a compressed message after decompression",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket({ compresses: true });
      if (!socket.isCompressed) throw new NotApplicable("not-offered", "The server takes up no compression.");
      await socket.send(reportOf(context.maxMessageBytes + 1_000));
      await untilClosed(socket, 2 * context.target.deadlineMs);
    },
  },
  {
    ids: ["R10", "R11"],
    says: "sends no message over the limit, and goes on answering",
    over: ["ws"],
    run: sendNothingTooLarge,
  },
  {
    ids: ["R18"],
    says: "sends no response over the limit, and goes on answering",
    over: ["http"],
    run: sendNothingTooLarge,
  },
  {
    ids: ["R13"],
    says: "takes nearly 64 MiB when it is not configured otherwise",
    over: BOTH,
    async run(context) {
      const { maxMessageBytes } = context.target;
      const isDefault = maxMessageBytes === null || maxMessageBytes === DEFAULT_MAX_MESSAGE_BYTES;
      if (!isDefault) throw new NotApplicable("needs-setup", "The server was configured with another limit.");
      await takeNearly(context, DEFAULT_MAX_MESSAGE_BYTES);
    },
  },
  {
    ids: ["R14"],
    says: "takes a message just below the limit it was configured with",
    over: BOTH,
    async run(context) {
      const { maxMessageBytes } = context.target;
      const isChosen = maxMessageBytes !== null && maxMessageBytes !== DEFAULT_MAX_MESSAGE_BYTES;
      if (!isChosen)
        throw new NotApplicable("needs-setup", "Nobody said that a limit was chosen: --max-message-bytes.");
      await takeNearly(context, maxMessageBytes);
    },
  },
  {
    ids: ["R21"],
    says: "answers a Close frame with one",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket();
      socket.startClosing(1000);
      const closing = await untilClosed(socket, context.target.deadlineMs);
      ensure(closing.isClean, "a Close frame", "the connection cut");
    },
  },
  {
    ids: ["R21"],
    says: "ends a connection that sends text with a Close frame",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket();
      socket.sendRaw("hello");
      const closing = await untilClosed(socket, context.target.deadlineMs).catch(() => null);
      if (closing === null) throw new NotApplicable("not-offered", "The server puts up with text frames.");
      ensure(closing.isClean, "a Close frame", "the connection cut");
      ensure([1002, 1003, 1007, 1008].includes(closing.code), "a code that says why", `${closing.code}`);
    },
  },
  {
    ids: ["R62"],
    says: "keeps a WebSocket open that has said nothing yet",
    over: ["ws"],
    async run(context) {
      const socket = await context.socket();
      const closing = await untilClosed(socket, 1_000).catch(() => null);
      ensure(closing === null, "an open connection", `a close with ${closing?.code}`);
      const agent = await context.agent({ link: socket });
      ensureTakenIn(await agent.introduce());
    },
  },
];

async function answerFrom(context: Context, socket: Socket, from: number) {
  return await waitFor(
    () => {
      const received = socket.received[from];
      if (received?.message == null) return null;
      return { kind: "message" as const, message: received.message, received };
    },
    {
      withinMs: context.target.deadlineMs,
      expected: "a ServerToAgent",
      seen: () => (socket.closing === null ? "nothing" : `a close with ${socket.closing.code}`),
    },
  );
}

async function takeNearly(context: Context, limitBytes: number): Promise<void> {
  const link = await context.link();
  const answer = await exchange(link, reportOf(limitBytes - 1_000), 3 * context.target.deadlineMs);
  ensure(answer.kind === "message", "a ServerToAgent", () => describeAnswer(answer));
  ensureTakenIn(answer.message);
}

/** Limits above this are larger than anything that an operator can have offered. */
const LARGEST_OFFER_BYTES = 900_000;

async function sendNothingTooLarge(context: Context): Promise<void> {
  const driver = context.driver();
  const limit = context.maxMessageBytes;
  if (limit > LARGEST_OFFER_BYTES) throw new NotApplicable("needs-setup", "Nothing that large can be offered.");
  const agent = await context.introduced();
  const body = Buffer.from(`a: 1\n# ${"x".repeat(limit)}\n`);
  await driver.offerConfig(agent.uidText, [{ name: "large.yaml", contentType: "text/yaml", body }]);
  await agent.never(offersConfig, "offer over the limit", 1_500);
  const small = Buffer.from("a: 2\n");
  await driver.offerConfig(agent.uidText, [{ name: "small.yaml", contentType: "text/yaml", body: small }]);
  await agent.until(offersConfig, "the small offer after it", { withinMs: 2 * context.target.deadlineMs });
  const sizes = agent.link.received.map((received) => received.body.byteLength);
  ensure(Math.max(...sizes) < limit, `nothing over ${limit} bytes`, () => `${Math.max(...sizes)} bytes`);
}
