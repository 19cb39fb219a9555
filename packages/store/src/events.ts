// The event streams as the projector reads them: one consumer group over all partitions, at least once.
// An entry leaves the stream when it is acknowledged, so a stream's length is its lag and nothing unread is trimmed.

import { type AgentEvent, type InstanceUid, isEventKind } from "@muster/fleet";
import type { Redis } from "ioredis";
import { allTogether, askedTogether } from "./cluster.ts";
import { eachPartition } from "./each-partition.ts";
import { fleetKeys, type Partition } from "./keys.ts";
import { closeRedis, isRedisAway, type OnRedisError, openPatient, untilReady } from "./redis.ts";

const GROUP = "projector";
const READ_COUNT = 64;
const READ_BLOCK_MS = 2_000;
const CLAIM_COUNT = 64;
const DEAD_LETTERS = 1_000;

/** When entries are taken over. */
export interface ClaimTimes {
  /** An entry that a consumer has held this long is taken from it: the consumer is presumed dead. */
  readonly idleMs: number;
  /** How often such entries are looked for. */
  readonly everyMs: number;
}
const CLAIM_TIMES: ClaimTimes = { idleMs: 10_000, everyMs: 5_000 };

/** One stream entry: the events of many agents of one partition. */
export interface EventBatch {
  readonly partition: Partition;
  readonly entryId: string;
  readonly events: readonly AgentEvent[];
}

