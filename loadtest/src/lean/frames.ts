// What a lean agent says, as bytes that are ready for its socket: a masked WebSocket frame around an OpAMP message. Pure.
//
// A heartbeat is written by hand, because a load process sends tens of thousands a second and only its sequence number
// changes; everything else is encoded by @muster/protocol. Does not read frames; reader.ts does.

import { UID_BYTES } from "@muster/protocol";

/** The client's masking key. The same for all: it protects proxies from hostile pages, and there are none here. */
const MASK = [0x37, 0xfa, 0x21, 0x3d] as const;
const MASK_BYTES = 4;

/** WebSocket opcodes that a client of OpAMP meets. */
export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A whole frame with this payload, masked as a client's must be. */
export function clientFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const start = 2 + lengthBytes + MASK_BYTES;
  const frame = Buffer.allocUnsafe(start + length);
  frame[0] = 0x80 | opcode;
  if (lengthBytes === 0) frame[1] = 0x80 | length;
  else if (lengthBytes === 2) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.set(payload, start);
  mask(frame, start);
  return frame;
}

/** A heartbeat: uid, sequence number and capabilities, in the bytes that the encoder would write. */
export function heartbeatFrame(uid: Uint8Array, sequenceNum: number, capabilities: number): Buffer {
  const tagBytes = 2 + (sequenceNum === 0 ? 0 : 1) + 1;
  const numberBytes = (sequenceNum === 0 ? 0 : varintBytes(sequenceNum)) + varintBytes(capabilities);
  const payloadBytes = 1 + tagBytes + UID_BYTES + numberBytes;
  const start = 2 + MASK_BYTES;
  const frame = Buffer.allocUnsafe(start + payloadBytes);
  frame[0] = 0x80 | OPCODE.binary;
  frame[1] = 0x80 | payloadBytes; // below 126: the longest is 1 + 20 + 11 + 11 bytes
  let at = start;
  frame[at++] = 0; // the header of every OpAMP message
  frame[at++] = 0x0a; // instance_uid
  frame[at++] = UID_BYTES;
  frame.set(uid, at);
  at += UID_BYTES;
  if (sequenceNum !== 0) {
    frame[at++] = 0x10; // sequence_num
    at = writeVarint(frame, at, sequenceNum);
  }
  frame[at++] = 0x20; // capabilities
  writeVarint(frame, at, capabilities);
  mask(frame, start);
  return frame;
}

/** Masks what follows the key, and writes the key before it. */
function mask(frame: Buffer, start: number): void {
  frame.set(MASK, start - MASK_BYTES);
  for (let i = start; i < frame.length; i++) {
    frame[i] = (frame[i] ?? 0) ^ (MASK[(i - start) & 3] ?? 0);
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

function writeVarint(into: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 128) {
    into[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  into[at++] = rest;
  return at;
}
