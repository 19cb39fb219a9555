// A whole Muster over a real Redis, with time that the spec moves: two workers, model agents whose reports are folded into
// their views as the projector does, and gateways that offer what is desired of them. Rollouts of days are through in a
// second. Used by specs only.

import assert from "node:assert/strict";
import {
  type Approval,
  type ConfigHash,
  type Decision,
  type DesiredRecord,
  type InstanceUid,
  isEnded,
  parseConfigId,
  type RolloutId,
  type RolloutSpec,
  type RolloutStatus,
  targetedCount,
} from "@muster/fleet";
import { aHash, aRollout, ModelAgent, type ModelTraits } from "@muster/fleet/builders";
import { openStore, type Store, type StoredRollout } from "@muster/store";
import { createMetrics, silentLogger } from "@muster/telemetry";
import type { FinishedSpan } from "@muster/telemetry/trace";
import type { MeasureDeps } from "./measure.ts";
import { DAY, MINUTE, rolloutId, SECOND, START_MS } from "./scenario-ids.ts";
import { listen } from "./scenario-listen.ts";
import { untilBack, watchedStore } from "./scenario-store.ts";
import { ScenarioWork } from "./scenario-work.ts";
import { createHandlers } from "./worker.ts";

/** Where a world is. */
export interface WorldOptions {
  readonly redisUrl: string;
  /** Default: the same. */
  readonly controlUrl?: string;
  /** Where gates are measured; default: nowhere. */
  readonly gates?: (nowMs: () => number) => Pick<MeasureDeps, "providers" | "webhook">;
}

const PARTITIONS = 2;
/** Workers sweep every half minute; where no job was lost that finds nothing, and is seldom enough. */
const SWEEP_MS = 30 * SECOND;
const IDLE_SWEEP_MS = 20 * MINUTE;
const NO_GATES: Pick<MeasureDeps, "providers" | "webhook"> = {
  providers: new Map(),
  webhook: () => Promise.reject(new Error("there are no webhooks")),
};

/** A world. */
export class ScenarioWorld {
  nowMs = START_MS;
  readonly agents = new Map<InstanceUid, ModelAgent>();
  readonly work = new ScenarioWork(() => this.nowMs);
  readonly spans: FinishedSpan[] = [];
  /** Agents that an operator wanted tried again. */
  readonly retried = new Set<InstanceUid>();
  /** Called whenever everything has come to rest for a moment. */
  onRest: () => Promise<void> | void = () => undefined;
  readonly #options: WorldOptions;
  readonly #ending = new AbortController();
  #stores: readonly Store[] = [];
  /** Agents whose gateways have a reason to look at what is desired of them. */
  readonly #hinted = new Set<InstanceUid>();
  readonly #deleted = new Set<InstanceUid>();
  #lostAtMs = 0;
  #sweepAtMs = START_MS + IDLE_SWEEP_MS;

  private constructor(options: WorldOptions) {
    this.#options = options;
  }

