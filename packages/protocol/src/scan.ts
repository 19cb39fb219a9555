// A partial scan of an AgentToServer body: enough to recognise a heartbeat without decoding it.
//
// Nine of ten messages of a fleet carry only uid, sequence number and capabilities. The scan finds these and
// says whether anything else is there; it allocates nothing: the caller owns one ReportScan and passes it in
// again and again. It does not validate sub-messages, that is the full decode's part.

import { UID_BYTES } from "./uid.ts";

/** What a scan found. Valid until the next scan into the same object. */
export interface ReportScan {
  /** Index of the first byte of instance_uid in the scanned array; -1 when the field is absent. */
  uidStart: number;
  /** Length of instance_uid in bytes; anything but 16 is an error for the caller to answer. */
  uidBytes: number;
  /** sequence_num; 0 when absent. */
  sequenceNum: number;
  /** Agent capability bitmask; 0 when absent. Convert with BigInt before testing bits. */
  capabilities: number;
  /** Agent flags bitmask; 0 when absent. */
  flags: number;
  /**
   * True when any other field is present, or when a number above does not fit into 53 bits and is therefore
   * inexact: the message must be decoded in full.
   */
  hasOther: boolean;
  /** Index of the next byte to read; the scan's own cursor. */
  at: number;
}

/** Creates the object that `scanReport` fills. */
export function createReportScan(): ReportScan {
  return { uidStart: -1, uidBytes: 0, sequenceNum: 0, capabilities: 0, flags: 0, hasOther: false, at: 0 };
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

const FIELD_INSTANCE_UID = 1;
const FIELD_SEQUENCE_NUM = 2;
const FIELD_CAPABILITIES = 4;
const FIELD_FLAGS = 10;

/**
 * Scans the AgentToServer body in `bytes` from `start` (1 for a WebSocket frame with the usual header) to the
 * end and fills `out`. Repeated fields: the last one counts, as in a full decode.
 *
 * Returns false when the bytes are malformed or use a wire form that no OpAMP field has; then `out` is
 * meaningless and the full decode has the last word and the better sentence.
 */
export function scanReport(bytes: Uint8Array, start: number, out: ReportScan): boolean {
  reset(out, start);
  while (out.at < bytes.length) {
    const tag = readVarint(bytes, out);
    if (tag < 0 || tag > 0xffff_ffff) return false;
    const field = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (field === 0 || !readField(bytes, field, wireType, out)) return false;
  }
  return true;
}

/** Says whether a scanned message is a bare heartbeat: a well-formed uid and no field beyond the usual four. */
export function isBareHeartbeat(scan: ReportScan): boolean {
  return !scan.hasOther && scan.uidBytes === UID_BYTES && scan.flags === 0;
}

function reset(out: ReportScan, start: number): void {
  out.uidStart = -1;
  out.uidBytes = 0;
  out.sequenceNum = 0;
  out.capabilities = 0;
  out.flags = 0;
  out.hasOther = false;
  out.at = start;
}

function readField(bytes: Uint8Array, field: number, wireType: number, out: ReportScan): boolean {
  switch (field) {
    case FIELD_INSTANCE_UID: {
      if (wireType !== LENGTH_DELIMITED) return false;
      const length = readVarint(bytes, out);
      if (length < 0 || length > bytes.length - out.at) return false;
      out.uidStart = out.at;
      out.uidBytes = length;
      out.at += length;
      return true;
    }
    case FIELD_SEQUENCE_NUM:
    case FIELD_CAPABILITIES:
    case FIELD_FLAGS: {
      if (wireType !== VARINT) return false;
      const value = readVarint(bytes, out);
      if (value < 0) return false;
      if (value > Number.MAX_SAFE_INTEGER) out.hasOther = true;
      if (field === FIELD_SEQUENCE_NUM) out.sequenceNum = value;
      else if (field === FIELD_CAPABILITIES) out.capabilities = value;
      else out.flags = value;
      return true;
    }
    default:
      out.hasOther = true;
      return skip(bytes, wireType, out);
  }
}

function skip(bytes: Uint8Array, wireType: number, out: ReportScan): boolean {
  switch (wireType) {
    case VARINT:
      return readVarint(bytes, out) >= 0;
    case FIXED64:
      out.at += 8;
      return out.at <= bytes.length;
    case LENGTH_DELIMITED: {
      const length = readVarint(bytes, out);
      if (length < 0 || length > bytes.length - out.at) return false;
      out.at += length;
      return true;
    }
    case FIXED32:
      out.at += 4;
      return out.at <= bytes.length;
    default:
      return false; // groups (3, 4) and reserved wire types
  }
}

/** Reads a varint as a number, inexact above 2^53; -1 when it is cut off or longer than 10 bytes. */
function readVarint(bytes: Uint8Array, out: ReportScan): number {
  let value = 0;
  let factor = 1;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[out.at];
    if (byte === undefined) return -1;
    out.at++;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
    factor *= 128;
  }
  return -1;
}
