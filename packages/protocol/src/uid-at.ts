// The uid of a message where it stands, for the hot path of a gateway: compared with one that is expected, which needs no
// text, or as text to look up. Text that is put together from pieces takes twice as long to look up as text that is made in
// one go. Needs Node's Buffer; uid.ts does not, and runs anywhere.

import { ProtocolError } from "./error.ts";
import { parseUid, UID_BYTES } from "./uid.ts";

/** The two hexadecimal digits of each byte, as character codes. */
const HIGH = Uint8Array.from({ length: 256 }, (_, byte) => (byte >> 4).toString(16).charCodeAt(0));
const LOW = Uint8Array.from({ length: 256 }, (_, byte) => (byte & 15).toString(16).charCodeAt(0));
/** Where the digits of each byte stand in the text. */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;
/** Filled again for every uid; the dashes stay. */
const TEXT = Buffer.alloc(36, "-");

/**
 * Writes the 16 bytes from `start` as canonical UUID text without making a view: together with `scanReport`. The caller
 * guarantees that 16 bytes are there.
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

/** A uid to compare with: its bytes as four signed 32-bit numbers, as `uidWordAt` reads them. */
export type UidWords = readonly [number, number, number, number];

/** The words of a uid that is known to be one. @throws ProtocolError for text that is no UUID */
export function uidWords(uid: string): UidWords {
  const bytes = parseUid(uid);
  if (bytes instanceof ProtocolError) throw bytes; // the caller's mistake, not an agent's
  return [uidWordAt(bytes, 0), uidWordAt(bytes, 4), uidWordAt(bytes, 8), uidWordAt(bytes, 12)];
}

/** The four bytes from `at` as a signed number, the first byte uppermost. The caller guarantees that they are there. */
export function uidWordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}
