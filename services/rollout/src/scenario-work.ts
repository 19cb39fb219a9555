// The work queue of a scenario, whose time the spec moves, and the workers that take from it: one after the other by turns,
// both at once, or one that dies or stalls at a chosen step. Used by specs only (scenario-world.ts).
//
// As BullMQ does it (store/src/queue.ts): waiting jobs of one kind and id are one, a job that is asked for while it is being
// worked comes again (but for a measurement, which does not), and a job whose worker died comes again once its lock ran out.

import type { RolloutId } from "@muster/fleet";
import type { Partition, Store, WorkHandlers, WorkQueue } from "@muster/store";

/** What goes wrong, before every step that it answers true for. */
export interface Fault {
  readonly kind: "dies" | "stalls";
  /** @param n counts the steps of all workers, from 0 */
  isAt(step: string, n: number): boolean;
}

/** A fault before the first step of a name. */
export function once(kind: Fault["kind"], step: string): Fault {
  let isDone = false;
  return {
    kind,
    isAt(name) {
      const isNow = !isDone && name === step;
      isDone ||= isNow;
      return isNow;
    },
  };
}

/** When the lock of a job that nobody renews is taken for lost. */
const LOCK_MS = 30_000;
/** A worker that stalled goes on this long after its job was given to another. */
const ZOMBIE_MS = 1_000;

class WorkerDied extends Error {}

interface Job {
  readonly atMs: number;
  readonly run: (handlers: WorkHandlers) => Promise<void>;
}

interface Worker {
  readonly handlers: WorkHandlers;
  isDead: boolean;
  /** Set while it stalls: lets it go on. */
  goOn: (() => void) | null;
  onStall: () => void;
}

/** Makes the handlers of one worker over what it is given. */
export type CreateWorker = (store: Store, queue: WorkQueue) => WorkHandlers;

