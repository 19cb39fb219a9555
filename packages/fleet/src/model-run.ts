// Plays one scenario of the model test: builds its world, does what happens in it step by step, leaves it alone, and has
// the oracle look on all the while. For plan-model.spec.ts only.

import assert from "node:assert/strict";
import type { FailureBudget } from "./budget.ts";
import { aHash, aRollout, aUid } from "./builders.ts";
import type { ConfigHash, InstanceUid } from "./ids.ts";
import { parseConfigId, parseInstanceUid, parseRolloutId } from "./ids.ts";
import type { ModelAgent } from "./model-agent.ts";
import { ModelOracle } from "./model-oracle.ts";
import { type AgentPlan, LAST_STAGE, type Scenario, type Step } from "./model-scenario.ts";
import type { ModelTraits, Reaction } from "./model-traits.ts";
import { type ModelRollout, ModelWorld } from "./model-world.ts";
import type { RolloutSpec } from "./rollout.ts";
import { DEFAULT_POLICIES, DEFAULT_TIMING } from "./rollout-defaults.ts";
import { isEnded } from "./rollout-states.ts";

/** Revisions of the config that every scenario rolls out, and of the one beside it. */
const OLD_HASH = aHash("1");
const NEW_HASH = aHash("2");
const BESIDE_OLD_HASH = aHash("b");
const BESIDE_NEW_HASH = aHash("c");
const BESIDE = { configId: parseConfigId("beside"), order: 200 };
const NO_BUDGET: FailureBudget = { criteria: [], onBreach: "pause" };
const HOUR_MS = 3_600_000;
const CAPABILITIES = {
  usual: ["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsHealth", "ReportsEffectiveConfig"],
  unspoken: ["ReportsStatus", "AcceptsRemoteConfig", "ReportsHealth"],
  showing: ["ReportsStatus", "AcceptsRemoteConfig", "ReportsHealth", "ReportsEffectiveConfig"],
  incapable: ["ReportsStatus", "ReportsHealth"],
} as const satisfies Record<AgentPlan["kind"], readonly string[]>;

interface Run {
  readonly world: ModelWorld;
  readonly oracle: ModelOracle;
  readonly scenario: Scenario;
  readonly rollout: ModelRollout;
  /** The one on the other config, once it has begun. */
  beside: ModelRollout | null;
  /** Agents that an operator made unwell. */
  readonly unwell: Set<InstanceUid>;
  joined: number;
  started: number;
}

/** Plays a scenario. @throws AssertionError where something is that must not be */
export function runScenario(scenario: Scenario): void {
  const run = begin(scenario);
  for (const step of scenario.steps) {
    run.world.advance(1 + step.afterMs); // nobody says two things at once
    take(run, step);
    run.world.settle();
  }
  leaveAlone(run, scenario);
  for (const rollout of run.world.rollouts) run.oracle.assertAtRest(rollout);
  // Whatever it waits for, an operator can end it.
  for (const rollout of run.world.rollouts) {
    if (!isEnded(rollout.status.phase)) run.world.wish(rollout, { wish: scenario.lastWish });
    advanceToRest(run.world);
    assert.ok(isEnded(rollout.status.phase), `an operator can end it, and not ${rollout.status.phase}`);
    run.oracle.assertAtRest(rollout);
  }
}

function begin(scenario: Scenario): Run {
  const { fleet, hasStable, spec, beside } = scenario;
  const base = aRollout([LAST_STAGE]);
  const world = new ModelWorld([]);
  const oracle = new ModelOracle(world);
  const hasAnyStable = hasStable || beside?.hasStable === true;
  for (const [i, each] of fleet.entries()) world.add(traitsOf(each, aUid(i + 1), world, hasAnyStable));
  // A fleet that takes no configs at all has none that is stable.
  if (fleet.some(({ kind }) => kind !== "incapable")) {
    if (hasStable) startStable(world, { id: idOf(0), hash: OLD_HASH });
    if (beside?.hasStable === true) startStable(world, { ...BESIDE, id: idOf(1), hash: BESIDE_OLD_HASH });
  }
  for (const [i, each] of fleet.entries()) {
    const agent = world.agents.get(aUid(i + 1));
    if (agent === undefined) continue;
    agent.react = reactionsOf(each, world);
    if (each.isAway) agent.disconnect(world.nowMs);
  }
  const { nowMs } = world;
  const own = { id: idOf(2), seed: idOf(2), revision: 2, hash: NEW_HASH, createdAtMs: nowMs };
  const rollout = world.start({ ...base, ...spec, ...own });
  const run: Run = { world, oracle, scenario, rollout, beside: null, unwell: new Set(), joined: 0, started: 2 };
  if (beside?.isEarly === true) startBeside(run);
  return run;
}

