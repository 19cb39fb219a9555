// The answer to a heartbeat, written byte by byte: instance_uid and capabilities, nothing else.
//
// The hot path of a gateway: no Protobuf object and no allocation per answer. Capabilities do not change
// while a process runs, so all but the uid is written once.

import { UID_BYTES } from "./uid.ts";

const TAG_INSTANCE_UID = 0x0a;
const TAG_CAPABILITIES = 0x38;
/** Header, tag and length come before the uid. */
const UID_AT = 3;

/** Writes answers into one buffer of its own: each result is valid until the next call, so send or copy it. */
export interface HeartbeatReply {
  /** The answer as a WebSocket frame for the agent whose 16 uid bytes begin at `source[uidStart]`. */
  frame(source: Uint8Array, uidStart: number): Uint8Array<ArrayBuffer>;
  /** The answer as an HTTP body. */
  body(source: Uint8Array, uidStart: number): Uint8Array<ArrayBuffer>;
}

/** Prepares answers that state the given server capabilities (bitmask, see `serverCapabilityMask`). */
export function createHeartbeatReply(capabilities: bigint): HeartbeatReply {
  const tail = capabilities === 0n ? [] : [TAG_CAPABILITIES, ...varint(capabilities)];
  const frame = Uint8Array.from([0, TAG_INSTANCE_UID, UID_BYTES, ...new Array<number>(UID_BYTES).fill(0), ...tail]);
  const body = frame.subarray(1);
  const fill = (source: Uint8Array, uidStart: number): void => {
    for (let i = 0; i < UID_BYTES; i++) frame[UID_AT + i] = source[uidStart + i] ?? 0;
  };
  return {
    frame(source, uidStart) {
      fill(source, uidStart);
      return frame;
    },
    body(source, uidStart) {
      fill(source, uidStart);
      return body;
    },
  };
}

function varint(value: bigint): readonly number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}
