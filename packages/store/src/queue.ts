// The work queue: the only file that knows BullMQ. Jobs carry ids and mean "look again"; whoever works one reads
// everything afresh, so a job that runs twice, late or beside its zombie does no harm. Four kinds:
//   reconcile  bring one rollout a step closer to its spec; waiting ones of the same rollout are one
//   measure    take the measurement that a gate of one rollout needs; waiting ones of the same rollout are one
//   assign     decide desired configs of one partition; waiting ones of the same partition are one
//   sweep      every half minute: look at everything that a lost job might have left

import type { RolloutId } from "@muster/fleet";
import { type Job, Queue, Worker } from "bullmq";
import type { Partition } from "./keys.ts";
import { QUEUE_PREFIX } from "./keys.ts";
import { closeRedis, type OnRedisError, openHot, openPatient } from "./redis.ts";

const NAME = "muster-work";
/** Measurements wait for others to answer, for half a minute maybe: they have a queue of their own and keep nobody waiting. */
const MEASURES = "muster-measures";
const SWEEP_EVERY_MS = 30_000;
/** Reports of many agents arrive together; one look soon after serves them all. */
const GATHER_MS = 100;
const CONCURRENCY = 8;
const LOCK_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const FINISHED = { removeOnComplete: true, removeOnFail: 100 } as const;
const RETRIES = { attempts: 5, backoff: { type: "exponential", delay: 500 } } as const;

/** Asks for work. Never fails the caller's own task: a lost request is healed by the sweep. */
export interface WorkQueue {
  /** Look at this rollout soon. */
  requestReconcile(id: RolloutId): Promise<void>;
  /** Look at this rollout at once, because a person waits for it; where somebody looks soon anyway, soon. */
  requestReconcileNow(id: RolloutId): Promise<void>;
  /**
   * A look at this rollout that was asked for is to be at that time (milliseconds since 1970): whoever asks meanwhile shares it,
   * also one who asks for it now, and no wake-up takes its place. It is seconds away at most.
   */
  putOffReconcile(id: RolloutId, atMs: number): Promise<void>;
  /** Look at this rollout at a time (milliseconds since 1970), which replaces the time that was asked for by this before. */
  requestReconcileAt(id: RolloutId, atMs: number): Promise<void>;
  /** Look at this rollout soon, unless somebody is going to at some time anyway. */
  ensureReconcile(id: RolloutId): Promise<void>;
  /** Take the measurement that a gate of this rollout needs. */
  requestMeasure(id: RolloutId): Promise<void>;
  /** Decide desired configs in this partition. */
  requestAssign(partition: Partition): Promise<void>;
  close(): Promise<void>;
}

/** Does the work. */
export interface WorkHandlers {
  reconcile(id: RolloutId): Promise<void>;
  measure(id: RolloutId): Promise<void>;
  assign(partition: Partition): Promise<void>;
  sweep(): Promise<void>;
}

type Payload = { readonly rolloutId?: RolloutId; readonly partition?: Partition };

/** Opens the asking side. */
export async function openQueue(url: string, onError: OnRedisError): Promise<WorkQueue> {
  const connection = await openHot(url, onError, CONNECT_TIMEOUT_MS);
  const open = (name: string): Queue<Payload> => {
    const options = { connection, prefix: QUEUE_PREFIX, defaultJobOptions: { ...FINISHED, ...RETRIES } };
    return new Queue<Payload>(name, options).on("error", onError);
  };
  const [queue, measures] = [open(NAME), open(MEASURES)];
  async function addReconcile(rolloutId: RolloutId, delay: number): Promise<void> {
    const deduplication = { id: `reconcile-${rolloutId}`, keepLastIfActive: true };
    await queue.add("reconcile", { rolloutId }, { deduplication, delay });
  }
  return {
    requestReconcile: (rolloutId) => addReconcile(rolloutId, GATHER_MS),
    requestReconcileNow: (rolloutId) => addReconcile(rolloutId, 0),
    putOffReconcile: (rolloutId, atMs) => addReconcile(rolloutId, Math.max(0, atMs - Date.now())),
    async requestReconcileAt(rolloutId, atMs) {
      // One wake-up per rollout: every look at it knows best when the next is due, so the newest replaces the others.
      const deduplication = { id: `wake-${rolloutId}`, replace: true, keepLastIfActive: true };
      await queue.add("reconcile", { rolloutId }, { deduplication, delay: Math.max(0, atMs - Date.now()) });
    },
    async ensureReconcile(rolloutId) {
      // The same id as the wake-up's, and no replacing: where one waits, this adds nothing.
      await queue.add(
        "reconcile",
        { rolloutId },
        { deduplication: { id: `wake-${rolloutId}`, keepLastIfActive: true } },
      );
    },
    async requestMeasure(rolloutId) {
      await measures.add("measure", { rolloutId }, { deduplication: { id: `measure-${rolloutId}` } });
    },
    async requestAssign(partition) {
      const deduplication = { id: `assign-${partition}`, keepLastIfActive: true };
      await queue.add("assign", { partition }, { deduplication });
    },
    async close() {
      await Promise.all([queue.close(), measures.close()]);
      closeRedis(connection);
    },
  };
}

/** Starts a worker; the answer closes it once the jobs in hand are done. */
export async function openWorker(
  url: string,
  handlers: WorkHandlers,
  onError: OnRedisError,
): Promise<() => Promise<void>> {
  const scheduling = await openHot(url, onError, CONNECT_TIMEOUT_MS);
  const queue = new Queue<Payload>(NAME, { connection: scheduling, prefix: QUEUE_PREFIX });
  queue.on("error", onError);
  await queue.upsertJobScheduler("sweep", { every: SWEEP_EVERY_MS }, { name: "sweep", opts: FINISHED });
  const connection = openPatient(url, onError);
  const open = (name: string): Worker<Payload> => {
    const worker = new Worker<Payload>(name, (job) => work(job, handlers), {
      connection,
      prefix: QUEUE_PREFIX,
      concurrency: CONCURRENCY,
      lockDuration: LOCK_MS,
      stalledInterval: LOCK_MS / 2,
      maxStalledCount: 10,
    });
    return worker.on("error", onError).on("failed", (_, error) => onError(error));
  };
  const workers = [open(NAME), open(MEASURES)];
  return async () => {
    await Promise.all(workers.map((worker) => worker.close()));
    await queue.close();
    closeRedis(scheduling);
    closeRedis(connection);
  };
}

async function work(job: Job<Payload>, handlers: WorkHandlers): Promise<void> {
  const { rolloutId, partition } = job.data;
  if (job.name === "reconcile" && rolloutId !== undefined) await handlers.reconcile(rolloutId);
  else if (job.name === "measure" && rolloutId !== undefined) await handlers.measure(rolloutId);
  else if (job.name === "assign" && partition !== undefined) await handlers.assign(partition);
  else if (job.name === "sweep") await handlers.sweep();
}