/** A revision that everybody has. */
function startStable(world: ModelWorld, own: Partial<RolloutSpec>): void {
  const policies = { ...DEFAULT_POLICIES, minReachedPercent: 0 };
  const timing = { ...DEFAULT_TIMING, applyTimeoutMs: 10_000, soakMs: 0, finalBakeMs: 0 };
  const stage = { ...LAST_STAGE, successMinPercent: 0 };
  const stable = world.start(aRollout([stage], { revision: 1, policies, timing, budget: NO_BUDGET, ...own }));
  world.advance(60_000);
  assert.equal(stable.status.phase, "succeeded");
}

/** Begins the rollout on the other config. */
function startBeside(run: Run): void {
  const { world, scenario } = run;
  if (scenario.beside === null || run.beside !== null) return;
  const id = nextId(run);
  const own = { ...BESIDE, id, seed: id, revision: 2, hash: BESIDE_NEW_HASH, createdAtMs: world.nowMs };
  run.beside = world.start({ ...aRollout([LAST_STAGE]), ...scenario.beside.spec, ...own });
}

/** Ids of rollouts tell which came first. */
function nextId(run: Run): RolloutSpec["id"] {
  run.started += 1;
  return idOf(run.started);
}

function idOf(n: number): RolloutSpec["id"] {
  return parseRolloutId(`01890a5d-0000-7000-8000-${n.toString(16).padStart(12, "0")}`);
}

function traitsOf(plan: AgentPlan, uid: InstanceUid, world: ModelWorld, isGoodAtFirst = false): ModelTraits {
  const { zone, tier, gateway, kind } = plan;
  return {
    uid,
    labels: { zone, tier },
    capabilities: CAPABILITIES[kind],
    gateway,
    ...(!isGoodAtFirst && { react: reactionsOf(plan, world) }),
  };
}

/** By every part of what it is offered, and by both that are new together: the first that it does not take well. */
function reactionsOf(plan: AgentPlan, world: ModelWorld): NonNullable<ModelTraits["react"]> {
  const byHash: ReadonlyMap<ConfigHash, Reaction> = new Map([
    [OLD_HASH, plan.oldReaction],
    [NEW_HASH, plan.reaction],
    [BESIDE_NEW_HASH, plan.besideReaction],
  ]);
  return (hash) => {
    const parts = (world.parts.get(hash) ?? []).map((part) => part.hash);
    const all = parts.map((part) => byHash.get(part) ?? "good");
    if (parts.includes(NEW_HASH) && parts.includes(BESIDE_NEW_HASH)) all.push(plan.bothReaction);
    return all.find((reaction) => reaction !== "good") ?? "good";
  };
}

function agentAt({ world }: Run, place: number): ModelAgent | undefined {
  const all = [...world.agents.values()];
  return all[place % Math.max(1, all.length)];
}

/** The rollout that something happens to. */
function aimOf({ rollout, beside }: Run, { isBeside }: Step): ModelRollout {
  return isBeside ? (beside ?? rollout) : rollout;
}

function take(run: Run, step: Step): void {
  const { world } = run;
  const rollout = aimOf(run, step);
  const { nowMs } = world;
  switch (step.kind) {
    case "wait":
      return;
    case "wish":
      return world.wish(rollout, { wish: step.wish, acceptsFailures: step.accepts && step.wish === "run" });
    case "approve":
    case "withdraw_approval":
    case "promote":
      return world.wish(rollout, wordOf(step.kind, rollout, nowMs));
    case "join":
      run.joined += 1;
      world.add(traitsOf(step.agent, newUid(nowMs, run.joined), world));
      return;
    case "dark":
    case "back":
      return zoneGoes(run, step.zone, step.kind === "dark");
    case "lose_fleet_state":
      return world.loseFleetState();
    case "freeze":
      return freeze(world, step.forMs);
    case "two_workers":
      return twoWorkers(run, step);
    case "worker_dies":
      world.relay();
      if (step.after === "commit") world.commit(world.draft(rollout));
      return;
    case "another":
      return startAnother(run, step.onConflict);
    case "beside":
      return startBeside(run);
    case "both_at_once":
      return bothAtOnce(run);
    default:
      return takeOfAgent(run, step);
  }
}

