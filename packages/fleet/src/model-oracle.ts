// What must hold whatever happens, checked from outside: after each commit, whenever the world has come to rest, and at
// the end. Counts for itself where it can, so that a fault of the plan's own arithmetic shows. For plan-model.spec.ts only.

import assert from "node:assert/strict";
import { BLANK, type Contribution } from "./compose.ts";
import { isConnected } from "./facts.ts";
import type { ConfigHash, InstanceUid } from "./ids.ts";
import { failureKind, isGood, isOnItsWay, type Judged, judge } from "./judge.ts";
import { assertOneCause, isAtWork } from "./model-blame.ts";
import type { Draft, ModelRollout, ModelWorld } from "./model-world.ts";
import { type RolloutStatus, targetedCount } from "./rollout.ts";
import { isEnded, isTakingBack, ROLLOUT_TRANSITIONS, STAGE_TRANSITIONS } from "./rollout-states.ts";

const MINUTE_MS = 60_000;
const HAS_TAKEN_BACK: ReadonlySet<string> = new Set(["rolled_back", "reverted", "rollback_incomplete"]);

/** Looks at a world from outside, and throws at what must not be. */
export class ModelOracle {
  readonly #world: ModelWorld;
  readonly #admissions = new Map<string, { readonly atMs: number; readonly uid: InstanceUid }[]>();
  /** When agents were relieved, per rollout that is taken back. */
  readonly #relieved = new Map<string, readonly number[]>();
  /** Failures that a rollout at work heard of: `<hash> <agent>` → when. */
  readonly #failed = new Map<string, number>();
  /** What the last commit logged, per rollout. */
  readonly #lines = new Map<string, readonly string[]>();
  readonly #seenOffers = new Map<InstanceUid, number>();

  constructor(world: ModelWorld) {
    this.#world = world;
    world.observer = {
      onCommit: (draft) => this.#onCommit(draft),
      onAssign: (...change) => assertOneCause(this.#world, ...change),
      onRest: () => this.#onRest(),
    };
  }

  #onCommit(draft: Draft): void {
    const { status, wave, wakeAtMs } = draft.plan;
    const { status: before, cohort, nowMs } = draft.input;
    assertMoves(before, status);
    assert.ok(wakeAtMs === null || wakeAtMs > nowMs, "it is looked at again later than now");
    assert.equal(wakeAtMs === null, status.isSettled, "it is looked at again unless it is settled");
    if (!before.isSettled) assert.equal(targetedCount(status.counts), cohort.length, "the counts add up to the cohort");
    this.#assertLog(draft);
    if (status.phase === "running" || status.phase === "baking_final") assertBudget(draft);
    const known = new Set(draft.input.wave.map(({ uid, tries }) => `${uid} ${tries}`));
    const news = wave.filter(({ uid, tries }) => !known.has(`${uid} ${tries}`));
    if (isTakingBack(status.phase)) this.#assertRelieved(draft, news);
    else this.#assertAdmissions(draft, news);
    if (status.phase !== before.phase && HAS_TAKEN_BACK.has(status.phase)) assertNobodyIsLeft(draft);
  }

