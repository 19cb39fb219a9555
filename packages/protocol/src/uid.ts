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
  const hex = text.replaceAll("-", "");
  const bytes = new Uint8Array(UID_BYTES);
  for (let i = 0; i < UID_BYTES; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
