// A latch that keeps at most one wake-up: whoever waits is woken by the next one, or at once by one that came before.
// Watches are built on it: a hint says "look again", never what changed.

/** See the file's head. */
export interface Latch {
  wake(): void;
  /** Resolves when woken, after `ms`, or when the signal aborts; the wake-up is used up then. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

/** A latch without a wake-up. */
export function createLatch(): Latch {
  let isAwake = false;
  let release: (() => void) | null = null;
  return {
    wake() {
      isAwake = true;
      release?.();
    },
    async wait(ms, signal) {
      if (!isAwake && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, ms);
        release = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
        await promise;
        clearTimeout(timer);
        release = null;
      }
      isAwake = false;
    },
  };
}
