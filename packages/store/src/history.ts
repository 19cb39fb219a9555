// What happened to agents, as it is kept: packed, in one hash of each partition, since most agents have little of it. Written with
// the view that says so (lua/lib/history.lua bounds and coalesces it), and gone with the agent.

import { HISTORY_KINDS, type HistoryEntry, type InstanceUid } from "@muster/fleet";
import type { Redis } from "ioredis";
import { fleetKeys, partitionOf } from "./keys.ts";
import { uidBytes } from "./uid-bytes.ts";

/** Kind, count, first and last second, length of the detail. */
const HEAD_BYTES = 13;
const MAX_COUNT = 65_535;
/** Between the parts of a detail; none of them has it. */
const SEPARATOR = "\n";

/** What happened to agents. */
export interface Histories {
  /** Newest first, at most 32. */
  load(uid: InstanceUid): Promise<readonly HistoryEntry[]>;
}

/** Closes nothing: `fleet` is the caller's. */
export function createHistories(fleet: Redis, partitions: number): Histories {
  return {
    async load(uid) {
      const packed = await loadHistory(fleet, partitions, uid);
      return unpackHistory(packed).toSorted((a, b) => b.lastAtMs - a.lastAtMs);
    },
  };
}

/** As it is kept; empty when nothing happened. */
export async function loadHistory(fleet: Redis, partitions: number, uid: InstanceUid): Promise<Buffer> {
  const packed = await fleet.hgetBuffer(fleetKeys.history(partitionOf(uid, partitions)), uidBytes(uid));
  return packed ?? Buffer.alloc(0);
}

/** Entries one after another. */
export function packHistory(entries: readonly HistoryEntry[]): Buffer {
  const [first] = entries;
  return entries.length === 1 && first !== undefined ? packEntry(first) : Buffer.concat(entries.map(packEntry));
}

function packEntry({ kind, count, firstAtMs, lastAtMs, reason, hash, message }: HistoryEntry): Buffer {
  const detail = [reason, hash, message].map((part) => part.replaceAll(SEPARATOR, " ")).join(SEPARATOR);
  const size = Buffer.byteLength(detail);
  const entry = Buffer.allocUnsafe(HEAD_BYTES + size); // all of it is written
  entry.writeUInt8(HISTORY_KINDS.indexOf(kind), 0);
  entry.writeUInt16BE(Math.min(count, MAX_COUNT), 1);
  entry.writeUInt32BE(secondsOf(firstAtMs), 3);
  entry.writeUInt32BE(secondsOf(lastAtMs), 7);
  entry.writeUInt16BE(size, 11);
  entry.write(detail, HEAD_BYTES);
  return entry;
}

/** Reads what packHistory wrote, whoever put it together; entries of kinds that this version does not know are left out. */
export function unpackHistory(packed: Buffer): readonly HistoryEntry[] {
  const entries: HistoryEntry[] = [];
  for (let at = 0; at < packed.length; ) {
    const end = at + HEAD_BYTES + packed.readUInt16BE(at + 11);
    const [reason = "", hash = "", message = ""] = packed.toString("utf8", at + HEAD_BYTES, end).split(SEPARATOR);
    const kind = HISTORY_KINDS[packed.readUInt8(at)];
    const count = packed.readUInt16BE(at + 1);
    const [firstAtMs, lastAtMs] = [1_000 * packed.readUInt32BE(at + 3), 1_000 * packed.readUInt32BE(at + 7)];
    if (kind !== undefined) entries.push({ kind, count, firstAtMs, lastAtMs, reason, hash, message });
    at = end;
  }
  return entries;
}

/** Agents' clocks may say anything; 2106 is far. */
function secondsOf(ms: number): number {
  return Math.min(Math.max(0, Math.floor(ms / 1_000)), 2 ** 32 - 1);
}