  #assertLog({ rollout, plan }: Draft): void {
    const lines = plan.decisions.map((each) => JSON.stringify(each));
    const known = this.#lines.get(rollout.spec.id) ?? [];
    assert.equal(new Set([...known, ...lines]).size, known.length + lines.length, `nothing is logged twice: ${lines}`);
    if (lines.length > 0) this.#lines.set(rollout.spec.id, lines);
    for (const { kind, inputs } of plan.decisions) {
      if (kind !== "wave") continue;
      const isTaken = rollout.log.some((each) => each.kind === "wave" && each.inputs["wave"] === inputs["wave"]);
      assert.ok(!isTaken, `wave ${inputs["wave"]} is there once`);
    }
  }

  #assertAdmissions(draft: Draft, news: Draft["plan"]["wave"]): void {
    const { rollout, input, plan } = draft;
    const { spec, nowMs } = input;
    const line = plan.decisions.find(({ kind }) => kind === "wave");
    const firstCount = news.filter(({ tries }) => tries === 1).length;
    assert.equal(line?.inputs["agents"] ?? 0, firstCount, "who is admitted is told once");
    if (news.length === 0) return;
    const judged = judge({ ...input, wave: plan.wave }, plan.status);
    const waved = new Set(plan.wave.map(({ uid }) => uid));
    for (const { uid, tries } of news) {
      const one = judged.find(({ agent }) => agent.view.uid === uid);
      assert.ok(one !== undefined, "only agents of the cohort are admitted");
      assert.ok(!one.isDispatched || (one.agent.desired?.tries ?? 1) < tries, "nobody is admitted twice");
      assert.ok(one.agent.exclusion === undefined, "nobody is admitted that it failed");
    }
    // Who is tried again is on its way already.
    const first = new Set(news.flatMap(({ uid, tries }) => (tries === 1 ? [uid] : [])));
    if (first.size === 0) return;
    const onTheirWay = judged.filter((one) => isOnItsWay(one) || (waved.has(one.agent.view.uid) && !one.isDispatched));
    const { maxInFlight, maxPerMinute, ramp, maxUnavailablePerDomain } = spec.pace;
    assertAtMost(onTheirWay.length, maxInFlight, "in flight");
    for (const [i, { maxInFlight: ofStage }] of spec.stages.entries()) {
      const own = onTheirWay.filter(({ stage }) => stage === i);
      if (own.some(({ agent }) => first.has(agent.view.uid)))
        assertAtMost(own.length, ofStage, `in flight in stage ${i}`);
    }
    const domains = new Set(judged.filter(({ agent }) => first.has(agent.view.uid)).map(({ domain }) => domain));
    for (const domain of domains) {
      const missing = judged.filter((one) => one.domain === domain && isMissing(one, waved));
      assertAtMost(missing.length, maxUnavailablePerDomain, `missing in domain ${domain}`);
    }
    const admissions = this.#admissions.get(spec.id) ?? [];
    for (const { uid, tries } of news) if (tries === 1) admissions.push({ atMs: nowMs, uid });
    this.#admissions.set(spec.id, admissions);
    const recent = admissions.filter(({ atMs }) => atMs > nowMs - MINUTE_MS).length;
    const rate = maxPerMinute === null ? null : Math.max(maxPerMinute, ramp?.maxPerMinute ?? 0);
    assertAtMost(recent, rate, "admitted within a minute");
    assert.ok(rollout.status.phase !== "paused" || plan.status.phase !== "paused", "nobody is admitted in a pause");
  }

  /** The way back keeps to four times the limits of the way there. */
  #assertRelieved({ input, plan }: Draft, news: Draft["plan"]["wave"]): void {
    if (news.length === 0) return;
    const { spec, nowMs } = input;
    const { maxInFlight, maxPerMinute, ramp } = spec.pace;
    const waved = new Set(plan.wave.map(({ uid }) => uid));
    const moving = judge({ ...input, wave: plan.wave }, plan.status).filter(
      ({ agent, state }) =>
        waved.has(agent.view.uid) ||
        (isConnected(agent.view) && (state === "rollback_offered" || state === "restore_offered")),
    );
    assertAtMost(moving.length, maxInFlight === null ? null : maxInFlight * 4, "on the way back");
    const relieved = [...(this.#relieved.get(spec.id) ?? []), ...news.map(() => nowMs)];
    this.#relieved.set(spec.id, relieved);
    const rate = maxPerMinute === null ? null : Math.max(maxPerMinute, ramp?.maxPerMinute ?? 0) * 4;
    assertAtMost(relieved.filter((atMs) => atMs > nowMs - MINUTE_MS).length, rate, "relieved within a minute");
  }

  #onRest(): void {
    for (const rollout of this.#world.rollouts) {
      if (rollout.status.isSettled) continue;
      this.#assertMadeSafe(rollout);
      for (const agent of this.#world.agents.values()) {
        for (const { hash, atMs } of agent.failures)
          if (this.#brings(rollout, hash)) this.#failed.set(`${hash} ${agent.uid}`, atMs);
      }
    }
    this.#assertOffers();
  }

  /** Nobody is left with what failed it. */
  #assertMadeSafe(rollout: ModelRollout): void {
    if (isEnded(rollout.status.phase) && rollout.status.phase !== "succeeded" && rollout.status.phase !== "halted")
      return;
    const { spec, status, wave } = rollout;
    const judged = judge({ spec, cohort: this.#world.cohort(rollout), wave, nowMs: this.#world.nowMs }, status);
    for (const { agent, failure, isDispatched, state } of judged) {
      if (failure === null) continue;
      const { uid } = agent.view;
      if (!isDispatched && !rollout.excluded.has(uid)) continue;
      // After the end only who says that it fails what is new to it: what it had once is the best there is to give it.
      const isGivenBack = agent.view.attempts.filter(({ hash }) => this.#brings(rollout, hash)).length > 1;
      if (isEnded(status.phase) && (isGivenBack || failure.state !== "failed")) continue;
      assert.ok(rollout.excluded.has(uid), `agent ${uid} is excluded as soon as it is ${state}`);
      assert.ok(!isDispatched, `agent ${uid} is not left with what failed it`);
    }
  }

  #assertOffers(): void {
    for (const agent of this.#world.agents.values()) {
      const from = this.#seenOffers.get(agent.uid) ?? 0;
      this.#seenOffers.set(agent.uid, agent.offers.length);
      for (const { hash, atMs } of agent.offers.slice(from)) {
        const failedAtMs = this.#failed.get(`${hash} ${agent.uid}`);
        if (failedAtMs === undefined || failedAtMs >= atMs) continue;
        // What was stable before anything else is the best there is to give back.
        if (this.#world.parts.get(hash)?.every(({ revision }) => revision === 1) === true) continue;
        const isAsked = this.#world.rollouts.some(
          ({ spec }) =>
            spec.retries.some((each) => each.uid === agent.uid && each.atMs > failedAtMs) ||
            (spec.retry.requeueFailedHash && spec.createdAtMs > failedAtMs),
        );
        assert.ok(isAsked, `agent ${agent.uid} is not offered again what it failed`);
      }
    }
  }

  #runs(rollout: ModelRollout, running: ConfigHash | ""): boolean {
    return running !== "" && this.#brings(rollout, running);
  }

  /** Whether a hash is what a rollout brings, alone or with what others bring. */
  #brings({ spec }: ModelRollout, hash: ConfigHash): boolean {
    return this.#world.parts.get(hash)?.some((part) => part.hash === spec.hash) ?? false;
  }

  /** After the world was left alone: ended, or waiting for something real. */
  assertAtRest(rollout: ModelRollout): void {
    const { status } = rollout;
    const { phase, reason } = status;
    const judged = this.#judged(rollout);
    if (isEnded(phase)) {
      const isAwaited =
        phase === "succeeded" && judged.some(({ state }) => state === "offline_deferred" || state === "held");
      assert.ok(status.isSettled || isAwaited, `it is settled once it is ${phase} and waits for nobody`);
      this.#assertBack(rollout, judged);
    } else {
      const what = `${phase}/${reason} (${status.message})`;
      assert.ok(this.#isRealReason(rollout, judged), `what it waits for is real: ${what}`);
    }
    for (const { agent, state, failure } of judged) {
      if (failure === null || !isConnected(agent.view) || agent.exclusion === undefined) continue;
      const isThrough = state === "restored" || state === "restore_failed";
      assert.ok(isThrough, `agent ${agent.view.uid} that it failed ends restored or not, and is ${state}`);
    }
  }

  #judged(rollout: ModelRollout): readonly Judged[] {
    const { spec, status, wave } = rollout;
    return judge({ spec, cohort: this.#world.cohort(rollout), wave, nowMs: this.#world.nowMs }, status);
  }

  #isRealReason({ spec, status }: ModelRollout, judged: readonly Judged[]): boolean {
    const isAnyAway = [...this.#world.agents.values()].some((agent) => !agent.isConnected);
    const isAnyFailed = judged.some(({ failure }) => failure !== null);
    const canAny = judged.some(({ stage, state }) => stage !== null && state !== "incapable");
    // Another may have the agents that it wants, and wait for something else than for this one.
    const isAnyBeside = this.#world.rollouts.some(
      (each) => each.spec.configId !== spec.configId && isAtWork(each) && each.status.reason !== "held_back",
    );
    switch (`${status.phase}/${status.reason}`) {
      case "paused/manual":
      case "paused/stage_overdue":
      case "paused/gate":
      case "paused/inconclusive":
      case "paused/error_budget":
      case "paused/end_time":
        return true; // people have to decide
      case "paused/approval_withdrawn":
      case "awaiting_approval/approval_needed":
      case "awaiting_approval/approval_withdrawn":
        return spec.approvals.length < spec.approval.required;
      case "paused/storm":
        return judged.filter(({ agent }) => !isConnected(agent.view)).length >= 3;
      case "running/stage_promotion":
        return true;
      case "running/waiting_for_agents":
      case "baking_final/waiting_for_agents":
        // After a loss of the fleet state, nobody can tell who was deleted from who has not come back yet.
        return isAnyAway || !canAny || this.#world.fleetLostAtMs > 0;
      case "running/held_back":
        return isAnyFailed || isAnyBeside;
      case "paused/window": // windows come and go; between them it waits for what it waited for before
        return isAnyFailed || isAnyAway || !canAny || isAnyBeside || this.#world.fleetLostAtMs > 0;
      case "scheduled/queued":
        return this.#world.rollouts.some((each) => each.spec.id !== spec.id && !isEnded(each.status.phase));
      default:
        return false;
    }
  }

  /** Who can be reached has nothing of a rollout that was taken back. */
  #assertBack(rollout: ModelRollout, judged: readonly Judged[]): void {
    const { spec, status } = rollout;
    if (!HAS_TAKEN_BACK.has(status.phase)) return;
    for (const { agent } of judged) {
      const { uid } = agent.view;
      const model = this.#world.agents.get(uid);
      if (model === undefined || !isConnected(agent.view)) continue;
      const has = (part: Contribution): boolean => part.rolloutId === spec.id;
      assert.ok(!agent.desired?.contributions.some(has), `agent ${uid} is relieved of what was taken back`);
      // Another may have taken it while it was on its way back, and failed it then: it says that it is at work for ever.
      const isElsewhere = this.#world.rollouts.some(
        (each) => each.spec.configId !== spec.configId && each.excluded.has(uid),
      );
      if (isElsewhere) continue;
      const canTell = model.capabilities.includes("AcceptsRemoteConfig");
      const isGoodWith = model.react(agent.desired?.hash ?? BLANK.hash) === "good";
      // Of whom nobody has an opinion any more, nobody knows what else it was given with that.
      const isLeft = agent.desired === null ? model.running === spec.hash : this.#runs(rollout, model.running);
      if (canTell && isGoodWith) assert.ok(!isLeft, `agent ${uid} runs on with what was taken back`);
    }
  }
}

