// What a server sends, cut into frames, and what of a ServerToAgent a lean agent must look at. Keeps only the bytes of
// a frame that has not come in whole; knows no sockets.

import { OPCODE } from "./frames.ts";

/** Told of each whole frame; the payload is valid until it returns. */
export type OnFrame = (opcode: number, payload: Uint8Array) => void;

/** Largest frame that is put together; a server that announces more is broken. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024;

/**
 * Takes the bytes that came and tells of every whole frame. Answers the bytes that are left over, to be passed in again
 * before the next ones, or null for a frame that no server of OpAMP sends: masked, in parts, or too large.
 */
export function readFrames(bytes: Uint8Array, onFrame: OnFrame): Uint8Array | null {
  let at = 0;
  while (bytes.length - at >= 2) {
    const first = bytes[at] ?? 0;
    const second = bytes[at + 1] ?? 0;
    if ((first & 0x80) === 0 || (second & 0x80) !== 0) return null;
    let length = second;
    let start = at + 2;
    if (second >= 126) {
      const lengthBytes = second === 126 ? 2 : 8;
      if (bytes.length - start < lengthBytes) break;
      length = readLength(bytes, start, lengthBytes);
      start += lengthBytes;
    }
    if (length > MAX_FRAME_BYTES) return null;
    if (bytes.length - start < length) break;
    onFrame(first & 0x0f, bytes.subarray(start, start + length));
    at = start + length;
  }
  return bytes.subarray(at);
}

function readLength(bytes: Uint8Array, start: number, count: number): number {
  let length = 0;
  for (let i = start; i < start + count; i++) length = length * 256 + (bytes[i] ?? 0);
  return length;
}

/** Fields of ServerToAgent that ask nothing of an agent: instance_uid, capabilities, custom_capabilities. */
const IDLE_FIELDS = new Set([1, 7, 10]);

/**
 * Whether a ServerToAgent (with its header byte) holds anything that an agent must act on. Looks at the tags alone, since
 * nearly every answer says nothing; whatever is not plainly idle is to be decoded in full.
 */
export function asksSomething(message: Uint8Array): boolean {
  if (message[0] !== 0) return true;
  for (let at = 1; at < message.length; ) {
    const tag = message[at++] ?? 0;
    // A field number above 15 takes two bytes and is none of the idle ones.
    if (tag >= 128 || !IDLE_FIELDS.has(tag >> 3)) return true;
    if ((tag & 7) === 0) while ((message[at++] ?? 0) >= 128);
    else if ((tag & 7) === 2) {
      const length = message[at++] ?? 0;
      if (length >= 128) return true;
      at += length;
    } else return true;
  }
  return false;
}

/** The status and the pause of an HTTP answer to an upgrade; null while its head has not come in whole. */
export function readUpgrade(
  text: string,
): { readonly status: number; readonly retryAfterMs: number | undefined; readonly headLength: number } | null {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const head = text.slice(0, end);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
  const seconds = /^retry-after: *(\d+)$/im.exec(head)?.[1];
  return { status, retryAfterMs: seconds === undefined ? undefined : Number(seconds) * 1_000, headLength: end + 4 };
}

/** Whether a frame is a message, as opposed to housekeeping of the WebSocket. */
export function isMessage(opcode: number): boolean {
  return opcode === OPCODE.binary;
}
