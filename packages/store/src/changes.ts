// Which agents changed, in order, for watchers: one trimmed stream of uids per partition. Positions in all of them
// together are what a watch resumes from.

import type { InstanceUid } from "@muster/fleet";
import type { Redis } from "ioredis";
import { fleetKeys } from "./keys.ts";
import { closeRedis, type OnRedisError, openPatient } from "./redis.ts";

const READ_COUNT = 1_000;
const READ_BLOCK_MS = 5_000;

/** A place in the changes of every partition: stream ids, by partition. */
export type Position = readonly string[];

/** The changes of the fleet. */
export interface Changes {
  /** The present end. */
  end(): Promise<Position>;
  /** Whether everything after this position is still kept. */
  isKept(position: Position): Promise<boolean>;
  /** Calls back with the uids that changed and the position after them, until the signal aborts. */
  follow(
    from: Position,
    onChange: (uids: ReadonlySet<InstanceUid>, at: Position) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

export function createChanges(fleet: Redis, url: string, partitions: number, onError: OnRedisError): Changes {
  const keys = Array.from({ length: partitions }, (_, p) => fleetKeys.changes(p));
  return {
    async end() {
      const last = await Promise.all(keys.map((key) => fleet.xrevrange(key, "+", "-", "COUNT", 1)));
      return last.map((entries) => entries[0]?.[0] ?? "0-0");
    },
    async isKept(position) {
      if (position.length !== keys.length) return false;
      const first = await Promise.all(keys.map((key) => fleet.xrange(key, "-", "+", "COUNT", 1)));
      const isBefore = first.map((entries, i) => precedes(position[i] ?? "0-0", entries[0]?.[0]));
      const trimmed = await Promise.all(keys.map((key) => maxDeleted(fleet, key)));
      return isBefore.every((before, i) => !before || !precedes(position[i] ?? "0-0", trimmed[i]));
    },
    async follow(from, onChange, signal) {
      const reader = openPatient(url, onError);
      signal.addEventListener("abort", () => closeRedis(reader), { once: true });
      const at = [...from];
      try {
        while (!signal.aborted) {
          const uids = await readOnce(reader, keys, at);
          if (uids.size > 0) onChange(uids, [...at]);
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        closeRedis(reader);
      }
    },
  };
}

/** Reads what came after `at`, and moves `at` on. */
async function readOnce(reader: Redis, keys: readonly string[], at: string[]): Promise<ReadonlySet<InstanceUid>> {
  const reply = await reader.xread("COUNT", READ_COUNT, "BLOCK", READ_BLOCK_MS, "STREAMS", ...keys, ...at);
  const uids = new Set<InstanceUid>();
  for (const [key, entries] of reply ?? []) {
    for (const [id, [, uid]] of entries) {
      at[keys.indexOf(key)] = id;
      if (uid !== undefined) uids.add(uid as InstanceUid); // written by save-agent and assign-desired
    }
  }
  return uids;
}

/** The highest id that was trimmed away. */
async function maxDeleted(fleet: Redis, key: string): Promise<string | undefined> {
  try {
    const info = (await fleet.xinfo("STREAM", key)) as readonly unknown[]; // RESP2: name, value, name, value
    return String(info[info.indexOf("max-deleted-entry-id") + 1]);
  } catch {
    return undefined; // there is no such stream, so nothing was trimmed
  }
}

/** Whether stream id `a` is below `b`. */
function precedes(a: string, b: string | undefined): boolean {
  if (b === undefined) return false;
  const [aMs = "0", aSeq = "0"] = a.split("-");
  const [bMs = "0", bSeq = "0"] = b.split("-");
  return BigInt(aMs) < BigInt(bMs) || (aMs === bMs && BigInt(aSeq) < BigInt(bSeq));
}