/** Reads and acknowledges the event streams. */
export interface Events {
  /**
   * Hands every batch to `project`, those of crashed consumers too, until the signal aborts. A batch is
   * acknowledged when `project` resolves; one that throws comes again. Resolves when nothing is in hand.
   */
  consume(
    consumer: string,
    project: (batches: readonly EventBatch[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Has the projector look up again what operators say of some agents. */
  lookAgain(uids: readonly InstanceUid[], nowMs: number): Promise<void>;
  /** Entries that wait in all streams. */
  lag(): Promise<number>;
}

type Entries = readonly (readonly [id: string, fields: readonly string[] | null])[];

/** Readers block on connections of their own to `url`, whose trouble `onError` is told; they end with their signal. */
export function createEvents(
  fleet: Redis,
  url: string,
  partitions: number,
  onError: OnRedisError,
  claimTimes: ClaimTimes = CLAIM_TIMES,
): Events {
  const all = Array.from({ length: partitions }, (_, p) => p);
  return {
    async lag() {
      const lengths = await Promise.all(all.map((p) => fleet.xlen(fleetKeys.events(p))));
      return lengths.reduce((sum, length) => sum + length, 0);
    },
    async lookAgain(uids, nowMs) {
      const head = { kind: "agent.metadata-changed", epoch: 0, n: 0, atMs: nowMs } as const;
      await eachPartition(
        uids,
        partitions,
        (uid) => uid,
        async (p, some) => {
          const events: readonly AgentEvent[] = some.map((uid) => ({ ...head, uid }));
          await fleet.xadd(fleetKeys.events(p), "*", "e", JSON.stringify(events));
          return some;
        },
      );
    },
    async consume(consumer, project, ended) {
      const consumeSome = async (some: readonly Partition[], signal: AbortSignal): Promise<void> => {
        const reader = openPatient(url, onError);
        const stop = (): void => closeRedis(reader);
        signal.addEventListener("abort", stop, { once: true });
        try {
          await consumeAll({ fleet, reader, consumer, partitions: some, project, signal, claimTimes });
        } finally {
          closeRedis(reader);
        }
      };
      const groups = askedTogether(
        fleet,
        all.map((p) => fleetKeys.events(p)),
      );
      // Each group is the next partitions in their order.
      let next = 0;
      await allTogether(
        groups.map((keys) => keys.map(() => next++)),
        consumeSome,
        ended,
      );
    },
  };
}

interface Consumption {
  readonly fleet: Redis;
  readonly reader: Redis;
  readonly consumer: string;
  readonly partitions: readonly Partition[];
  readonly project: (batches: readonly EventBatch[]) => Promise<void>;
  readonly signal: AbortSignal;
  readonly claimTimes: ClaimTimes;
}

async function consumeAll(consumption: Consumption): Promise<void> {
  const { fleet, signal, claimTimes } = consumption;
  let claimedAtMs = 0;
  while (!signal.aborted) {
    try {
      if (Date.now() - claimedAtMs > claimTimes.everyMs) {
        claimedAtMs = Date.now();
        await claim(consumption);
      }
      await readOnce(consumption);
    } catch (error) {
      if (signal.aborted) return;
      // The streams are gone: a reader that waited on them is let go first, and then there is no group.
      if (error instanceof Error && /NOGROUP|UNBLOCKED/.test(error.message)) await createGroups(consumption);
      else if (isRedisAway(error)) await untilReady(fleet, signal);
      else throw error;
    }
  }
}

async function createGroups({ fleet, partitions }: Consumption): Promise<void> {
  const create = async (p: Partition): Promise<void> => {
    try {
      await fleet.xgroup("CREATE", fleetKeys.events(p), GROUP, "0", "MKSTREAM");
    } catch (error) {
      if (!(error instanceof Error && error.message.includes("BUSYGROUP"))) throw error;
    }
  };
  await Promise.all(partitions.map(create));
}

async function readOnce(consumption: Consumption): Promise<void> {
  const { reader, consumer, partitions } = consumption;
  const keys = partitions.map((p) => fleetKeys.events(p));
  // ioredis types the reply of XREADGROUP as unknown; RESP2 gives [[key, entries], ...] or null.
  const reply = (await reader.xreadgroup(
    "GROUP",
    GROUP,
    consumer,
    "COUNT",
    READ_COUNT,
    "BLOCK",
    READ_BLOCK_MS,
    "STREAMS",
    ...keys,
    ...keys.map(() => ">"),
  )) as readonly (readonly [key: string, entries: Entries])[] | null;
  const batches: EventBatch[] = [];
  for (const [key, entries] of reply ?? [])
    batches.push(...(await parseEntries(consumption, partitions[keys.indexOf(key)] ?? 0, entries)));
  await projectAll(consumption, batches);
}

/** Takes over what crashed consumers left. */
async function claim(consumption: Consumption): Promise<void> {
  const { fleet, consumer, partitions, claimTimes } = consumption;
  for (const p of partitions) {
    const [, entries] = (await fleet.xautoclaim(
      fleetKeys.events(p),
      GROUP,
      consumer,
      claimTimes.idleMs,
      "0",
      "COUNT",
      CLAIM_COUNT,
    )) as [next: string, entries: Entries, deleted: unknown]; // the reply as Redis documents it
    await projectAll(consumption, await parseEntries(consumption, p, entries));
  }
}

async function parseEntries(
  { fleet }: Consumption,
  partition: Partition,
  entries: Entries,
): Promise<readonly EventBatch[]> {
  const batches: EventBatch[] = [];
  for (const [entryId, fields] of entries) {
    const text = fields?.[1] ?? "[]";
    try {
      batches.push({ partition, entryId, events: parseEvents(text) });
    } catch {
      // An entry nobody can read must not stop the stream; it is kept where an operator finds it.
      await fleet.xadd(fleetKeys.deadLetters(partition), "MAXLEN", "~", DEAD_LETTERS, "*", "e", text);
      batches.push({ partition, entryId, events: [] });
    }
  }
  return batches;
}

/** @throws when the text is not what sessions.ts writes */
function parseEvents(text: string): readonly AgentEvent[] {
  const events: unknown = JSON.parse(text);
  if (!Array.isArray(events)) throw new TypeError("an entry holds a list of events");
  if (!events.every((event) => isEventKind(event?.kind))) throw new TypeError("an event is of no kind that is known");
  return events as readonly AgentEvent[]; // written by sessions.ts
}

async function projectAll({ fleet, project }: Consumption, batches: readonly EventBatch[]): Promise<void> {
  if (batches.length === 0) return;
  await project(batches);
  const ids = Map.groupBy(batches, (batch) => batch.partition);
  await Promise.all(
    [...ids].map(([p, done]) => {
      const entryIds = done.map((batch) => batch.entryId);
      // Together, or a crash in between would leave entries that nobody reads and that count as lag for ever.
      const key = fleetKeys.events(p);
      return fleet
        .multi()
        .xack(key, GROUP, ...entryIds)
        .xdel(key, ...entryIds)
        .exec();
    }),
  );
}
