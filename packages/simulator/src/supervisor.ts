// A simulated agent as a pure state machine: step(state, input) → [state, effects].
//
// No socket, clock or randomness: agent.ts feeds it and carries out its effects in order. What it does, and
// when, was observed on real supervisors; two specs have a case per observation. Misbehaviour on
// purpose is not here but in misbehaviour.ts.

import { hasCapability } from "@muster/protocol";
import {
  applyTimerFired,
  collectorExited,
  collectorTimerFired,
  reportHealth,
  startCollector,
  stopCollector,
} from "./apply.ts";
import type { Composed } from "./compose.ts";
import type { Behaviour } from "./profile.ts";
import { receive } from "./receive.ts";
import { report, reportLast, reportOnConnect } from "./report.ts";
import type { AgentState, AttributePairs, Effect, Identity, Input, TimerName, Turn } from "./state.ts";
import { assertNever, FIELD, TIMERS, UNSET, update } from "./state.ts";

/** Process id of the first Collector on a machine. */
export const FIRST_PID = 1000;

/** A new machine with an agent installed but not started; nothing was ever offered to it. */
export function createSupervisor(behaviour: Behaviour, identity: Identity, endpoint: string): AgentState {
  return {
    behaviour,
    identity,
    phase: "down",
    uid: identity.uid,
    stored: undefined,
    storedStatus: UNSET,
    lastWorking: undefined,
    instanceId: identity.uid,
    other: identity.other,
    health: { healthy: false, status: "", lastError: "", atMs: 0 },
    effective: undefined,
    status: UNSET,
    current: baseConfig(behaviour),
    currentHash: "",
    collector: { kind: "stopped" },
    nextPid: FIRST_PID,
    apply: undefined,
    ownTelemetry: [],
    link: "down",
    first: true,
    sequenceNum: 0,
    dirty: 0,
    heartbeatMs: behaviour.heartbeatMs,
    endpoint,
    homeEndpoint: endpoint,
    requestsUid: behaviour.requestsUid,
  };
}

/** Moves an agent one step on: what it is afterwards, and what it wants done in order. */
export function step(state: AgentState, input: Input): readonly [AgentState, readonly Effect[]] {
  const turn: Turn = { state, effects: [], atMs: input.atMs };
  if (state.phase === "dead" && input.kind !== "started") return [state, []];
  dispatch(turn, input);
  return [turn.state, turn.effects];
}

function dispatch(turn: Turn, input: Input): void {
  switch (input.kind) {
    case "started":
      start(turn);
      return;
    case "connected":
      connect(turn);
      return;
    case "disconnected":
      update(turn, { link: "down" });
      turn.effects.push({ kind: "disarm", timer: "heartbeat" });
      return;
    case "received":
      receive(turn, input.message);
      return;
    case "answered":
      finishRequest(turn);
      return;
    case "timer":
      fire(turn, input.timer);
      return;
    case "stopping":
      stop(turn);
      return;
    case "killed":
      vanish(turn, "down");
      return;
    case "collector-killed":
      if (turn.state.collector.kind === "running") collectorExited(turn, turn.state.collector.pid, input.exitCode);
      return;
    case "heartbeat":
      report(turn, 0);
      return;
    case "health":
      reportHealth(turn, input.health);
      return;
    case "describe":
      describe(turn, input.attributes);
      return;
    default:
      assertNever(input);
  }
}

/** Everything but the disk is new (A1). */
function start(turn: Turn): void {
  const { behaviour, identity, uid: lastUid, stored, storedStatus, lastWorking, homeEndpoint } = turn.state;
  const uid = behaviour.keepsUid ? lastUid : identity.uid;
  const boot = bootConfig(turn.state);
  turn.state = {
    ...createSupervisor(behaviour, identity, homeEndpoint),
    phase: boot === undefined ? "doomed" : "up",
    uid,
    instanceId: uid,
    stored,
    storedStatus,
    lastWorking,
    status: hasCapability(behaviour.capabilities, "ReportsRemoteConfig") ? storedStatus : UNSET,
    current: boot ?? baseConfig(behaviour),
    currentHash: lastWorking !== undefined && boot === lastWorking.config ? lastWorking.hash : (stored?.hash ?? ""),
    nextPid: turn.state.nextPid,
    requestsUid: behaviour.keepsUid ? turn.state.requestsUid : behaviour.requestsUid,
  };
  turn.effects.push({ kind: "connect" });
  if (boot === undefined) return;
  if (boot.empty) {
    update(turn, { effective: boot });
    report(turn, FIELD.effectiveConfig);
  } else startCollector(turn);
}

/** What is started after a restart; undefined when the stored offer cannot be composed. */
function bootConfig(state: AgentState): Composed | undefined {
  const { behaviour, stored, storedStatus, lastWorking } = state;
  if (stored === undefined) return baseConfig(behaviour);
  const failed = stored.config.kind === "invalid" || storedStatus.status === "FAILED";
  if (behaviour.rollsBack && failed && lastWorking !== undefined) return lastWorking.config;
  return stored.config.kind === "invalid" ? undefined : stored.config;
}

function baseConfig(behaviour: Behaviour): Composed {
  const base = behaviour.compose(undefined, []);
  if (base.kind === "invalid") throw new Error(`the base config is our own: ${base.sentence}`);
  return base;
}

function connect(turn: Turn): void {
  if (turn.state.phase === "down") return;
  reportOnConnect(turn);
  // The first report is out before the supervisor notices that it cannot compose what it has stored.
  if (turn.state.phase === "doomed") vanish(turn, "dead");
}

function finishRequest(turn: Turn): void {
  if (turn.state.link !== "busy") return;
  update(turn, { link: "ready" });
  if (turn.state.dirty !== 0) report(turn, 0);
}

function fire(turn: Turn, timer: TimerName): void {
  switch (timer) {
    case "heartbeat":
      beat(turn);
      return;
    case "collector":
      collectorTimerFired(turn);
      return;
    case "apply":
      applyTimerFired(turn);
      return;
    case "come-back":
      start(turn);
      return;
    default:
      assertNever(timer);
  }
}

function beat(turn: Turn): void {
  const { link, heartbeatMs } = turn.state;
  if (link === "ready") {
    report(turn, 0);
    return;
  }
  // A request is still being tried: one poll at a time.
  if (link === "busy") turn.effects.push({ kind: "arm", timer: "heartbeat", afterMs: heartbeatMs });
}

function stop(turn: Turn): void {
  if (turn.state.phase !== "up") {
    vanish(turn, turn.state.phase === "dead" ? "dead" : "down");
    return;
  }
  const { behaviour } = turn.state;
  stopCollector(turn);
  update(turn, { health: { healthy: false, status: "", lastError: "Supervisor is shutdown", atMs: turn.atMs } });
  const goodbye = !behaviour.halfDuplex || behaviour.disconnectsOverHttp ? FIELD.disconnect : 0;
  reportLast(turn, FIELD.health | goodbye);
  disarmAll(turn);
  turn.effects.push({ kind: "close" });
  update(turn, { phase: "down", link: "down", apply: undefined });
}

function vanish(turn: Turn, phase: "down" | "dead"): void {
  disarmAll(turn);
  turn.effects.push({ kind: "vanish" });
  update(turn, { phase, link: "down", apply: undefined, collector: { kind: "stopped" } });
}

function disarmAll(turn: Turn): void {
  for (const timer of TIMERS) turn.effects.push({ kind: "disarm", timer });
}

function describe(turn: Turn, attributes: AttributePairs): void {
  const other = new Map([...turn.state.other, ...attributes]);
  update(turn, { other: [...other] });
  report(turn, FIELD.description);
}
