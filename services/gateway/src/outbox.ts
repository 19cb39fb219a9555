// What waits to be written to the store: per agent one merged snapshot, flushed in micro-batches, one script call per
// partition and tick. When Redis is away it goes on merging and writes later: bounded memory, nothing lost.
//
// Invariants
//   O1. Per agent a few events of a kind wait at most (fleet's coalesce), and the bodies that these refer to.
//   O2. What a failed flush took is merged back under what came meanwhile; a flush that did happen is repeated
//       harmlessly, since events are fenced.
//   O3. One flush per partition at a time, so that an agent's checkpoints are written in order.

import { type AgentEvent, coalesce, type InstanceUid } from "@muster/fleet";
import type { Checkpoint, FlushOutcome, Partition, SessionFlush } from "@muster/store";

/** What the outbox needs of the world. */
export interface OutboxDeps {
  partitionOf(uid: InstanceUid): Partition;
  flush(partition: Partition, batch: readonly SessionFlush[]): Promise<FlushOutcome>;
  putBody(partition: Partition, address: string, body: Uint8Array): Promise<void>;
  /** Told when a session that still waits or lives is no longer ours, or is unknown to the store. */
  onLost(uid: InstanceUid, epoch: number, what: "superseded" | "unknown"): void;
  onFlushed(count: number): void;
  onError(error: unknown): void;
}

/** One agent's waiting snapshot. */
interface Waiting {
  readonly epoch: number;
  readonly events: readonly AgentEvent[];
  /** By address. */
  readonly bodies: ReadonlyMap<string, Uint8Array>;
  readonly ending: AgentEvent | null;
  /** The session goes on at another gateway. */
  readonly isLeft: boolean;
  /** Asked when the flush happens, so that it is as new as the events. */
  readonly checkpoint: () => Checkpoint;
}

/** The agent, session and its checkpoint, for whatever is added. */
export interface Source {
  readonly uid: InstanceUid;
  readonly epoch: number;
  readonly checkpoint: () => Checkpoint;
}

/** What waits to be written. */
export interface Outbox {
  add(source: Source, event: AgentEvent): void;
  /** Said before the event that refers to the body. */
  keepBody(source: Source, address: string, body: Uint8Array): void;
  /** Writes the session's last checkpoint with how it ended; null: it goes on elsewhere. */
  end(source: Source, event: AgentEvent | null): void;
  /** Writes the checkpoint although nothing changed. */
  touch(source: Source): void;
  /** Flushes whatever waits for this agent; false when the store could not take it. */
  flushAgent(uid: InstanceUid): Promise<boolean>;
  /** Resolves as soon as something waits, or the signal aborts. For one caller at a time. */
  filled(signal: AbortSignal): Promise<void>;
  /** Flushes everything that waits; false when the store could not take all of it. */
  flushAll(): Promise<boolean>;
  /** Agents with something that waits. */
  readonly size: number;
}

const NO_BODIES: ReadonlyMap<string, Uint8Array> = new Map();

/** Agents per script call: bounds how long Redis is busy with one. */
const MAX_BATCH = 250;

export function createOutbox(deps: OutboxDeps): Outbox {
  const partitions = new Map<Partition, Map<InstanceUid, Waiting>>();
  const flushing = new Map<Partition, Promise<boolean>>();
  const following = new Map<Partition, Promise<boolean>>();
  /** Agents whose changes are being written at this moment. */
  const inHand = new Set<InstanceUid>();

  const alarm = createAlarm();

  const waitingOf = (uid: InstanceUid): Map<InstanceUid, Waiting> => {
    const p = deps.partitionOf(uid);
    const existing = partitions.get(p);
    if (existing !== undefined) return existing;
    const fresh = new Map<InstanceUid, Waiting>();
    partitions.set(p, fresh);
    return fresh;
  };

  const change = ({ uid, epoch, checkpoint }: Source, edit: (waiting: Waiting) => Waiting): void => {
    const waiting = waitingOf(uid);
    const before = waiting.get(uid) ?? {
      epoch,
      events: [],
      bodies: NO_BODIES,
      ending: null,
      isLeft: false,
      checkpoint,
    };
    // A session that begins while the last one's end still waits takes its events along; its own end would be late.
    const current = before.epoch === epoch ? before : { ...before, epoch, ending: null, isLeft: false };
    waiting.set(uid, edit({ ...current, checkpoint }));
    alarm.ring();
  };

  const begin = (p: Partition): Promise<boolean> => {
    const flush = flushWaiting(p, partitions.get(p) ?? new Map(), inHand, deps).finally(() => flushing.delete(p));
    flushing.set(p, flush);
    return flush;
  };

  /** Whoever comes while a flush runs shares the next one; when the running one fails, so have they all. */
  const flushPartition = (p: Partition): Promise<boolean> => {
    const running = flushing.get(p);
    if (running === undefined) return begin(p);
    const shared = following.get(p);
    if (shared !== undefined) return shared;
    const next = running.then((isWritten) => {
      following.delete(p);
      return isWritten && begin(p);
    });
    following.set(p, next);
    return next;
  };

  return {
    add: (source, event) => change(source, (w) => withEvent(w, event)),
    keepBody: (source, address, body) =>
      change(source, (w) => ({ ...w, bodies: new Map([...w.bodies, [address, body]]) })),
    end: (source, event) => change(source, (w) => ({ ...w, ending: event, isLeft: event === null })),
    touch: (source) => change(source, (w) => w),
    async flushAgent(uid) {
      const p = deps.partitionOf(uid);
      // Nothing of it waits, and no flush that is under way holds it: in a storm of agents nobody flushes for the others.
      if (partitions.get(p)?.has(uid) !== true && !inHand.has(uid)) return true;
      return await flushPartition(p);
    },
    async filled(signal) {
      if (this.size === 0) await alarm.rung(signal);
    },
    async flushAll() {
      const done = await Promise.all([...partitions.keys()].map(flushPartition));
      return done.every((isDone) => isDone);
    },
    get size() {
      let count = 0;
      for (const waiting of partitions.values()) count += waiting.size;
      return count;
    },
  };
}