/** Who says that it took everything back has nobody on the way. */
function assertNobodyIsLeft({ input, plan: { status, wave } }: Draft): void {
  for (const { agent, state, isDispatched } of judge({ ...input, wave }, status)) {
    const isLeft = isDispatched || state === "rollback_offered" || state === "restore_offered";
    assert.ok(!isLeft || !isConnected(agent.view), `agent ${agent.view.uid} is on its way back still`);
  }
}

/** Who goes on has not failed more than it may. */
function assertBudget({ input, plan: { status } }: Draft): void {
  const { spec, status: before } = input;
  const accepted = new Set<InstanceUid>(status.acceptedFailures);
  const judged = judge(input, before).filter(({ agent, stage }) => stage !== null && !accepted.has(agent.view.uid));
  for (const { kinds, percent, absolute, minSample, window } of spec.budget.criteria) {
    const seen = window === "rollout" ? judged : judged.filter(({ stage }) => stage === before.stageIndex);
    const kindOf = seen.map((one) => failureKind(one, spec));
    const failed = kindOf.filter((kind) => kind !== null && (kinds.length === 0 || kinds.includes(kind)));
    const sample = seen.filter((one, i) => kindOf[i] !== null || isGood(one) || isOnItsWay(one)).length;
    const isOverShare = percent !== null && sample >= minSample && failed.length * 100 >= percent * sample;
    const isOver = failed.length > 0 && ((absolute !== null && failed.length >= absolute) || isOverShare);
    assert.ok(!isOver, `${failed.length} of ${sample} agents failed, and the rollout goes on`);
  }
}

