// Fire-and-forget that is not forgotten: every task is counted, its failure is logged, and shutdown waits for it.
// Not a queue and not a limiter: the task is already running when it arrives here.

import { field, type Logger } from "@muster/telemetry";

/** Takes over a running task; its failure is logged as `background.failed` and goes no further. */
export type RunInBackground = (name: string, task: Promise<unknown>) => void;

/** The tasks of one process. */
export interface Background {
  readonly background: RunInBackground;
  /** Names of running tasks, one entry each. */
  openNames(): string[];
  /** Resolves when no task runs, including those started while waiting. */
  idle(): Promise<void>;
}

/** Starts with no tasks. */
export function createBackground(log: Logger): Background {
  const open = new Map<Promise<void>, string>();
  return {
    background(name, task) {
      const watched = task.then(
        () => {},
        (error: unknown) => log.error("background.failed", { task: name, [field.error]: error }),
      );
      open.set(watched, name);
      void watched.then(() => open.delete(watched)); // never rejects: both outcomes are dealt with above
    },
    openNames: () => [...open.values()],
    async idle() {
      while (open.size > 0) await Promise.all(open.keys());
    },
  };
}