function wordOf(
  kind: "approve" | "withdraw_approval" | "promote",
  { spec, status }: ModelRollout,
  atMs: number,
): Partial<RolloutSpec> {
  const said = { by: `p${atMs}`, atMs, remark: "" };
  switch (kind) {
    case "approve":
      return { approvals: [...spec.approvals, said] };
    case "withdraw_approval":
      return { approvals: spec.approvals.slice(1) };
    case "promote":
      return { promotions: [...spec.promotions, { ...said, stage: status.stageIndex }] };
  }
}

function freeze(world: ModelWorld, forMs: number): void {
  const freezes = [{ fromMs: world.nowMs, toMs: world.nowMs + forMs, reason: "" }];
  world.calendars = [{ id: "freezes", description: "", freezes, recurring: [] }];
}

function startAnother(run: Run, onConflict: "queue" | "supersede"): void {
  const { world } = run;
  if (world.rollouts.some(({ spec }) => spec.revision === 3)) return;
  const own = { id: nextId(run), revision: 3, hash: aHash("3"), onConflict, createdAtMs: world.nowMs };
  world.start(aRollout([LAST_STAGE], own));
}

function takeOfAgent(run: Run, step: Extract<Step, { readonly agent: number }>): void {
  const { world } = run;
  const rollout = aimOf(run, step);
  const { nowMs } = world;
  const agent = agentAt(run, step.agent);
  if (agent === undefined) return;
  switch (step.kind) {
    case "retry":
      return world.wish(rollout, { retries: [...rollout.spec.retries, { uid: agent.uid, atMs: nowMs }] });
    case "relabel":
      agent.describe({ ...agent.labels, zone: agent.labels["zone"] === "c" ? "a" : "c" }, nowMs);
      return;
    case "delete":
      return world.remove(agent.uid);
    case "leave":
      return agent.disconnect(nowMs);
    case "return":
      return agent.connect(nowMs, step.gateway);
    case "unwell":
    case "well":
      if (agent.isConnected) agent.setHealthy(step.kind === "well", nowMs);
      if (step.kind === "unwell") run.unwell.add(agent.uid);
  }
}

function newUid(nowMs: number, n: number): InstanceUid {
  const time = nowMs.toString(16).padStart(12, "0");
  return parseInstanceUid(`${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${n.toString(16).padStart(12, "0")}`);
}

function zoneGoes({ world }: Run, zone: string, isDark: boolean): void {
  for (const agent of world.agents.values()) {
    if (agent.labels["zone"] !== zone || agent.isConnected !== isDark) continue;
    if (isDark) agent.disconnect(world.nowMs);
    else agent.connect(world.nowMs);
  }
}

/** Two workers read the same, and both write. */
function twoWorkers(run: Run, step: Extract<Step, { readonly kind: "two_workers" }>): void {
  const { world } = run;
  const rollout = aimOf(run, step);
  world.relay();
  const one = world.draft(rollout);
  world.nowMs += step.betweenMs;
  world.relay();
  const other = world.draft(rollout);
  const [first, second] = step.isFirstFaster ? [one, other] : [other, one];
  world.commit(first);
  const { status, wave, version, log, excluded } = rollout;
  const before = { status, wave, version, lines: log.length, excluded: excluded.size };
  const isDone = world.commit(second);
  if (isDone) return; // the first changed nothing
  const after = { status: rollout.status, wave: rollout.wave, version: rollout.version };
  assert.deepEqual(
    { ...after, lines: log.length, excluded: excluded.size },
    before,
    "who comes second changes nothing",
  );
}

/** Workers read for every rollout, and only then the first of them writes. */
function bothAtOnce({ world }: Run): void {
  world.relay();
  const drafts = world.rollouts.filter(({ status }) => !status.isSettled).map((rollout) => world.draft(rollout));
  for (const draft of drafts) world.commit(draft);
}

/** Every fault is over, but for those who are gone. */
function leaveAlone({ world, unwell }: Run, { comeBack }: Scenario): void {
  for (const agent of world.agents.values()) {
    if (comeBack && !agent.isConnected) agent.connect(world.nowMs);
    if (agent.isConnected && unwell.has(agent.uid)) agent.setHealthy(true, world.nowMs);
  }
  advanceToRest(world);
}

/** Goes on until nothing has changed for an hour, for half a day at most. */
function advanceToRest(world: ModelWorld): void {
  let before = "";
  for (let hours = 0; hours < 12; hours += 1) {
    world.advance(HOUR_MS);
    const now = JSON.stringify(
      world.rollouts.map(({ status, excluded }) => [{ ...status, updatedAtMs: 0 }, excluded.size]),
    );
    if (now === before) return;
    before = now;
  }
}
