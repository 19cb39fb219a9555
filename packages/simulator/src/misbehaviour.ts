// Agents that go wrong on purpose: what each kind does instead of step(). Pure, like step itself.
//
// Most kinds only change what the supervisor believes about a config and leave the rest to it, so that a
// misbehaving agent still speaks the protocol correctly.

import { create } from "@bufbuild/protobuf";
import { ServerToAgentSchema } from "@muster/protocol/opamp";
import { filesOf, reportStatus } from "./apply.ts";
import type { Compose, Composed } from "./compose.ts";
import { sameConfig } from "./compose.ts";
import type { Behaviour } from "./profile.ts";
import type { AgentState, Effect, Input, Turn } from "./state.ts";
import { update } from "./state.ts";
import { step } from "./supervisor.ts";

/** Ways to go wrong on request. */
export type Misbehaviour =
  /** Never answers an offer, keeps everything else up. */
  | { readonly kind: "stall" }
  /** Answers every offer of something new with FAILED; what runs stays. */
  | { readonly kind: "reject"; readonly error?: string }
  /** APPLYING, FAILED, then APPLIED of the config before: every new config crashes at its start. */
  | { readonly kind: "apply-then-rollback" }
  /**
   * The machine dies when an offer arrives, after it was written to disk and before anything was said. It
   * comes back after `comeBackAfterMs` (default: never), then behaves: still APPLYING.
   */
  | { readonly kind: "die-after-offer"; readonly comeBackAfterMs?: number }
  /** Uses the uid of somebody else from now on, as a cloned machine does. Needs a reconnect to be seen. */
  | { readonly kind: "duplicate-uid"; readonly uid: string }
  /** Leaves out sequence numbers: each message that follows another input skips `count` (default 1). */
  | { readonly kind: "skip-sequence-numbers"; readonly count?: number }
  /** Every new config is APPLIED and crashes `afterMs` (default 0) later, again and again. */
  | { readonly kind: "crash-after-apply"; readonly afterMs?: number };

/** A misbehaviour in force, and the config that ran when it began: going back to that one always works. */
export interface ActiveMisbehaviour {
  readonly misbehaviour: Misbehaviour;
  readonly spared: Composed;
}

type Step = readonly [AgentState, readonly Effect[]];

/** Begins to misbehave: what is to be passed to `behave` from now on, and the state to go on with. */
export function activate(state: AgentState, misbehaviour: Misbehaviour): readonly [AgentState, ActiveMisbehaviour] {
  const active = { misbehaviour, spared: state.current };
  switch (misbehaviour.kind) {
    case "duplicate-uid":
      return [{ ...state, uid: misbehaviour.uid }, active];
    case "apply-then-rollback":
      // Something to go back to, even if no config was ever applied.
      return [
        { ...state, lastWorking: state.lastWorking ?? { hash: state.currentHash, config: state.current } },
        active,
      ];
    case "stall":
    case "reject":
    case "die-after-offer":
    case "skip-sequence-numbers":
    case "crash-after-apply":
      return [state, active];
  }
}

/** One step of an agent that misbehaves, or of one that does not. */
export function behave(state: AgentState, input: Input, active: ActiveMisbehaviour | undefined): Step {
  if (active === undefined) return step(state, input);
  const { misbehaviour, spared } = active;
  switch (misbehaviour.kind) {
    case "stall":
      return step(state, withoutOffer(input));
    case "reject":
      return reject(state, input, misbehaviour.error ?? "rejected by the agent");
    case "apply-then-rollback":
      return withBehaviour(state, input, { rollsBack: true, compose: crashing(state.behaviour.compose, spared) });
    case "die-after-offer":
      return hasOffer(input) ? dieOf(state, input, misbehaviour.comeBackAfterMs) : step(state, input);
    case "duplicate-uid":
      return step(state, input); // the uid was taken over when it began; a new one from the server counts
    case "skip-sequence-numbers":
      return skip(step(state, input), misbehaviour.count ?? 1);
    case "crash-after-apply": {
      const crashAfterMs = state.behaviour.applyTimeoutMs + (misbehaviour.afterMs ?? 0);
      return withBehaviour(state, input, { compose: crashingLater(state.behaviour.compose, crashAfterMs, spared) });
    }
  }
}

type OfferInput = Extract<Input, { kind: "received" }>;

function hasOffer(input: Input): input is OfferInput {
  return input.kind === "received" && input.message.remoteConfig !== undefined;
}

function withoutOffer(input: Input): Input {
  if (!hasOffer(input)) return input;
  const { remoteConfig: _, $typeName: __, $unknown: ___, ...rest } = input.message;
  return { ...input, message: create(ServerToAgentSchema, rest) };
}

function reject(state: AgentState, input: Input, error: string): Step {
  const offer = hasOffer(input) ? input.message.remoteConfig : undefined;
  if (offer === undefined) return step(state, input);
  const config = state.behaviour.compose(filesOf(offer), state.ownTelemetry);
  if (config.kind === "composed" && sameConfig(config, state.current)) return step(state, input);
  const [next, effects] = step(state, withoutOffer(input));
  const turn: Turn = { state: next, effects: [...effects], atMs: input.atMs };
  const hash = Buffer.from(offer.configHash).toString("hex");
  reportStatus(turn, { status: "FAILED", hash, error });
  return [turn.state, turn.effects];
}

function dieOf(state: AgentState, input: OfferInput, comeBackAfterMs: number | undefined): Step {
  const [written] = step(state, input);
  const [dead, effects] = step(state, { kind: "killed", atMs: input.atMs });
  const { stored, storedStatus } = written;
  const turn: Turn = { state: { ...dead, stored, storedStatus }, effects: [...effects], atMs: input.atMs };
  if (comeBackAfterMs !== undefined) {
    turn.effects.push({ kind: "arm", timer: "come-back", afterMs: comeBackAfterMs });
  }
  return [turn.state, turn.effects];
}

function skip([state, effects]: Step, count: number): Step {
  if (!effects.some((effect) => effect.kind === "send")) return [state, effects];
  const turn: Turn = { state, effects: [], atMs: 0 };
  update(turn, { sequenceNum: state.sequenceNum + count });
  return [turn.state, effects];
}

/** Lets the supervisor see configs differently for one step, without changing what it is. */
function withBehaviour(state: AgentState, input: Input, patch: Partial<Behaviour>): Step {
  const [next, effects] = step({ ...state, behaviour: { ...state.behaviour, ...patch } }, input);
  return [{ ...next, behaviour: state.behaviour }, effects];
}

function crashing(compose: Compose, spared: Composed): Compose {
  return (files, ownTelemetry) => {
    const composed = compose(files, ownTelemetry);
    if (composed.kind === "invalid" || sameConfig(composed, spared)) return composed;
    return { ...composed, verdict: { kind: "exits", invalid: undefined } };
  };
}

function crashingLater(compose: Compose, crashAfterMs: number, spared: Composed): Compose {
  return (files, ownTelemetry) => {
    const composed = compose(files, ownTelemetry);
    if (composed.kind === "invalid" || composed.verdict.kind === "exits") return composed;
    if (sameConfig(composed, spared)) return composed;
    return { ...composed, verdict: { ...composed.verdict, crashAfterMs } };
  };
}
