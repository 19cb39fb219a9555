// Instance uid: 16 bytes on the wire, canonical lower-case UUID text everywhere else.
//
// Any 16 bytes are an instance uid: version 7 is only recommended, and some agents send re-encoded ULIDs.
// Branding the text is the domain's business, not the wire's.

import { ProtocolError } from "./error.ts";

/** Length of an instance uid on the wire. */
export const UID_BYTES = 16;

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Writes 16 bytes as canonical UUID text, e.g. `0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b`. */
export function formatUid(bytes: Uint8Array): string | ProtocolError {
  if (bytes.length !== UID_BYTES) {
    return new ProtocolError("bad_instance_uid", `instance_uid must have 16 bytes, it has ${bytes.length}`);
  }
  const hex = Array.from(bytes, (byte) => HEX[byte]).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Reads UUID text, upper or lower case, into 16 new bytes. */
export function parseUid(text: string): Uint8Array<ArrayBuffer> | ProtocolError {
  if (!CANONICAL.test(text)) {
    return new ProtocolError("bad_instance_uid", `"${text.slice(0, 64)}" is not a UUID like 0190a1b2-c3d4-7e5f-8a9b-…`);
  }
  const bytes = new Uint8Array(UID_BYTES);
  for (let i = 0, at = 0; i < UID_BYTES; i++, at += 2) {
    if (text.charCodeAt(at) === DASH) at++;
    bytes[i] = (digitAt(text, at) << 4) | digitAt(text, at + 1);
  }
  return bytes;
}

const DASH = 0x2d;

/** The value of a hexadecimal digit. Letters follow ten digits, and differ from their capitals in one bit. */
function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x61 + 10;
}
