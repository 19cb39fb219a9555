// A whole Muster in memory, for specs: model agents, the views that are folded from what they say, the layers of their
// configs, and workers that plan and assign. No clock but the one that the spec moves.

import { apply } from "./agent.ts";
import { type CohortAgent, isInTrouble } from "./assess.ts";
import { candidateOf, type DesiredRecord, isSameDesired } from "./candidate.ts";
import type { Contribution } from "./compose.ts";
import type { Exclusion } from "./desired.ts";
import { createWanted } from "./desired.ts";
import { labelsOf } from "./facts.ts";
import type { Reading } from "./gate.ts";
import type { ConfigHash, InstanceUid, RolloutId } from "./ids.ts";
import type { WaveEntry } from "./judge.ts";
import { ModelAgent } from "./model-agent.ts";
import { ModelControl } from "./model-control.ts";
import type { ModelTraits } from "./model-traits.ts";
import type { Decision, Peers, PlanInput } from "./pass.ts";
import { peersOf } from "./peers.ts";
import { type Plan, plan } from "./plan.ts";
import { initialStatus, type RolloutSpec, type RolloutStatus } from "./rollout.ts";
import { isEnded } from "./rollout-states.ts";
import { matches, parseSelector } from "./selector.ts";
import { type AgentView, unknownAgent } from "./view.ts";

/** A rollout as a world keeps it. */
export interface ModelRollout {
  spec: RolloutSpec;
  status: RolloutStatus;
  version: number;
  wave: readonly WaveEntry[];
  /** When a worker is to look again. */
  wakeAtMs: number | null;
  readonly excluded: Map<InstanceUid, Exclusion>;
  readonly log: Decision[];
  readonly readings: Reading[];
}

/** What a worker read, and what it made of it: committed only if nobody was faster. */
export interface Draft {
  readonly rollout: ModelRollout;
  readonly version: number;
  /** How often rollouts had taken more agents. */
  readonly admissionCount: number;
  readonly input: PlanInput;
  readonly plan: Plan;
}

/** When worlds begin. */
export const MODEL_START_MS = 1_700_000_000_000;

/** Looks on. */
export interface ModelObserver {
  onCommit?(draft: Draft): void;
  onAssign?(view: AgentView, before: DesiredRecord | null, after: DesiredRecord | null): void;
  onRest?(): void;
}

/** A world. */
export class ModelWorld {
  /** Later than the uids of `aUid` were made, so that agents are newcomers only where a spec says so. */
  nowMs = MODEL_START_MS;
  readonly agents = new Map<InstanceUid, ModelAgent>();
  readonly views = new Map<InstanceUid, AgentView>();
  readonly desired = new Map<InstanceUid, DesiredRecord>();
  readonly control = new ModelControl();
  /** What every hash that was ever desired consists of. */
  readonly parts = new Map<ConfigHash, readonly Contribution[]>();
  rollouts: ModelRollout[] = [];
  calendars: PlanInput["calendars"] = [];
  fleetLostAtMs = 0;
  /** Told of everything that a worker commits, and whenever everything has come to rest for a moment. */
  observer: ModelObserver = {};
  #assignedVersion = 0;

  constructor(agents: readonly ModelTraits[]) {
    for (const traits of agents) this.add(traits);
  }

  add(traits: ModelTraits): ModelAgent {
    const agent = new ModelAgent(traits, this.nowMs);
    this.agents.set(agent.uid, agent);
    this.#listen(agent);
    return agent;
  }

  remove(uid: InstanceUid): void {
    for (const map of [this.agents, this.views, this.desired]) map.delete(uid);
  }

  start(spec: RolloutSpec): ModelRollout {
    const rollout = {
      spec,
      status: initialStatus(spec),
      version: 1,
      wave: [],
      wakeAtMs: this.nowMs,
      excluded: new Map(),
      log: [],
      readings: [],
    };
    this.rollouts.push(rollout);
    this.control.claim(spec);
    return rollout;
  }

  /** An operator's wish. One that wakes a rollout that ended needs its config. */
  wish(rollout: ModelRollout, change: Partial<RolloutSpec>): void {
    const { id, configId } = rollout.spec;
    if (isEnded(rollout.status.phase)) {
      if (change.wish !== "revert" && change.retries === undefined) return;
      // As management has it: under a newer one there is nothing to take back.
      if (change.wish === "revert" && this.control.stableOf(configId) !== id) return;
      if (!this.control.claim(rollout.spec)) return;
    }
    const generation = rollout.spec.generation + 1;
    const isWish = change.wish !== undefined;
    rollout.spec = { ...rollout.spec, ...change, generation, ...(isWish && { wishGeneration: generation }) };
  }

