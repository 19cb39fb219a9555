// A whole Muster in memory, for specs: model agents, the views that are folded from what they say, the layers of one
// config, and workers that plan and assign. No clock but the one that the spec moves.

import { apply } from "./agent.ts";
import { type CohortAgent, isInTrouble } from "./assess.ts";
import { candidateOf, type DesiredRecord, isSameDesired } from "./candidate.ts";
import type { Assignment, Exclusion } from "./desired.ts";
import { createWanted } from "./desired.ts";
import { labelsOf } from "./facts.ts";
import type { Reading } from "./gate.ts";
import type { InstanceUid, RolloutId } from "./ids.ts";
import type { WaveEntry } from "./judge.ts";
import { layersAfter } from "./layers.ts";
import { ModelAgent } from "./model-agent.ts";
import type { ModelTraits } from "./model-traits.ts";
import { type Decision, NO_PEERS, type PlanInput } from "./pass.ts";
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
  readonly input: PlanInput;
  readonly plan: Plan;
}

/** When worlds begin. */
export const MODEL_START_MS = 1_700_000_000_000;

/** Looks on. */
export interface ModelObserver {
  onCommit?(draft: Draft): void;
  onRest?(): void;
}

/** A world. */
export class ModelWorld {
  /** Later than the uids of `aUid` were made, so that agents are newcomers only where a spec says so. */
  nowMs = MODEL_START_MS;
  readonly agents = new Map<InstanceUid, ModelAgent>();
  readonly views = new Map<InstanceUid, AgentView>();
  readonly desired = new Map<InstanceUid, DesiredRecord>();
  assignment: Assignment;
  rollouts: ModelRollout[] = [];
  calendars: PlanInput["calendars"] = [];
  fleetLostAtMs = 0;
  /** Told of everything that a worker commits, and whenever everything has come to rest for a moment. */
  observer: ModelObserver = {};

  constructor(configId: RolloutSpec["configId"], agents: readonly ModelTraits[]) {
    this.assignment = { configId, layers: [] };
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
    return rollout;
  }

  /** An operator's wish. */
  wish(rollout: ModelRollout, change: Partial<RolloutSpec>): void {
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
    const phases = new Map(this.rollouts.map((each) => [each.spec.id, each.status.phase]));
    const input: PlanInput = {
      spec,
      status,
      cohort: this.cohort(rollout),
      removedCount: 0,
      wave,
      readings,
      calendars: this.calendars,
      peers: { ...NO_PEERS, phases, ...this.#line(rollout) },
      quarantine: null,
      fleetLostAtMs: this.fleetLostAtMs,
      nowMs: this.nowMs,
    };
    return { rollout, version, input, plan: plan(input) };
  }

  /** A worker commits what it planned. Answers false when another was faster. */
  commit(draft: Draft): boolean {
    const { rollout, version, plan: next } = draft;
    if (rollout.version !== version) return false;
    this.observer.onCommit?.(draft);
    rollout.wakeAtMs = next.wakeAtMs;
    const isNew = next.status !== rollout.status || next.wave !== rollout.wave;
    for (const { uid, exclusion } of next.restores)
      if (!rollout.excluded.has(uid)) rollout.excluded.set(uid, exclusion);
    for (const uid of next.forgiven) rollout.excluded.delete(uid);
    rollout.log.push(...next.decisions);
    if (!isNew) return true;
    rollout.status = next.status;
    rollout.wave = next.wave;
    rollout.version += 1;
    this.assignment = layersAfter(this.assignment, rollout.spec, next.status);
    return true;
  }

  /** A worker decides what everybody should run, and writes the difference. */
  assign(): void {
    const wanted = createWanted([this.assignment]);
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
      if (next === null) this.desired.delete(uid);
      else this.desired.set(uid, { ...next, assignedAtMs: this.nowMs });
    }
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

  #line({ spec, status }: ModelRollout) {
    const stable = this.assignment.layers.find(({ mode }) => mode === "stable");
    const isReplaced = status.phase === "succeeded" && stable?.rolloutId !== spec.id;
    const others = this.rollouts.filter((each) => each.spec.id !== spec.id && !isEnded(each.status.phase));
    const holder = others.find(({ status }) => status.startedAtMs !== null)?.spec.id ?? null;
    const successor = others.find((each) => each.spec.onConflict === "supersede" && each.spec.id > spec.id);
    return { holder, isReplaced, supersededBy: successor?.spec.id ?? null };
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
