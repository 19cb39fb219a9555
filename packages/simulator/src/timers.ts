// The timers of one agent: at most one of each name.

import type { TimerName } from "./state.ts";

interface Armed {
  readonly timeout: NodeJS.Timeout;
  readonly afterMs: number;
}

/** Named one-shot timers that call `fire`. They hold the process: an agent that waits is alive. */
export class Timers {
  readonly #fire: (timer: TimerName) => void;
  readonly #armed = new Map<TimerName, Armed>();

  constructor(fire: (timer: TimerName) => void) {
    this.#fire = fire;
  }

  /** Fires once after `afterMs`; a timer of this name that is armed already is moved. */
  arm(timer: TimerName, afterMs: number): void {
    const armed = this.#armed.get(timer);
    if (armed?.afterMs === afterMs) {
      armed.timeout.refresh(); // the usual case: a heartbeat put off by another message
      return;
    }
    clearTimeout(armed?.timeout);
    const timeout = setTimeout(() => {
      this.#armed.delete(timer);
      this.#fire(timer);
    }, afterMs);
    this.#armed.set(timer, { timeout, afterMs });
  }

  /** Forgets a timer; fine if it is not armed. */
  disarm(timer: TimerName): void {
    clearTimeout(this.#armed.get(timer)?.timeout);
    this.#armed.delete(timer);
  }
}
