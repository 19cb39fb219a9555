// One connection after another to a gateway's WebSocket, each with batches of inputs that are split and joined at will,
// and after each batch a heartbeat of an honest agent on the same connection: its answer says that the gateway has read
// everything before it, and still works.

import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { decodeServerFrame, encodeAgentFrame, ProtocolError } from "@muster/protocol";
import { AgentToServerSchema } from "@muster/protocol/opamp";
import { until } from "@muster/testkit";
import type { Tally } from "./campaign.ts";
import type { Dice } from "./dice.ts";
import { aBody } from "./messages.ts";
import { mutate } from "./mutate.ts";
import { frame, OPCODES, openRawSocket, type RawSocket, type ServerFrame } from "./raw-socket.ts";

/** How many inputs one batch holds. */
const BATCH = 40;
/** How long the answer to the honest heartbeat may take: the machine is busy, but a stall is a defect. */
const ANSWER_TIMEOUT_MS = 20_000;
/** Agents of one attacker; enough to meet each other, few enough to be told apart in the end. */
const AGENTS = 24;
const uidBytes = (uuid: string): Uint8Array => Buffer.from(uuid.replaceAll("-", ""), "hex");

/** Attacks until the tally is full. */
export async function attackWebSocket(url: string, dice: Dice, tally: Tally): Promise<void> {
  const agents = Array.from({ length: AGENTS }, () => ({ uid: uidBytes(randomUUID()), seq: 0n }));
  while (tally.wants()) {
    const honest = uidBytes(randomUUID());
    let answers = 0;
    const onFrame = (received: ServerFrame): void => {
      if (received.opcode === OPCODES.close) tally.closed(codeOf(received.payload));
      if (received.opcode !== OPCODES.binary) return;
      if (isAnswerTo(honest, received.payload, tally)) answers += 1;
    };
    let isClosed = false;
    const socket = await openRawSocket(url, onFrame, () => {
      isClosed = true;
    });
    for (let seq = 0n; tally.wants() && !isClosed; seq += 1n) {
      const { bytes, isFatal } = aBatch(dice, agents, tally);
      await writeInPieces(socket, dice, bytes);
      if (!isFatal) socket.write(frame(OPCODES.binary, heartbeatOf(honest, seq)));
      const expected = Number(seq) + 1;
      await until(() => isClosed || (!isFatal && answers >= expected), {
        timeoutMs: ANSWER_TIMEOUT_MS,
        what: "the answer to an honest heartbeat among the inputs",
      });
    }
    socket.close();
  }
}

interface Batch {
  readonly bytes: Uint8Array;
  /** Its last input breaks the WebSocket protocol: the server is to close. */
  readonly isFatal: boolean;
}

type FuzzedAgent = { readonly uid: Uint8Array; seq: bigint };

function aBatch(dice: Dice, agents: readonly FuzzedAgent[], tally: Tally): Batch {
  const frames: Uint8Array[] = [];
  let last: Uint8Array = new Uint8Array();
  for (let i = 0; i < BATCH; i++) {
    const agent = agents[dice.roll(agents.length)];
    if (agent === undefined) break;
    agent.seq = dice.chance(95) ? agent.seq + 1n : BigInt(dice.roll(1_000));
    const body = mutate(dice, aBody(dice, agent.uid, agent.seq), last);
    last = body;
    frames.push(asFrames(dice, Buffer.concat([aHeader(dice), body])));
    tally.input();
  }
  const isFatal = dice.chance(4);
  if (isFatal) frames.push(breach(dice));
  return { bytes: Buffer.concat(frames), isFatal };
}

function aHeader(dice: Dice): Uint8Array {
  if (dice.chance(94)) return Uint8Array.of(0);
  return dice.pick([Uint8Array.of(0x80, 0), new Uint8Array(), Uint8Array.of(1), Uint8Array.from(Array(12).fill(0x80))]);
}

/** One message as one frame, or as fragments with a ping in between. */
function asFrames(dice: Dice, message: Uint8Array): Uint8Array {
  if (dice.chance(90)) return frame(OPCODES.binary, message);
  const cut = dice.roll(message.byteLength + 1);
  return Buffer.concat([
    frame(OPCODES.binary, message.subarray(0, cut), false),
    ...(dice.chance(50) ? [frame(OPCODES.ping, dice.bytes(dice.roll(126)))] : []),
    frame(OPCODES.continuation, message.subarray(cut)),
  ]);
}

/** What no WebSocket client may send. */
function breach(dice: Dice): Uint8Array {
  return dice.pick([
    frame(OPCODES.text, Buffer.from("hello")),
    frame(OPCODES.binary, Buffer.from("reserved"), true, 4),
    frame(11, new Uint8Array()),
    frame(OPCODES.ping, new Uint8Array(200)),
    frame(OPCODES.close, Uint8Array.of(dice.roll(256), dice.roll(256))),
    Buffer.concat([Uint8Array.of(0x82, 0xff), new Uint8Array(8).fill(0x7f), new Uint8Array(4)]),
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    frame(OPCODES.continuation, dice.bytes(4)),
  ]);
}

/** Split and joined as networks do. */
async function writeInPieces(socket: RawSocket, dice: Dice, bytes: Uint8Array): Promise<void> {
  if (dice.chance(80)) return socket.write(bytes);
  for (let at = 0; at < bytes.byteLength; ) {
    const next = at + 1 + dice.roll(dice.chance(50) ? 10_000 : 200);
    socket.write(bytes.subarray(at, next));
    at = next;
    if (dice.chance(20)) await new Promise((resolve) => setImmediate(resolve));
  }
}

function heartbeatOf(uid: Uint8Array, seq: bigint): Uint8Array {
  const described = seq === 0n && { agentDescription: {} };
  return encodeAgentFrame(
    create(AgentToServerSchema, { instanceUid: uid, sequenceNum: seq, capabilities: 1n, ...described }),
  );
}

/** RFC 6455, 7.1.5: no code is 1005. */
function codeOf(payload: Uint8Array): number {
  return payload.byteLength < 2 ? 1005 : Buffer.from(payload).readUInt16BE(0);
}

/** Every answer must be one: readable, and either an error alone or with capabilities. */
function isAnswerTo(uid: Uint8Array, payload: Uint8Array, tally: Tally): boolean {
  const message = decodeServerFrame(payload);
  if (message instanceof ProtocolError) {
    tally.broken(`an answer cannot be read: ${message.message}`);
    return false;
  }
  tally.answer(message);
  return Buffer.compare(message.instanceUid, uid) === 0;
}
