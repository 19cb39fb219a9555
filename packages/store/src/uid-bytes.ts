// Uids as 16 bytes, for what is kept of every agent in one value. Their order is that of the texts. Pure.

import type { InstanceUid } from "@muster/fleet";

/** How many there are. */
export const UID_BYTES = 16;

/** The bytes of a uid. */
export function uidBytes(uid: InstanceUid): Buffer {
  return Buffer.from(uid.replaceAll("-", ""), "hex");
}

/** The uid whose bytes begin there. */
export function uidAt(bytes: Buffer, at: number): InstanceUid {
  const hex = bytes.toString("hex", at, at + UID_BYTES);
  const text = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  return text as InstanceUid; // the bytes of one
}