/** Wakes one who waits for it. */
function createAlarm() {
  let ring = (): void => undefined;
  return {
    ring: () => ring(),
    /** Resolves when it rings next, or the signal aborts. */
    rung(signal: AbortSignal): Promise<void> {
      if (signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = (): void => {
          ring = () => undefined;
          signal.removeEventListener("abort", wake);
          resolve();
        };
        ring = wake;
        signal.addEventListener("abort", wake, { once: true });
      });
    },
  };
}

/** Flushes what waits in one partition, MAX_BATCH agents at a time. */
async function flushWaiting(
  p: Partition,
  waiting: Map<InstanceUid, Waiting>,
  inHand: Set<InstanceUid>,
  deps: OutboxDeps,
): Promise<boolean> {
  while (waiting.size > 0) {
    const taken = [...waiting].slice(0, MAX_BATCH);
    for (const [uid] of taken) {
      waiting.delete(uid);
      inHand.add(uid);
    }
    const isWritten = await writeBatch(p, taken, deps);
    for (const [uid] of taken) inHand.delete(uid);
    if (isWritten) continue;
    for (const [uid, older] of taken) waiting.set(uid, mergeBack(older, waiting.get(uid)));
    return false;
  }
  return true;
}

async function writeBatch(
  p: Partition,
  taken: readonly (readonly [InstanceUid, Waiting])[],
  deps: OutboxDeps,
): Promise<boolean> {
  try {
    // Bodies first: a view must never point at one that is not there.
    await Promise.all(
      taken.flatMap(([, { bodies }]) => [...bodies].map(([address, body]) => deps.putBody(p, address, body))),
    );
    const batch = taken.map(([uid, { epoch, events, ending, isLeft, checkpoint }]) => ({
      uid,
      epoch,
      events,
      ending,
      state: stateOf(ending, isLeft),
      checkpoint: checkpoint(),
    }));
    const outcome = await deps.flush(p, batch);
    if (outcome.kind === "full") {
      deps.onError(new Error("the event stream is full: no projector keeps up; changes wait in memory"));
      return false;
    }
    deps.onFlushed(taken.length);
    for (const [i, { uid, epoch }] of batch.entries()) {
      const fate = outcome.sessions[i];
      if (fate === "superseded" || fate === "unknown") deps.onLost(uid, epoch, fate);
    }
    return true;
  } catch (error) {
    deps.onError(error);
    return false;
  }
}

function stateOf(ending: AgentEvent | null, isLeft: boolean): SessionFlush["state"] {
  if (ending !== null) return "ended";
  return isLeft ? "between" : "open";
}

function mergeBack(older: Waiting, newer: Waiting | undefined): Waiting {
  if (newer === undefined) return older;
  const ending = newer.ending ?? (newer.epoch === older.epoch ? older.ending : null);
  const bodies = new Map([...older.bodies, ...newer.bodies]);
  return withEvents({ ...newer, bodies, ending }, newer.events.reduce<readonly AgentEvent[]>(coalesce, older.events));
}

function withEvent(waiting: Waiting, event: AgentEvent): Waiting {
  const events = coalesce(waiting.events, event);
  // Where it took no other's place, every body is still referred to.
  return events.length > waiting.events.length ? { ...waiting, events } : withEvents(waiting, events);
}

/** Forgets the bodies that no event refers to any more. */
function withEvents(waiting: Waiting, events: readonly AgentEvent[]): Waiting {
  if (waiting.bodies.size === 0) return { ...waiting, events };
  const used = new Set(events.map((event) => ("body" in event ? event.body : null)));
  return { ...waiting, events, bodies: new Map([...waiting.bodies].filter(([address]) => used.has(address))) };
}
