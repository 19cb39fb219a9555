// This gateway among the others: says that it lives, hears hints, and notices when the fleet state was lost. Everything
// here is paced, because it touches every session: a thousand sockets a second, not all at once.

import type { DesiredRecord, GatewayId, InstanceUid } from "@muster/fleet";
import type { Gateways, Hint, Incarnation } from "@muster/store";
import type { Hub } from "./hub.ts";

/** What it needs. */
export interface PresenceDeps {
  readonly self: GatewayId;
  readonly hub: Hub;
  readonly gateways: Gateways;
  loadDesired(uids: readonly InstanceUid[]): Promise<readonly (DesiredRecord | null)[]>;
  /** Flushes what waits for one agent. */
  flushAgent(uid: InstanceUid): Promise<boolean>;
  handedOver(uid: InstanceUid): void;
  delay(ms: number, signal: AbortSignal): Promise<void>;
  background(name: string, task: Promise<void>): void;
  onError(error: unknown): void;
  /** What others may know of this gateway, as JSON. */
  readonly info: string;
  readonly resyncMs: number;
}

/** How often the lease is renewed: three times in the time it holds. */
const RENEW_MS = 3_000;
/** Hints are gathered this long, so that a wave costs a few reads and not one per agent. */
const GATHER_MS = 10;
/** After desired configs could not be read. */
const LOOK_AGAIN_MS = 1_000;
/** Sessions touched at a time, and the pause between, when all are. */
const PACE_COUNT = 250;
const PACE_MS = 100;

/** This gateway among the others. */
export interface Presence {
  /** Runs until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createPresence(deps: PresenceDeps): Presence {
  return new GatewayPresence(deps);
}

class GatewayPresence implements Presence {
  readonly #deps: PresenceDeps;
  readonly #toLook = new Set<InstanceUid>();
  #isLooking = false;
  #incarnation: Incarnation | null = null;

  constructor(deps: PresenceDeps) {
    this.#deps = deps;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { gateways, self } = this.#deps;
    const hints = gateways.readInbox(
      self,
      (hint) => this.#take(hint, signal),
      () => this.#lookAtAll(signal),
      signal,
    );
    await Promise.all([hints, this.#renew(signal), this.#resync(signal)]);
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { gateways, self, info } = this.#deps;
    while (!signal.aborted) {
      try {
        const { incarnation, hadLapsed } = await gateways.renew(self, info);
        const before = this.#incarnation;
        this.#incarnation = incarnation;
        // Either nothing is known of the agents any more, or they were taken for lost together with this gateway.
        const mustTellAgain = before !== null && (before.id !== incarnation.id || hadLapsed);
        if (mustTellAgain) this.#deps.background("reopen sessions", this.#reopenAll(signal));
      } catch (error) {
        this.#deps.onError(error);
      }
      await this.#deps.delay(RENEW_MS, signal);
    }
  }

  async #resync(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#deps.delay(this.#deps.resyncMs, signal);
      if (!signal.aborted) this.#lookAtAll(signal);
    }
  }

  #take(hint: Hint, signal: AbortSignal): void {
    switch (hint.kind) {
      case "desired":
        for (const uid of hint.uids) if (this.#deps.hub.entries.has(uid)) this.#toLook.add(uid);
        return this.#look(signal);
      case "hand-over":
        return this.#deps.background("hand over", this.#handOver(hint));
      case "handed-over":
        return this.#deps.handedOver(hint.uid);
      case "superseded":
        return this.#deps.hub.letGo(hint.uid, hint.epoch);
    }
  }

  async #handOver({ uid, epoch, to }: Extract<Hint, { kind: "hand-over" }>): Promise<void> {
    this.#deps.hub.letGo(uid, epoch);
    // Says so even when there was nothing to write: the other one waits.
    await this.#deps.flushAgent(uid);
    await this.#deps.gateways.hint(to, { kind: "handed-over", uid });
  }

  #lookAtAll(signal: AbortSignal): void {
    for (const uid of this.#deps.hub.entries.keys()) this.#toLook.add(uid);
    this.#look(signal);
  }

  #look(signal: AbortSignal): void {
    if (this.#isLooking || this.#toLook.size === 0) return;
    this.#isLooking = true;
    this.#deps.background("read desired configs", this.#lookUntilDone(signal));
  }

  async #lookUntilDone(signal: AbortSignal): Promise<void> {
    await this.#deps.delay(GATHER_MS, signal);
    while (this.#toLook.size > 0 && !signal.aborted) {
      const uids = [...this.#toLook].slice(0, PACE_COUNT);
      for (const uid of uids) this.#toLook.delete(uid);
      try {
        const desired = await this.#deps.loadDesired(uids);
        for (const [i, uid] of uids.entries()) this.#deps.hub.desired(uid, desired[i] ?? null);
      } catch (error) {
        // Redis is away. The hints are gone from the inbox, so they must not be forgotten here.
        for (const uid of uids) this.#toLook.add(uid);
        this.#deps.onError(error);
        await this.#deps.delay(LOOK_AGAIN_MS, signal);
      }
    }
    this.#isLooking = false;
  }

  async #reopenAll(signal: AbortSignal): Promise<void> {
    let count = 0;
    for (const uid of [...this.#deps.hub.entries.keys()]) {
      this.#deps.hub.reopen(uid);
      count += 1;
      if (count % PACE_COUNT === 0) await this.#deps.delay(PACE_MS, signal);
    }
  }
}
