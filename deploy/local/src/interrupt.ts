// Ctrl-C and its relatives, for the two commands. In a terminal one Ctrl-C arrives several times at once: from the
// terminal, from npm and from the bootstrap. So what comes within a second counts once, and a later one means it.

const sameRequestMs = 1000;

/** How this command is asked to end. */
export interface Interrupts {
  /** Aborts at the first request. */
  readonly signal: AbortSignal;
  /** Resolves when somebody asked again, a second or more later. */
  readonly insisted: Promise<void>;
}

/** Listens for SIGINT, SIGTERM, SIGHUP and for the end of the bootstrap that started us. */
export function listenForInterrupts(): Interrupts {
  const controller = new AbortController();
  let firstAtMs = 0;
  let insist = () => {};
  const insisted = new Promise<void>((resolve) => {
    insist = resolve;
  });
  const request = (what: string) => {
    if (controller.signal.aborted) {
      if (performance.now() - firstAtMs > sameRequestMs) insist();
      return;
    }
    firstAtMs = performance.now();
    controller.abort(new DOMException(what, "AbortError"));
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => request(name));
  // The bootstrap holds the other end of this channel and does nothing with it but exist.
  if (process.channel !== undefined) process.once("disconnect", () => request("the bootstrap ended"));
  return { signal: controller.signal, insisted };
}
