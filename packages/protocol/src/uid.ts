// Instance uid: 16 bytes on the wire, canonical lower-case UUID text everywhere else.
//
// Any 16 bytes are an instance uid: version 7 is only recommended, and some agents send re-encoded ULIDs.
// Branding the text is the domain's business, not the wire's.

import { ProtocolError } from "./error.ts";

/** Length of an instance uid on the wire. */
export const UID_BYTES = 16;

/** The two hexadecimal digits of each byte, as character codes. */
const HIGH = Uint8Array.from({ length: 256 }, (_, byte) => (byte >> 4).toString(16).charCodeAt(0));
const LOW = Uint8Array.from({ length: 256 }, (_, byte) => (byte & 15).toString(16).charCodeAt(0));
/** Where the digits of each byte stand in the text. */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
/** Filled again for every uid; the dashes stay. Text that is put together from pieces takes twice as long to look up. */
const TEXT = Buffer.alloc(36, "-");
const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Writes 16 bytes as canonical UUID text, e.g. `0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b`. */
export function formatUid(bytes: Uint8Array): string | ProtocolError {
  if (bytes.length !== UID_BYTES) {
    return new ProtocolError("bad_instance_uid", `instance_uid must have 16 bytes, it has ${bytes.length}`);
  }
  return formatUidAt(bytes, 0);
}

/**
 * Writes the 16 bytes from `start` as canonical UUID text without making a view: for the hot path, together
 * with `scanReport`. The caller guarantees that 16 bytes are there.
 */
export function formatUidAt(bytes: Uint8Array, start: number): string {
  for (let i = 0; i < UID_BYTES; i++) {
    const byte = bytes[start + i] ?? 0;
    const place = PLACES[i] ?? 0;
    TEXT[place] = HIGH[byte] ?? 0;
    TEXT[place + 1] = LOW[byte] ?? 0;
  }
  return TEXT.toString("latin1");
}

/** Reads UUID text, upper or lower case, into 16 new bytes. */
export function parseUid(text: string): Uint8Array<ArrayBuffer> | ProtocolError {
  if (!CANONICAL.test(text)) {
    return new ProtocolError("bad_instance_uid", `"${text.slice(0, 64)}" is not a UUID like 0190a1b2-c3d4-7e5f-8a9b-…`);
  }
  const hex = text.replaceAll("-", "");
  const bytes = new Uint8Array(UID_BYTES);
  for (let i = 0; i < UID_BYTES; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