function isMissing(one: Judged, waved: ReadonlySet<InstanceUid>): boolean {
  if (one.stage === null) return false; // its labels took it out of the stage
  if (one.agent.exclusion !== undefined) return one.state !== "restored";
  if (waved.has(one.agent.view.uid) && !one.isDispatched) return true;
  return one.isDispatched && !isGood(one) && one.state !== "offline_deferred";
}

function assertAtMost(count: number, limit: number | null, what: string): void {
  assert.ok(limit === null || count <= limit, `at most ${limit} agents are ${what}, and not ${count}`);
}

/** One pass may take several steps of a table. */
function isWayThrough<State extends string>(
  table: Readonly<Record<State, readonly State[]>>,
  from: State,
  to: State,
): boolean {
  const seen = new Set<State>([from]);
  for (const state of seen) for (const next of table[state]) seen.add(next);
  return seen.has(to);
}

function assertMoves(before: RolloutStatus, after: RolloutStatus): void {
  assert.ok(isWayThrough(ROLLOUT_TRANSITIONS, before.phase, after.phase), `${before.phase} → ${after.phase}`);
  for (const [i, { state, cutoff }] of after.stages.entries()) {
    const old = before.stages[i];
    if (old === undefined) assert.fail("no stage is added");
    assert.ok(isWayThrough(STAGE_TRANSITIONS, old.state, state), `stage ${i}: ${old.state} → ${state}`);
    assert.ok(cutoff >= old.cutoff, `stage ${i} reaches nobody less`);
  }
  assert.ok(after.stageIndex >= before.stageIndex, "stages come one after the other");
  assert.ok(after.observedGeneration >= before.observedGeneration, "no older wish counts");
}
