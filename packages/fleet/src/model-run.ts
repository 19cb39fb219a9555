// Plays one scenario of the model test: has its world built, does what happens in it step by step, leaves it alone, and has
// the oracle look on all the while. For plan-model.spec.ts only.

import assert from "node:assert/strict";
import { aHash, aRollout } from "./builders.ts";
import { type InstanceUid, parseInstanceUid } from "./ids.ts";
import type { ModelAgent } from "./model-agent.ts";
import { begin, nextId, type Run, startBeside, traitsOf } from "./model-begin.ts";
import { LAST_STAGE, type Scenario, type Step } from "./model-scenario.ts";
import type { ModelRollout, ModelWorld } from "./model-world.ts";
import type { RolloutSpec } from "./rollout.ts";
import { isEnded } from "./rollout-states.ts";

const HOUR_MS = 3_600_000;

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
