// OpAMP messages as bytes: WebSocket frames (varint header, then data) and HTTP bodies (data alone).
//
// Pure. Compression and the limit on the wire are the transport's business; the limit here is the last line,
// checked before any decoding. Called by the gateway's socket and session, and by the simulator.
//
// The `bytes` fields of a decoded message are views into the input, not copies: whoever keeps a message
// longer than its buffer lives must copy the buffer first.

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { hasMoreElementsThan } from "./elements.ts";
import { ProtocolError } from "./error.ts";
import type { AgentToServer, ServerToAgent } from "./gen/opamp/v1/opamp_pb.ts";
import { AgentToServerSchema, ServerToAgentSchema } from "./gen/opamp/v1/opamp_pb.ts";

/** Default limit of one message in bytes, as the specification recommends for either direction: 64 MiB. */
export const DEFAULT_MAX_MESSAGE_BYTES = 67_108_864;

/** Fields, list items and map entries of one message, at any depth: far more than the largest fleet's largest agent has. */
const MAX_ELEMENTS = 100_000;
/** A body up to this cannot hold so many that counting them first would be worth it. */
const SMALL_BYTES = 64 * 1024;

/** A 64-bit varint has at most this many bytes. */
const MAX_HEADER_BYTES = 10;

/** First byte of a message without header, as clients sent before 2023: the tag of instance_uid. */
const LEGACY_FIRST_BYTE = 0x0a;

/**
 * Counts the header bytes of a WebSocket message: 1 to 10 bytes that spell the varint 0.
 *
 * A frame of 0 bytes has no header and is malformed (`empty_frame`); a frame of a header alone is a valid
 * message in which no field is set. Examples: `00` has 1 header byte, `80 00` has 2, `0a 10 …` is refused.
 */
export function parseFrameHeader(frame: Uint8Array): number | ProtocolError {
  if (frame.length === 0) {
    return new ProtocolError("empty_frame", "a WebSocket message of 0 bytes lacks the header every message has");
  }
  for (let i = 0; i < frame.length && i < MAX_HEADER_BYTES; i++) {
    const byte = frame[i];
    if (byte === 0x00) return i + 1;
    if (byte !== 0x80) {
      const hint = i === 0 && byte === LEGACY_FIRST_BYTE ? "; this looks like a message without header" : "";
      return new ProtocolError("bad_header", `the header of a WebSocket message must be the varint 0${hint}`);
    }
  }
  return new ProtocolError("bad_header", "the varint header of a WebSocket message does not end within 10 bytes");
}

/** Decodes a WebSocket message from an agent; at most `maxBytes` of header and data. */
export function decodeAgentFrame(
  frame: Uint8Array,
  maxBytes = DEFAULT_MAX_MESSAGE_BYTES,
): AgentToServer | ProtocolError {
  const body = openFrame(frame, maxBytes);
  return body instanceof ProtocolError ? body : decodeAgentBody(body, maxBytes);
}

/** Decodes a WebSocket message from a server; at most `maxBytes` of header and data. */
export function decodeServerFrame(
  frame: Uint8Array,
  maxBytes = DEFAULT_MAX_MESSAGE_BYTES,
): ServerToAgent | ProtocolError {
  const body = openFrame(frame, maxBytes);
  return body instanceof ProtocolError ? body : decodeServerBody(body, maxBytes);
}

/** Decodes an HTTP request body, already decompressed. 0 bytes are a valid message with no field set. */
export function decodeAgentBody(body: Uint8Array, maxBytes = DEFAULT_MAX_MESSAGE_BYTES): AgentToServer | ProtocolError {
  if (body.length > maxBytes) return tooLarge(body.length, maxBytes);
  if (body.length > SMALL_BYTES && hasMoreElementsThan(AgentToServerSchema, body, MAX_ELEMENTS)) {
    return new ProtocolError(
      "too_large",
      `a message may have ${MAX_ELEMENTS} fields, list items and map entries in all`,
    );
  }
  try {
    return fromBinary(AgentToServerSchema, body);
  } catch (cause) {
    return malformed("AgentToServer", cause);
  }
}

/** Decodes an HTTP response body, already decompressed. 0 bytes are a valid message with no field set. */
export function decodeServerBody(
  body: Uint8Array,
  maxBytes = DEFAULT_MAX_MESSAGE_BYTES,
): ServerToAgent | ProtocolError {
  if (body.length > maxBytes) return tooLarge(body.length, maxBytes);
  try {
    return fromBinary(ServerToAgentSchema, body);
  } catch (cause) {
    return malformed("ServerToAgent", cause);
  }
}

/** Encodes a message of an agent for WebSocket: one header byte, then the data. */
export function encodeAgentFrame(message: AgentToServer): Uint8Array<ArrayBuffer> {
  return frameOf(encodeAgentBody(message));
}

/** Encodes a message of a server for WebSocket: one header byte, then the data. */
export function encodeServerFrame(message: ServerToAgent): Uint8Array<ArrayBuffer> {
  return frameOf(encodeServerBody(message));
}

/** Encodes a message of an agent for HTTP. */
export function encodeAgentBody(message: AgentToServer): Uint8Array<ArrayBuffer> {
  return toBinary(AgentToServerSchema, message);
}

/** Encodes a message of a server for HTTP. */
export function encodeServerBody(message: ServerToAgent): Uint8Array<ArrayBuffer> {
  return toBinary(ServerToAgentSchema, message);
}

/** Puts the header, one zero byte, before a body. The result is a copy. */
export function frameOf(body: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(body.length + 1);
  frame.set(body, 1);
  return frame;
}

function openFrame(frame: Uint8Array, maxBytes: number): Uint8Array | ProtocolError {
  if (frame.length > maxBytes) return tooLarge(frame.length, maxBytes);
  const headerBytes = parseFrameHeader(frame);
  return headerBytes instanceof ProtocolError ? headerBytes : frame.subarray(headerBytes);
}

function tooLarge(actualBytes: number, maxBytes: number): ProtocolError {
  return new ProtocolError("too_large", `a message of ${actualBytes} bytes exceeds the limit of ${maxBytes} bytes`);
}

function malformed(what: "AgentToServer" | "ServerToAgent", cause: unknown): ProtocolError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ProtocolError("malformed", `the data is not a valid ${what} message: ${reason}`, { cause });
}
