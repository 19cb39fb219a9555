// This gateway among the others: says that it lives, hears hints, and notices when the fleet state was lost. Everything
// here is paced, because it touches every session: a thousand sockets a second, not all at once.

import type { DesiredRecord, GatewayId, InstanceUid } from "@muster/fleet";
import type { Gateways, Hint, Incarnation } from "@muster/store";
import type { Hub } from "./hub.ts";
import type { Wanted } from "./settings.ts";

/** What it needs. */
export interface PresenceDeps {
  readonly self: GatewayId;
  readonly hub: Hub;
  readonly gateways: Gateways;
  loadDesired(uids: readonly InstanceUid[]): Promise<readonly (DesiredRecord | null)[]>;
  /** Flushes what waits for one agent. */
  flushAgent(uid: InstanceUid): Promise<boolean>;
  handedOver(uid: InstanceUid, isAlive: boolean): void;
  pinging(uid: InstanceUid): void;
  /** Takes an agent back that another gateway claimed although it answers here; the new epoch. */
  reclaim(uid: InstanceUid): Promise<number>;
  loadWanted(uid: InstanceUid): Promise<Wanted>;
  nowMs(): number;
  /** Told that the store may have lost everything that was known to be there. */
  onLost(): void;
  /** Told how many gateways share the fleet. */
  onShared(liveCount: number): void;
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
/**
 * Reads of desired configs under way. While one is awaited, a gateway takes in whatever came from agents: in a broadcast that is
 * what the first ones answer, and the last ones would wait for it. More at once would keep everybody else waiting for longer than
 * a fifth of a second.
 */
const LOOKS_AT_ONCE = 4;
const BROADCAST_LOOKS_AT_ONCE = 16;

/** Hints of so many agents, with no longer pauses between them, are a broadcast. */
const BROADCAST_COUNT = 500;
const BROADCAST_PAUSE_MS = 500;

/** This gateway among the others. */
export interface Presence {
  /** Runs until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Whether many agents are being offered something at this moment. */
  isBroadcasting(): boolean;
}

export function createPresence(deps: PresenceDeps): Presence {
  return new GatewayPresence(deps);
}

class GatewayPresence implements Presence {
  readonly #deps: PresenceDeps;
  readonly #toLook = new Set<InstanceUid>();
  #isLooking = false;
  /** Agents of the hints that came one upon the other, and when the last one came. */
  #hinted = { count: 0, atMs: 0 };
  /** Whether those that are looked at now are of a broadcast: the last of them may be offered long after the last hint. */
  #isOfferingMany = false;
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

  isBroadcasting(): boolean {
    const isHinting = this.#deps.nowMs() - this.#hinted.atMs < BROADCAST_PAUSE_MS;
    return this.#isOfferingMany || (isHinting && this.#hinted.count >= BROADCAST_COUNT);
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { gateways, self, info } = this.#deps;
    while (!signal.aborted) {
      try {
        const { incarnation, hadLapsed, liveCount } = await gateways.renew(self, info);
        this.#deps.onShared(liveCount);
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
        this.#noteHinted(hint.uids.length);
        for (const uid of hint.uids) if (this.#deps.hub.entries.has(uid)) this.#toLook.add(uid);
        return this.#look(signal);
      case "hand-over":
        return this.#deps.background("hand over", this.#handOver(hint));
      case "handed-over":
        return this.#deps.handedOver(hint.uid, hint.isAlive ?? false);
      case "pinging":
        return this.#deps.pinging(hint.uid);
      case "actions":
        return this.#deps.hub.feed(hint.uid, { kind: "actions-wait" });
      case "settings":
        return this.#deps.background("read settings", this.#readWanted(hint.uid));
      case "superseded":
        return this.#deps.hub.letGo(hint.uid, hint.epoch);
    }
  }

  #noteHinted(count: number): void {
    const atMs = this.#deps.nowMs();
    const isNext = atMs - this.#hinted.atMs < BROADCAST_PAUSE_MS;
    this.#hinted = { count: count + (isNext ? this.#hinted.count : 0), atMs };
  }

  async #handOver({ uid, epoch, to, transport }: Extract<Hint, { kind: "hand-over" }>): Promise<void> {
    const { hub, gateways, flushAgent } = this.#deps;
    // Two WebSockets with one uid: if the one here answers, the other is a twin and the agent stays (R145).
    const mustPing = transport === "websocket" && hub.entries.get(uid)?.connection?.isClosed === false;
    if (mustPing) await gateways.hint(to, { kind: "pinging", uid });
    const isAlive = mustPing && (await hub.answers(uid)) && (await this.#reclaim(uid));
    if (!isAlive) hub.letGo(uid, epoch);
    // Says so even when there was nothing to write: the other one waits.
    await flushAgent(uid);
    await gateways.hint(to, { kind: "handed-over", uid, isAlive });
  }

  /** False when it cannot be taken back: then it is better off with the one that has it. */
  async #reclaim(uid: InstanceUid): Promise<boolean> {
    const { hub, reclaim, onError } = this.#deps;
    try {
      const epoch = await reclaim(uid);
      if (hub.entries.has(uid)) hub.feed(uid, { kind: "reclaimed", epoch });
      else hub.endAbsent(uid, epoch); // it left while it was taken back
      return true;
    } catch (error) {
      onError(error);
      return false;
    }
  }

  async #readWanted(uid: InstanceUid): Promise<void> {
    const { hub, loadWanted, nowMs, onError } = this.#deps;
    if (!hub.entries.has(uid)) return;
    try {
      hub.feed(uid, { kind: "wanted", wanted: await loadWanted(uid), nowMs: nowMs() });
    } catch (error) {
      onError(error); // the agent's next connection reads them
    }
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
      this.#isOfferingMany = this.isBroadcasting();
      const looksAtOnce = this.#isOfferingMany ? BROADCAST_LOOKS_AT_ONCE : LOOKS_AT_ONCE;
      const uids = [...this.#toLook].slice(0, looksAtOnce * PACE_COUNT);
      for (const uid of uids) this.#toLook.delete(uid);
      const groups = Array.from({ length: Math.ceil(uids.length / PACE_COUNT) }, (_, i) =>
        uids.slice(i * PACE_COUNT, (i + 1) * PACE_COUNT),
      );
      const areRead = await Promise.all(groups.map((group) => this.#lookAt(group)));
      if (areRead.includes(false)) await this.#deps.delay(LOOK_AGAIN_MS, signal);
    }
    this.#isOfferingMany = false;
    this.#isLooking = false;
  }

  /** Answers false when they could not be read; they are then to be looked at again. */
  async #lookAt(uids: readonly InstanceUid[]): Promise<boolean> {
    try {
      const desired = await this.#deps.loadDesired(uids);
      for (const [i, uid] of uids.entries()) this.#deps.hub.desired(uid, desired[i] ?? null);
      return true;
    } catch (error) {
      // Redis is away. The hints are gone from the inbox, so they must not be forgotten here.
      for (const uid of uids) this.#toLook.add(uid);
      this.#deps.onError(error);
      return false;
    }
  }

  async #reopenAll(signal: AbortSignal): Promise<void> {
    this.#deps.onLost();
    let count = 0;
    for (const uid of [...this.#deps.hub.entries.keys()]) {
      this.#deps.hub.feed(uid, { kind: "lost" });
      count += 1;
      if (count % PACE_COUNT === 0) await this.#deps.delay(PACE_MS, signal);
    }
  }
}
