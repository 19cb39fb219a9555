// The event streams as the projector reads them: one consumer group over all partitions, at least once.
// An entry leaves the stream when it is acknowledged, so a stream's length is its lag and nothing unread is trimmed.

import { type AgentEvent, type InstanceUid, isEventKind } from "@muster/fleet";
import type { Redis } from "ioredis";
import { allTogether, askedTogether } from "./cluster.ts";
import { eachPartition } from "./each-partition.ts";
import { fleetKeys, type Partition } from "./keys.ts";
import { closeRedis, isRedisAway, type OnRedisError, openPatient, untilReady } from "./redis.ts";

const GROUP = "projector";
/** Entries of each stream that are read at once: another takes them over that are not done within `idleMs`. */
const READ_COUNT = 8;
/** Events that are projected together. All of a large read at once would outlive the young generation, and cost the collector much. */
const PORTION = 1_000;
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
   * acknowledged when `project` resolves; one that throws comes again, unless the error is a defect, such as a
   * TypeError: what cannot be projected of it is then put aside. Resolves when nothing is in hand.
   */
  consume(
    consumer: string,
    project: (batches: readonly EventBatch[]) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Entries that nobody could read or project, of all partitions. */
  deadLetters(): Promise<number>;
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
    lag: () => lengthOf(fleet, all.map(fleetKeys.events)),
    deadLetters: () => lengthOf(fleet, all.map(fleetKeys.deadLetters)),
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
          await consumeAll({ fleet, reader, consumer, partitions: some, project, signal, claimTimes, onError });
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

async function lengthOf(fleet: Redis, streams: readonly string[]): Promise<number> {
  const lengths = await Promise.all(streams.map((key) => fleet.xlen(key)));
  return lengths.reduce((sum, length) => sum + length, 0);
}

interface Consumption {
  readonly fleet: Redis;
  readonly reader: Redis;
  readonly consumer: string;
  readonly partitions: readonly Partition[];
  readonly project: (batches: readonly EventBatch[]) => Promise<void>;
  readonly signal: AbortSignal;
  readonly claimTimes: ClaimTimes;
  onError(error: Error): void;
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
  const read = (reply ?? []).flatMap(([key, entries]) => {
    const partition = partitions[keys.indexOf(key)] ?? 0;
    return entries.map((entry) => ({ partition, entry }));
  });
  await projectEntries(consumption, read);
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
    await projectEntries(
      consumption,
      entries.map((entry) => ({ partition: p, entry })),
    );
  }
}

/** An entry of a partition's stream. */
interface Read {
  readonly partition: Partition;
  readonly entry: Entries[number];
}

/** Projects and acknowledges what was read, a portion after another. */
async function projectEntries(consumption: Consumption, read: readonly Read[]): Promise<void> {
  let portion: EventBatch[] = [];
  let count = 0;
  for (const each of read) {
    const batch = await parseEntry(consumption, each);
    portion.push(batch);
    count += batch.events.length;
    if (count < PORTION) continue;
    await projectPortion(consumption, portion);
    portion = [];
    count = 0;
  }
  await projectPortion(consumption, portion);
}

/** Projects a portion; where there is something in it that nobody could ever project, all but that. */
async function projectPortion(consumption: Consumption, portion: readonly EventBatch[]): Promise<void> {
  if (portion.length === 0) return;
  try {
    await consumption.project(portion);
  } catch (error) {
    if (!isDefect(error)) throw error;
    for (const batch of portion) await projectEach(consumption, batch);
  }
  await acknowledge(consumption, portion);
}

/**
 * Projects an entry agent by agent. What of it is the fault itself is put aside, and nothing else: it would stop its stream, and
 * every projector with it, for ever.
 */
async function projectEach(consumption: Consumption, batch: EventBatch): Promise<void> {
  for (const events of Map.groupBy(batch.events, ({ uid }) => uid).values()) {
    try {
      await consumption.project([{ ...batch, events }]);
    } catch (error) {
      if (!isDefect(error)) throw error;
      // Where there are so many, it is the code that is wrong and not an entry: they wait for a better one.
      if ((await consumption.fleet.xlen(fleetKeys.deadLetters(batch.partition))) >= DEAD_LETTERS) throw error;
      await putAside(consumption, batch.partition, JSON.stringify(events));
      consumption.onError(error);
    }
  }
}

/** An error of code that met what it does not expect. What Redis or the world says is none: it passes. */
function isDefect(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
}

async function putAside({ fleet }: Consumption, partition: Partition, text: string): Promise<void> {
  await fleet.xadd(fleetKeys.deadLetters(partition), "MAXLEN", "~", DEAD_LETTERS, "*", "e", text);
}

async function parseEntry(consumption: Consumption, { partition, entry }: Read): Promise<EventBatch> {
  const [entryId, fields] = entry;
  const text = fields?.[1] ?? "[]";
  try {
    return { partition, entryId, events: parseEvents(text) };
  } catch {
    // An entry nobody can read must not stop the stream; it is kept where an operator finds it.
    await putAside(consumption, partition, text);
    return { partition, entryId, events: [] };
  }
}

/** @throws when the text is not what sessions.ts writes */
function parseEvents(text: string): readonly AgentEvent[] {
  const events: unknown = JSON.parse(text);
  if (!Array.isArray(events)) throw new TypeError("an entry holds a list of events");
  if (!events.every((event) => isEventKind(event?.kind))) throw new TypeError("an event is of no kind that is known");
  return events as readonly AgentEvent[]; // written by sessions.ts
}

async function acknowledge({ fleet }: Consumption, batches: readonly EventBatch[]): Promise<void> {
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
