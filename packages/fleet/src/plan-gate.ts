// The gates of a stage that has baked, asked in turn: the next only when the one before it passed. Pure; measurements
// are taken by the worker, and read here.

import { breachAction } from "./budget.ts";
import { assertNever } from "./error.ts";
import { isConnected } from "./facts.ts";
import type { Gate, GateVerdict, Reading } from "./gate.ts";
import { assessGate } from "./gate-verdict.ts";
import { act, agentsText, enter, enterStage, type Inputs, log, type Pass } from "./pass.ts";
import type { Stage, StageStatus } from "./rollout.ts";
import { isEnded } from "./rollout-states.ts";

/** What the gates of a stage came to. */
export interface StageVerdict {
  readonly verdict: "pass" | "measuring" | "stopped";
  readonly pass: Pass;
}

/** The next measurement of a gate. */
export interface Measurement {
  readonly stage: number;
  readonly gate: number;
  readonly n: number;
  readonly dueAtMs: number;
}

/** Judges the gates of the stage at work; those that fail or cannot tell pause the rollout. */
export function assessStageGates(pass: Pass, stage: Stage, at: StageStatus): StageVerdict {
  let asked = pass;
  if (pass.status.acceptedGates.includes(pass.status.stageIndex)) return { verdict: "pass", pass };
  for (const [i, gate] of stage.gates.entries()) {
    const verdict = verdictOf(asked, gate, i, at);
    switch (verdict.kind) {
      case "pass":
        asked = logOnce(asked, gate, verdict.message, figuresOf(asked, gate, i, at));
        break;
      case "measuring":
        return { verdict: "measuring", pass: waitingFor(asked, gate) };
      case "fail":
      case "inconclusive": {
        const message = `Gate ${gate.name} of stage ${pass.status.stageIndex + 1} ${verdict.kind === "fail" ? "failed" : "could not tell"}: ${verdict.message}`;
        const inputs = { gate: gate.name, verdict: verdict.kind, ...figuresOf(asked, gate, i, at) };
        const logged = log(asked, { kind: "gate", reason: "gate", message, inputs });
        return { verdict: "stopped", pass: stopped(logged, verdict.kind, message) };
      }
      default:
        return assertNever(verdict);
    }
  }
  return { verdict: "pass", pass: asked };
}

/** A gate that fails is a failure of the stage; one that could not tell is a question to people. */
function stopped(pass: Pass, kind: "fail" | "inconclusive", message: string): Pass {
  const action = kind === "fail" ? breachAction(pass.input.spec.budget, pass.status.stageIndex) : "pause";
  return act(pass, action, "gate", message);
}

function waitingFor(pass: Pass, gate: Gate): Pass {
  if (gate.kind !== "dependency") return pass;
  return enter(pass, "paused", "dependency", `Waits for rollout ${gate.rolloutId} to succeed.`);
}

function logOnce(pass: Pass, gate: Gate, message: string, figures: Inputs): Pass {
  // The pass in which the next gate is reached says it; the same verdict is found again on every pass until the stage is through.
  const { stages, stageIndex } = pass.status;
  const passed = stages[stageIndex]?.gatesPassed ?? [];
  if (passed.includes(gate.name)) return pass;
  const logged = log(pass, {
    kind: "gate",
    reason: "stage_gating",
    message: `Gate ${gate.name} passed: ${message}`,
    inputs: { gate: gate.name, verdict: "pass", ...figures },
  });
  return enterStage(logged, { state: "gating", gatesPassed: [...passed, gate.name] });
}

function verdictOf(pass: Pass, gate: Gate, index: number, at: StageStatus): GateVerdict {
  const { readings, peers, nowMs } = pass.input;
  switch (gate.kind) {
    case "health":
      return assessHealthGate(pass);
    case "dependency": {
      const phase = peers.phases.get(gate.rolloutId);
      if (phase === "succeeded") return { kind: "pass", message: `rollout ${gate.rolloutId} succeeded` };
      if (phase === undefined) return { kind: "inconclusive", message: `there is no rollout ${gate.rolloutId}` };
      if (isEnded(phase)) return { kind: "inconclusive", message: `rollout ${gate.rolloutId} ended, and is ${phase}` };
      return { kind: "measuring", n: 0, dueAtMs: nowMs };
    }
    case "metric":
    case "webhook":
      return assessGate(gate, readingsOf(readings, pass.status.stageIndex, index, at), at.gatingAtMs ?? nowMs, nowMs);
  }
}

/** What the verdict of a gate rests on: how many agents, the phase of the other rollout, or what was measured. */
function figuresOf(pass: Pass, gate: Gate, index: number, at: StageStatus): Inputs {
  const { readings, peers } = pass.input;
  switch (gate.kind) {
    case "health":
      return { unwell: unwellCount(pass) };
    case "dependency":
      return { rollout: gate.rolloutId, phase: peers.phases.get(gate.rolloutId) ?? null };
    case "metric":
    case "webhook": {
      const taken = readingsOf(readings, pass.status.stageIndex, index, at);
      const count = (outcome: Reading["outcome"]): number => taken.filter((one) => one.outcome === outcome).length;
      return {
        measured: taken.length,
        failures: count("failure"),
        inconclusive: count("inconclusive"),
        errors: count("error"),
        value: taken.at(-1)?.value ?? null,
      };
    }
    default:
      return assertNever(gate);
  }
}

/** Every agent with the revision that is there must be healthy, also those whose failure was accepted. */
function assessHealthGate(pass: Pass): GateVerdict {
  const count = unwellCount(pass);
  if (count === 0) return { kind: "pass", message: "every agent with the revision is healthy" };
  return { kind: "fail", message: `${agentsText(count)} with the revision ${count === 1 ? "is" : "are"} not healthy` };
}

function unwellCount({ judged }: Pass): number {
  return judged.filter(
    ({ agent, isDispatched }) => isDispatched && isConnected(agent.view) && agent.view.health?.value.healthy === false,
  ).length;
}

function readingsOf(
  readings: readonly Reading[],
  stage: number,
  gate: number,
  { gatingAtMs }: StageStatus,
): readonly Reading[] {
  const own = readings.filter((one) => one.stage === stage && one.gate === gate && one.atMs >= (gatingAtMs ?? 0));
  return [...own].sort((a, b) => a.n - b.n);
}

/** The measurement that the stage at work needs next; null: none. Numbered on from all that were ever taken of the gate. */
export function nextMeasurement(pass: Pass): Measurement | null {
  const { status, input } = pass;
  const at = status.stages[status.stageIndex];
  const stage = input.spec.stages[status.stageIndex];
  const isAsking = status.phase === "running" && at?.state === "gating";
  if (!isAsking || stage === undefined || at === undefined || status.acceptedGates.includes(status.stageIndex))
    return null;
  for (const [i, gate] of stage.gates.entries()) {
    const verdict = verdictOf(pass, gate, i, at);
    if (verdict.kind === "pass") continue;
    if (verdict.kind !== "measuring" || gate.kind === "dependency" || gate.kind === "health") return null;
    const taken = input.readings.filter((one) => one.stage === status.stageIndex && one.gate === i).length;
    return { stage: status.stageIndex, gate: i, n: taken, dueAtMs: verdict.dueAtMs };
  }
  return null;
}