  /** Moves the time, and everything with it: agents, gateways and a worker, whenever one of them has something to do. */
  advance(spanMs: number): void {
    const endMs = this.nowMs + spanMs;
    this.settle();
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.#nextAtMs());
      this.settle();
    }
  }

  /** Lets everybody act until nothing moves at this moment. */
  settle(): void {
    for (let rounds = 0; rounds < 50; rounds++) {
      const before = this.#fingerprint();
      this.relay();
      for (const rollout of this.rollouts) if (this.#isLookedAt(rollout)) this.commit(this.draft(rollout));
      this.assign();
      if (this.#fingerprint() === before) return this.observer.onRest?.();
    }
    throw new Error("the world does not come to rest");
  }

  /** Agents act and are heard; gateways offer. */
  relay(): void {
    for (const agent of this.agents.values()) {
      agent.sync(this.desired.get(agent.uid) ?? null, this.nowMs);
      agent.run(this.nowMs);
      this.#listen(agent);
    }
  }

  /** A worker reads and plans. */
  draft(rollout: ModelRollout): Draft {
    const { spec, status, wave, readings, version } = rollout;
    const input: PlanInput = {
      spec,
      status,
      cohort: this.cohort(rollout),
      removedCount: 0,
      wave,
      readings,
      calendars: this.calendars,
      peers: this.#peersOf(rollout),
      quarantine: null,
      fleetLostAtMs: this.fleetLostAtMs,
      nowMs: this.nowMs,
    };
    return { rollout, version, admissionCount: this.control.admissionCount, input, plan: plan(input) };
  }

  /** A worker commits what it planned. Answers false when another was faster. */
  commit(draft: Draft): boolean {
    const { rollout, version, plan: next } = draft;
    if (rollout.version !== version) return false;
    const isNew = next.status !== rollout.status || next.wave !== rollout.wave;
    if (isNew && !this.control.commit(draft)) return false;
    this.observer.onCommit?.(draft);
    rollout.wakeAtMs = next.wakeAtMs;
    for (const { uid, exclusion } of next.restores)
      if (!rollout.excluded.has(uid)) rollout.excluded.set(uid, exclusion);
    for (const uid of next.forgiven) rollout.excluded.delete(uid);
    rollout.log.push(...next.decisions);
    if (!isNew) return true;
    rollout.status = next.status;
    rollout.wave = next.wave;
    rollout.version += 1;
    return true;
  }

  /** A worker decides what everybody should run, and writes the difference. */
  assign(): void {
    const wanted = createWanted([...this.control.assignments.values()]);
    for (const [uid, view] of this.views) {
      const present = this.desired.get(uid) ?? null;
      const excluded = this.rollouts.flatMap((rollout) => rollout.excluded.get(uid) ?? []);
      const entries = this.rollouts.flatMap(({ spec, wave }) =>
        wave.filter((each) => each.uid === uid).map(({ tries }) => [spec.id, tries] as const),
      );
      const waved = new Set<RolloutId>(entries.map(([id]) => id));
      const { desired, returned } = wanted(
        candidateOf(view, { present, excluded, waved, components: null, fleetLostAtMs: this.fleetLostAtMs }),
      );
      const tries = Math.max(
        1,
        present?.hash === desired?.hash ? (present?.tries ?? 1) : 1,
        ...entries.map(([, each]) => each),
      );
      const next =
        desired === null
          ? null
          : {
              ...desired,
              ...(tries > 1 && { tries }),
              ...(excluded.length > 0 && { exclusions: excluded }),
              ...(returned.length > 0 && { returned }),
            };
      if (isSameDesired(present, next)) continue;
      const record = next === null ? null : { ...next, assignedAtMs: this.nowMs };
      this.observer.onAssign?.(view, present, record);
      if (record === null) this.desired.delete(uid);
      else this.desired.set(uid, record);
      if (record !== null) this.parts.set(record.hash, record.contributions);
    }
    this.#assignedVersion = this.control.version;
  }

  /** The fleet state is lost; the agents that are there tell it again. */
  loseFleetState(): void {
    this.views.clear();
    this.desired.clear();
    this.fleetLostAtMs = this.nowMs;
    for (const agent of this.agents.values()) {
      agent.tellAgain(this.nowMs);
      this.#listen(agent);
    }
  }

  cohort({ spec, excluded }: ModelRollout): readonly CohortAgent[] {
    const selector = parseSelector(spec.selector);
    return [...this.views.values()]
      .filter((view) => matches(selector, labelsOf(view)))
      .map((view) => ({ view, desired: this.desired.get(view.uid) ?? null, exclusion: excluded.get(view.uid) }));
  }

  #peersOf(rollout: ModelRollout): Peers {
    const { id, configId } = rollout.spec;
    return peersOf(rollout, {
      others: this.rollouts.filter(({ spec, status }) => spec.id !== id && !status.isSettled),
      stable: this.control.stableOf(configId),
      isAssigned: this.#assignedVersion === this.control.version,
      holder: this.control.holderOf(configId),
      phases: new Map(this.rollouts.map(({ spec, status }) => [spec.id, status.phase])),
    });
  }

  /** One that is settled is looked at when somebody says something, or when it may fail an agent. */
  #isLookedAt({ spec, status }: ModelRollout): boolean {
    if (!status.isSettled || spec.generation > status.observedGeneration) return true;
    return [...this.views.values()].some((view) => isInTrouble(view, this.nowMs));
  }

  #listen(agent: ModelAgent): void {
    for (const event of agent.take()) {
      const view = this.views.get(agent.uid) ?? unknownAgent(agent.uid, event.atMs);
      this.views.set(agent.uid, apply(view, event));
    }
  }

  #nextAtMs(): number {
    const agents = [...this.agents.values()].map((agent) => agent.nextAtMs() ?? Number.POSITIVE_INFINITY);
    const workers = this.rollouts.map((rollout) => rollout.wakeAtMs ?? Number.POSITIVE_INFINITY);
    return Math.max(
      this.nowMs + 1,
      [...agents, ...workers].reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
    );
  }

  #fingerprint(): string {
    const versions = this.rollouts.map(({ version, excluded }) => `${version}/${excluded.size}`);
    const desired = [...this.desired].map(
      ([uid, { hash, assignedAtMs, tries }]) => `${uid}${hash}${assignedAtMs}${tries}`,
    );
    return [
      ...versions,
      ...desired,
      ...[...this.views.values()].map(
        ({ attempts, acknowledgement, connection }) =>
          `${attempts.length} ${acknowledgement?.n} ${connection?.epoch}.${connection?.n}`,
      ),
    ].join();
  }
}