  /** Opens a world over an empty Redis. */
  static async open(options: WorldOptions, agents: readonly ModelTraits[] = []): Promise<ScenarioWorld> {
    const world = new ScenarioWorld(options);
    const { redisUrl, controlUrl = redisUrl } = options;
    const open = () =>
      openStore({ redisUrl, controlUrl, partitions: PARTITIONS, encryptionKey: new Uint8Array(32), onError() {} });
    world.#stores = await Promise.all([open(), open()]);
    for (const store of world.#stores) world.#addWorker(store);
    await world.store.rollouts.fleetLostAtMs(); // from now on another fleet state is a loss
    for (const traits of agents) world.add(traits);
    await world.settle();
    return world;
  }

  close(): void {
    this.#ending.abort();
    for (const store of this.#stores) store.close();
  }

  /** Waits until every store has its connections again, after somebody restarted a Redis. */
  async reconnect(): Promise<void> {
    for (const store of this.#stores) await untilBack(store);
  }

  get store(): Store {
    const [store] = this.#stores;
    assert.ok(store !== undefined);
    return store;
  }

  #addWorker(opened: Store): void {
    const store = watchedStore(opened, {
      isDeleted: (uid) => this.#deleted.has(uid),
      onHint: (uid) => this.#hinted.add(uid),
      lostAtMs: () => this.#lostAtMs,
    });
    const gates = this.#options.gates?.(() => this.nowMs) ?? NO_GATES;
    this.work.addWorker(store, (guarded, queue) =>
      createHandlers({
        store: guarded,
        queue,
        clock: { nowMs: () => this.nowMs },
        log: silentLogger,
        metrics: createMetrics("rollout"),
        tracer: { record: (span) => this.spans.push(span), close: async () => undefined },
        gates,
        signal: this.#ending.signal,
      }),
    );
  }

  /** A new agent; it connects at once. */
  add(traits: ModelTraits): ModelAgent {
    const agent = new ModelAgent(traits, this.nowMs);
    this.agents.set(agent.uid, agent);
    return agent;
  }

  agent(uid: InstanceUid): ModelAgent {
    const agent = this.agents.get(uid);
    assert.ok(agent !== undefined, `there is no agent ${uid}`);
    return agent;
  }

  /** Forgets an agent, which is gone for good. */
  remove(uid: InstanceUid): void {
    this.agents.delete(uid);
    this.#deleted.add(uid);
  }

  /** The fleet state is there no more: whoever empties its Redis says so here, and the agents tell it again. */
  loseFleetState(): void {
    this.#lostAtMs = this.nowMs;
    for (const agent of this.agents.values()) agent.tellAgain(this.nowMs);
  }

  /** Starts a rollout as management does: of revision and hash `n + 1` unless told otherwise. */
  async start(n: number, overrides: Partial<RolloutSpec> = {}): Promise<RolloutId> {
    const id = await this.ask(n, overrides);
    await this.settle();
    return id;
  }

  /** As `start`, before any worker gets to it. */
  async ask(n: number, overrides: Partial<RolloutSpec> = {}): Promise<RolloutId> {
    const id = rolloutId(n);
    const base = aRollout([], { id, seed: id, revision: n + 1, hash: aHash(String(n + 1)), createdAtMs: this.nowMs });
    await this.store.rollouts.start({ ...base, configId: parseConfigId("base"), ...overrides }, "");
    await this.work.requestReconcile(id);
    return id;
  }

  /** Records what an operator says, as management does. */
  async wish(id: RolloutId, change: Partial<RolloutSpec>, wakes = false): Promise<void> {
    const { spec } = await this.rollout(id);
    const generation = spec.generation + 1;
    const wish = change.wish === undefined ? {} : { wishGeneration: generation, wishedBy: "ann" };
    assert.equal(await this.store.rollouts.wish({ ...spec, ...wish, ...change, generation }, wakes), "recorded");
    await this.work.requestReconcile(id);
    await this.settle();
  }

  async approve(id: RolloutId, by: string): Promise<void> {
    const { approvals } = (await this.rollout(id)).spec;
    await this.wish(id, { approvals: [...approvals, this.#said(by)] });
  }

  /** Promotes the stage at work. */
  async promote(id: RolloutId, by: string): Promise<void> {
    const { spec, status } = await this.rollout(id);
    await this.wish(id, { promotions: [...spec.promotions, { ...this.#said(by), stage: status.stageIndex }] });
  }

  /** Has agents tried again that the rollout failed. */
  async retry(id: RolloutId, uids: readonly InstanceUid[]): Promise<void> {
    const { spec, status } = await this.rollout(id);
    for (const uid of uids) this.retried.add(uid);
    const retries = uids.map((uid) => ({ uid, atMs: this.nowMs }));
    await this.wish(id, { retries: [...spec.retries, ...retries] }, isEnded(status.phase));
  }

  #said(by: string): Approval {
    return { by, atMs: this.nowMs, remark: "" };
  }

  async rollout(id: RolloutId): Promise<StoredRollout> {
    const stored = await this.store.rollouts.get(id);
    assert.ok(stored !== undefined, `there is no rollout ${id}`);
    return stored;
  }

  async status(id: RolloutId): Promise<RolloutStatus> {
    return (await this.rollout(id)).status;
  }

  /** `phase reason`. */
  async at(id: RolloutId): Promise<string> {
    const { phase, reason } = await this.status(id);
    return `${phase} ${reason}`;
  }

  /** How many targeted agents are in which states. */
  async counts(id: RolloutId): Promise<Readonly<Record<string, number>>> {
    const { counts } = await this.status(id);
    assert.ok(targetedCount(counts) >= 0);
    return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
  }

  log(id: RolloutId): Promise<readonly Decision[]> {
    return this.store.rollouts.log(id, 0, 5_000);
  }

  /** `phase reason` of every decision on a phase, in order. */
  async phases(id: RolloutId): Promise<readonly string[]> {
    return (await this.log(id)).filter(({ kind }) => kind === "phase").map(({ phase, reason }) => `${phase} ${reason}`);
  }

  async desired(uid: InstanceUid): Promise<DesiredRecord | null> {
    return (await this.store.desired.load([uid]))[0] ?? null;
  }

  /** Uids of those that run a config. */
  running(hash: ConfigHash): readonly InstanceUid[] {
    return [...this.agents.values()].filter(({ running }) => running === hash).map(({ uid }) => uid);
  }

  /** How often each agent was offered a config, agents that never were left out. */
  offers(hash: ConfigHash): ReadonlyMap<InstanceUid, number> {
    const counts = [...this.agents.values()].map(
      ({ uid, offers }) => [uid, offers.filter((offer) => offer.hash === hash).length] as const,
    );
    return new Map(counts.filter(([, count]) => count > 0));
  }

  /** Moves the time, and everything with it. */
  async advance(spanMs: number): Promise<void> {
    await this.advanceUntil(() => false, spanMs, false);
  }

  /** Moves the time until something holds, which it must within a span. */
  async advanceUntil(holds: () => Promise<boolean> | boolean, withinMs: number, isMust = true): Promise<void> {
    const endMs = this.nowMs + withinMs;
    await this.settle();
    while (!(await holds())) {
      if (this.nowMs >= endMs) {
        if (isMust) assert.fail(`it did not come to be within ${withinMs / SECOND} s`);
        return;
      }
      this.nowMs = Math.min(endMs, this.#nextAtMs());
      await this.settle();
    }
  }

  /** Until a rollout is in a phase. */
  async advanceTo(id: RolloutId, phase: RolloutStatus["phase"], withinMs = DAY): Promise<void> {
    try {
      await this.advanceUntil(async () => (await this.status(id)).phase === phase, withinMs);
    } catch (error) {
      const { phase: at, reason, message } = await this.status(id);
      assert.fail(`${phase} is waited for, and it is ${at} ${reason}: ${message} (${String(error)})`);
    }
  }

  #nextAtMs(): number {
    const agents = [...this.agents.values()].map((agent) => agent.nextAtMs() ?? Number.POSITIVE_INFINITY);
    return Math.max(this.nowMs + 1, Math.min(this.work.nextAtMs(), this.#sweepAtMs, ...agents));
  }

  /** Lets everybody act until nothing moves at this moment. */
  async settle(): Promise<void> {
    if (this.work.hasLostJobs) this.#sweepAtMs = Math.min(this.#sweepAtMs, this.nowMs + SWEEP_MS);
    if (this.nowMs >= this.#sweepAtMs) {
      this.work.hasLostJobs = false;
      this.#sweepAtMs = this.nowMs + IDLE_SWEEP_MS;
      await this.work.sweep();
    }
    for (let rounds = 0; rounds < 200; rounds++) {
      const isMoved = await this.#relay();
      if (!(await this.work.run()) && !isMoved) return await this.onRest();
    }
    assert.fail("the world does not come to rest");
  }

  /** Gateways offer where they were hinted, and agents act and are heard. */
  async #relay(): Promise<boolean> {
    const hinted = [...this.#hinted].flatMap((uid) => this.agents.get(uid) ?? []);
    this.#hinted.clear();
    const desired = await this.store.desired.load(hinted.map(({ uid }) => uid));
    for (const [i, agent] of hinted.entries()) agent.sync(desired[i] ?? null, this.nowMs);
    for (const agent of this.agents.values()) agent.run(this.nowMs);
    const heard = await Promise.all([...this.agents.values()].map((agent) => listen(agent, this)));
    for (const uid of heard) if (uid !== null) this.#hinted.add(uid);
    return hinted.length > 0 || heard.some((uid) => uid !== null);
  }
}
