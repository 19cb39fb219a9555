// Which agents changed, in order, for watchers: one trimmed stream of uids per partition. Positions in all of them
// together are what a watch resumes from.

import type { InstanceUid } from "@muster/fleet";
import type { Redis } from "ioredis";
import { allTogether, askedTogether } from "./cluster.ts";
import { fleetKeys } from "./keys.ts";
import { closeRedis, isRedisAway, type OnRedisError, openPatient, pause } from "./redis.ts";

const READ_COUNT = 1_000;
const READ_BLOCK_MS = 5_000;
const RETRY_MS = 500;
const NOBODY: ReadonlySet<InstanceUid> = new Set();
/** The position before the first entry of a stream. */
const NOTHING_YET = "0-0";

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

/** Watchers read over connections of their own to `url`, whose trouble `onError` is told; they end with their signal. */
export function createChanges(fleet: Redis, url: string, partitions: number, onError: OnRedisError): Changes {
  const keys = Array.from({ length: partitions }, (_, p) => fleetKeys.changes(p));
  return {
    async end() {
      const last = await Promise.all(keys.map((key) => fleet.xrevrange(key, "+", "-", "COUNT", 1)));
      return last.map((entries) => entries[0]?.[0] ?? NOTHING_YET);
    },
    async isKept(position) {
      if (position.length !== keys.length) return false;
      const kept = await Promise.all(keys.map((key, i) => isKeptIn(fleet, key, position[i] ?? NOTHING_YET)));
      return kept.every((each) => each);
    },
    async follow(from, onChange, ended) {
      const at = [...from];
      const followSome = async (some: readonly string[], signal: AbortSignal): Promise<void> => {
        const reader = openPatient(url, onError);
        signal.addEventListener("abort", () => closeRedis(reader), { once: true });
        try {
          while (!signal.aborted) {
            const uids = await readOnce(reader, keys, some, at).catch(async (error) => {
              if (signal.aborted || !isRedisAway(error)) throw error;
              // A server of a cluster that went away; the others have the other partitions.
              onError(error);
              await pause(RETRY_MS, signal);
              return NOBODY;
            });
            if (uids.size > 0) onChange(uids, [...at]);
          }
        } catch (error) {
          if (!signal.aborted) throw error;
        } finally {
          closeRedis(reader);
        }
      };
      await allTogether(askedTogether(fleet, keys), followSome, ended);
    },
  };
}

/** Reads what came after `at` in some of the streams, and moves `at` on. */
async function readOnce(
  reader: Redis,
  keys: readonly string[],
  some: readonly string[],
  at: string[],
): Promise<ReadonlySet<InstanceUid>> {
  const from = some.map((key) => at[keys.indexOf(key)] ?? NOTHING_YET);
  const reply = await reader.xread("COUNT", READ_COUNT, "BLOCK", READ_BLOCK_MS, "STREAMS", ...some, ...from);
  const uids = new Set<InstanceUid>();
  for (const [key, entries] of reply ?? []) {
    for (const [id, [, uid]] of entries) {
      at[keys.indexOf(key)] = id;
      if (uid !== undefined) uids.add(uid as InstanceUid); // written by save-agent and assign-desired
    }
  }
  return uids;
}

/** Trimming leaves no trace of the last id it took (max-deleted-entry-id is XDEL's), but counts give it away. */
async function isKeptIn(fleet: Redis, key: string, position: string): Promise<boolean> {
  const info = await streamInfo(fleet, key);
  if (info === undefined) return position === NOTHING_YET;
  if (precedes(info.last, position)) return false; // the fleet state was lost and began anew
  // Where nothing was trimmed, the entry of any place but the start is there, unless it is a place in an earlier life.
  return position === NOTHING_YET ? info.added === info.length : !precedes(position, info.first);
}

async function streamInfo(fleet: Redis, key: string) {
  let flat: readonly unknown[];
  try {
    flat = (await fleet.xinfo("STREAM", key)) as readonly unknown[]; // RESP2: name, value, name, value
  } catch (error) {
    if (String(error).includes("no such key")) return undefined;
    throw error;
  }
  const read = (name: string): unknown => flat[flat.indexOf(name) + 1];
  return {
    length: Number(read("length")),
    added: Number(read("entries-added")),
    first: String(read("recorded-first-entry-id")),
    last: String(read("last-generated-id")),
  };
}

/** Whether stream id `a` is below `b`. */
function precedes(a: string, b: string): boolean {
  const [aMs = "0", aSeq = "0"] = a.split("-");
  const [bMs = "0", bSeq = "0"] = b.split("-");
  return BigInt(aMs) < BigInt(bMs) || (aMs === bMs && BigInt(aSeq) < BigInt(bSeq));
}
