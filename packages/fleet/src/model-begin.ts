// How a scenario of the model test begins: its fleet, what was stable before, its rollouts, and how agents react to what is
// put together of two configs. For plan-model.spec.ts only.

import assert from "node:assert/strict";
import type { FailureBudget } from "./budget.ts";
import { aHash, aRollout, aUid } from "./builders.ts";
import { type ConfigHash, type InstanceUid, parseConfigId, parseRolloutId } from "./ids.ts";
import { ModelOracle } from "./model-oracle.ts";
import { type AgentPlan, LAST_STAGE, type Scenario } from "./model-scenario.ts";
import type { ModelTraits, Reaction } from "./model-traits.ts";
import { type ModelRollout, ModelWorld } from "./model-world.ts";
import type { RolloutSpec } from "./rollout.ts";
import { DEFAULT_POLICIES, DEFAULT_TIMING } from "./rollout-defaults.ts";

/** Revisions of the config that every scenario rolls out, and of the one beside it. */
const OLD_HASH = aHash("1");
const NEW_HASH = aHash("2");
const BESIDE_OLD_HASH = aHash("b");
const BESIDE_NEW_HASH = aHash("c");
const BESIDE = { configId: parseConfigId("beside"), order: 200 };
const NO_BUDGET: FailureBudget = { criteria: [], onBreach: "pause" };
const CAPABILITIES = {
  usual: ["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig", "ReportsHealth", "ReportsEffectiveConfig"],
  unspoken: ["ReportsStatus", "AcceptsRemoteConfig", "ReportsHealth"],
  showing: ["ReportsStatus", "AcceptsRemoteConfig", "ReportsHealth", "ReportsEffectiveConfig"],
  incapable: ["ReportsStatus", "ReportsHealth"],
} as const satisfies Record<AgentPlan["kind"], readonly string[]>;

/** A scenario that is being played. */
export interface Run {
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

/** Builds the world of a scenario, up to its first step. */
export function begin(scenario: Scenario): Run {
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
export function startBeside(run: Run): void {
  const { world, scenario } = run;
  if (scenario.beside === null || run.beside !== null) return;
  const id = nextId(run);
  const own = { ...BESIDE, id, seed: id, revision: 2, hash: BESIDE_NEW_HASH, createdAtMs: world.nowMs };
  run.beside = world.start({ ...aRollout([LAST_STAGE]), ...scenario.beside.spec, ...own });
}

/** Ids of rollouts tell which came first. */
export function nextId(run: Run): RolloutSpec["id"] {
  run.started += 1;
  return idOf(run.started);
}

function idOf(n: number): RolloutSpec["id"] {
  return parseRolloutId(`01890a5d-0000-7000-8000-${n.toString(16).padStart(12, "0")}`);
}

/** What an agent of a scenario is, in a world. */
export function traitsOf(plan: AgentPlan, uid: InstanceUid, world: ModelWorld, isGoodAtFirst = false): ModelTraits {
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
