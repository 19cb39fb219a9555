// Every way in which a process is asked to end, turned into one AbortSignal. The first request aborts it; the second
// one, or the deadline after the first, resolves `forced`. Touches the process's signals and standard input, so
// there is one of these per process, made by runService.

/** How a process is asked to end. */
export interface Stop {
  /** Aborts at the first request; its reason is an AbortError that says who asked. */
  readonly signal: AbortSignal;
  /** A request from inside, because going on is pointless. Later requests from outside force the end as usual. */
  abort(reason: string): void;
  /** Resolves with a sentence when waiting has to end: a second request, or the deadline. */
  readonly forced: Promise<string>;
}

/** What the stop of a process depends on. */
export interface StopOptions {
  /** How long after the first request `forced` resolves. */
  readonly drainMs: number;
  /** Whether the end of standard input counts as a request, so that a service does not outlive its launcher. */
  readonly watchParent: boolean;
}

/** Listens for SIGTERM, SIGINT, SIGHUP and, on request, for the end of standard input. */
export function listenForStop({ drainMs, watchParent }: StopOptions): Stop {
  const controller = new AbortController();
  let force: (why: string) => void = () => {};
  const forced = new Promise<string>((resolve) => {
    force = resolve;
  });

  const abort = (reason: string) => {
    if (controller.signal.aborted) return;
    setTimeout(force, drainMs, `not drained after ${drainMs} ms`);
    controller.abort(new DOMException(reason, "AbortError"));
  };
  const request = (reason: string) => {
    if (controller.signal.aborted) force(`${reason} while draining`);
    else abort(reason);
  };

  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(name, () => request(name));
  if (watchParent) watchStandardInput(() => abort("parent ended"));
  return { signal: controller.signal, abort, forced };
}

/** Calls `onEnd` when whoever holds the other end of our standard input is gone; perhaps more than once. */
function watchStandardInput(onEnd: () => void): void {
  process.stdin.once("end", onEnd).once("close", onEnd).once("error", onEnd);
  process.stdin.resume();
}