/** Jobs and the workers that do them. */
export class ScenarioWork implements WorkQueue {
  /** Steps that change anything: calls of workers to the store and to the queue. */
  steps: string[] = [];
  fault: Fault | null = null;
  /** Whether something was left undone that no job stands for any more. */
  hasLostJobs = false;
  /** Every look at a rollout is made by both workers at the same moment. */
  isRacing = false;
  /** Everything that is due is done at the same moment. */
  isJoint = false;
  readonly #nowMs: () => number;
  readonly #jobs = new Map<string, Job>();
  readonly #workers: Worker[] = [];
  #active: string | null = null;
  #turn = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Adds a worker over a store of its own. */
  addWorker(store: Store, create: CreateWorker): void {
    const guard = (step: string, act: () => Promise<unknown>) => this.#step(worker, step, act);
    const queue = guarded<WorkQueue>(this.#asking(), ["requestReconcileAt", "requestMeasure", "requestAssign"], guard);
    const handlers = create(
      {
        ...store,
        rollouts: guarded(store.rollouts, ["commit", "exclude", "forgive", "record"], guard),
        desired: guarded(store.desired, ["assign", "decideAgain", "settle", "setAssignedVersion"], guard),
        gateways: guarded(store.gateways, ["hint"], guard),
      },
      queue,
    );
    const worker: Worker = { handlers, isDead: false, goOn: null, onStall: () => undefined };
    this.#workers.push(worker);
  }

  requestReconcile(id: RolloutId): Promise<void> {
    return this.#add(`reconcile ${id}`, this.#nowMs(), (worker) => worker.reconcile(id));
  }

  requestReconcileNow(id: RolloutId): Promise<void> {
    return this.requestReconcile(id);
  }

  putOffReconcile(id: RolloutId, atMs: number): Promise<void> {
    return this.#add(`reconcile ${id}`, atMs, (worker) => worker.reconcile(id));
  }

  requestReconcileAt(id: RolloutId, atMs: number): Promise<void> {
    this.#jobs.delete(`wake ${id}`);
    return this.#add(`wake ${id}`, atMs, (worker) => worker.reconcile(id));
  }

  ensureReconcile(id: RolloutId): Promise<void> {
    return this.#add(`wake ${id}`, this.#nowMs(), (worker) => worker.reconcile(id));
  }

  async requestMeasure(id: RolloutId): Promise<void> {
    const key = `measure ${id}`;
    if (this.#active !== key) await this.#add(key, this.#nowMs(), (worker) => worker.measure(id));
  }

  requestAssign(partition: Partition): Promise<void> {
    return this.#add(`assign ${partition}`, this.#nowMs(), (worker) => worker.assign(partition));
  }

  async close(): Promise<void> {
    this.#jobs.clear();
  }

  /** Forgets what waits, as a queue does that lost its Redis; the sweep makes up for it. */
  forget(): void {
    this.#jobs.clear();
    this.hasLostJobs = true;
  }

  /** Looks at everything that a lost job might have left. */
  sweep(): Promise<void> {
    return this.#add("sweep", this.#nowMs(), (worker) => worker.sweep());
  }

  /** When a job is due next. */
  nextAtMs(): number {
    return [...this.#jobs.values()].reduce((soonest, { atMs }) => Math.min(soonest, atMs), Number.POSITIVE_INFINITY);
  }

  /** Whether somebody is going to look at a rollout. */
  isWaitingFor(id: RolloutId): boolean {
    return this.#jobs.has(`wake ${id}`) || this.#jobs.has(`reconcile ${id}`);
  }

  /** Does what is due. Answers whether there was anything. */
  async run(): Promise<boolean> {
    const due = [...this.#jobs].filter(([, { atMs }]) => atMs <= this.#nowMs());
    if (this.isJoint) {
      for (const [key] of due) this.#jobs.delete(key);
      await Promise.all(due.map(([key, job]) => this.#work(key, job)));
      return due.length > 0;
    }
    for (const [key, job] of due) {
      this.#jobs.delete(key);
      this.#active = key;
      await this.#work(key, job);
      this.#active = null;
    }
    return due.length > 0;
  }

  async #work(key: string, job: Job): Promise<void> {
    const isRace = this.isRacing && (key.startsWith("wake") || key.startsWith("reconcile"));
    const workers = isRace ? this.#workers.filter(({ goOn }) => goOn === null) : [this.#next()];
    await Promise.all(workers.map((worker) => this.#workOn(worker, key, job)));
  }

  async #workOn(worker: Worker, key: string, job: Job): Promise<void> {
    worker.isDead = false;
    const stalled = new Promise<"stalled">((resolve) => {
      worker.onStall = () => resolve("stalled");
    });
    const done = job.run(worker.handlers).then(
      () => "done" as const,
      (error: unknown) => {
        if (error instanceof WorkerDied) return "died" as const;
        throw error;
      },
    );
    const outcome = await Promise.race([done, stalled]);
    if (outcome === "done") return;
    this.hasLostJobs = true;
    const lostAtMs = this.#nowMs() + LOCK_MS;
    await this.#add(key, lostAtMs, job.run);
    if (outcome === "died") return;
    await this.#add(`zombie ${key}`, lostAtMs + ZOMBIE_MS, async () => {
      worker.goOn?.();
      await done;
      worker.goOn = null;
    });
  }

  /** The worker whose turn it is; one that stalls has none. */
  #next(): Worker {
    const free = this.#workers.filter(({ goOn }) => goOn === null);
    this.#turn += 1;
    const worker = free[this.#turn % free.length];
    if (worker === undefined) throw new Error("every worker stalls");
    return worker;
  }

  async #step(worker: Worker, step: string, act: () => Promise<unknown>): Promise<unknown> {
    if (worker.isDead) throw new WorkerDied();
    const n = this.steps.push(step) - 1;
    const { fault } = this;
    // One has to be left to work, and one that goes on after a stall goes on to the end.
    const canStall = worker.goOn === null && this.#workers.filter(({ goOn }) => goOn === null).length > 1;
    if ((fault?.kind === "dies" || canStall) && fault?.isAt(step, n)) {
      if (fault.kind === "dies") {
        worker.isDead = true;
        throw new WorkerDied();
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      worker.goOn = resolve;
      worker.onStall();
      await promise;
    }
    return await act();
  }

  async #add(key: string, atMs: number, run: Job["run"]): Promise<void> {
    if (!this.#jobs.has(key)) this.#jobs.set(key, { atMs, run });
  }

  /** The asking side, as workers are given it. */
  #asking(): WorkQueue {
    return {
      requestReconcile: (id) => this.requestReconcile(id),
      requestReconcileNow: (id) => this.requestReconcileNow(id),
      putOffReconcile: (id, atMs) => this.putOffReconcile(id, atMs),
      requestReconcileAt: (id, atMs) => this.requestReconcileAt(id, atMs),
      ensureReconcile: (id) => this.ensureReconcile(id),
      requestMeasure: (id) => this.requestMeasure(id),
      requestAssign: (partition) => this.requestAssign(partition),
      close: () => this.close(),
    };
  }
}

/** The same, with some of its methods going through a guard first. */
function guarded<Of extends object>(
  of: Of,
  names: readonly (keyof Of & string)[],
  guard: (step: string, act: () => Promise<unknown>) => Promise<unknown>,
): Of {
  const wrapped = names.map((name) => {
    const method = of[name] as (...args: readonly unknown[]) => Promise<unknown>; // the names are those of methods
    return [name, (...args: readonly unknown[]) => guard(name, () => method(...args))] as const;
  });
  return { ...of, ...Object.fromEntries(wrapped) };
}
