// Applying a config: from an offer to APPLIED or FAILED, and what becomes of the Collector meanwhile.
//
// The order of things is the real supervisor's, warts included: an offer is on disk before it is looked at,
// contents are compared rather than hashes, a status equal to the one reported last is not repeated, and
// FAILED leaves the Collector crashing on what failed unless the profile rolls back.

import { hasCapability } from "@muster/protocol";
import type { AgentRemoteConfig } from "@muster/protocol/opamp";
import type { Composed, OwnTelemetry } from "./compose.ts";
import { sameConfig } from "./compose.ts";
import type { ConfigFile } from "./merge.ts";
import { report } from "./report.ts";
import type { ConfigStatus, Health, Turn } from "./state.ts";
import { assertNever, FIELD, update } from "./state.ts";

/** Takes an offered config: stores it, composes it, and begins to apply it if it is new and sound. */
export function takeOffer(turn: Turn, offer: AgentRemoteConfig): void {
  const hash = Buffer.from(offer.configHash).toString("hex");
  const files = filesOf(offer);
  const config = turn.state.behaviour.compose(files, turn.state.ownTelemetry);
  update(turn, { stored: { hash, config } });
  if (config.kind === "invalid") {
    reportStatus(turn, { status: "FAILED", hash, error: config.sentence });
    return;
  }
  if (turn.state.behaviour.validates && config.verdict.kind === "exits" && config.verdict.invalid !== undefined) {
    const error = `configuration validation failed: ${config.verdict.invalid}`;
    reportStatus(turn, { status: "FAILED", hash, error });
    return;
  }
  if (sameConfig(config, turn.state.current)) confirmUnchanged(turn, hash, config);
  else {
    const told = changeStatus(turn, { status: "APPLYING", hash, error: "" });
    report(turn, told | FIELD.effectiveConfig); // the old one: nothing has changed yet
    applyConfig(turn, config, { hash, persist: true });
  }
}

/** Starts the Collector on the config in force. Used at the start, on a restart command and by the crash loop. */
export function startCollector(turn: Turn): void {
  const { behaviour, current, nextPid } = turn.state;
  const { verdict } = current;
  update(turn, { collector: { kind: "starting", pid: nextPid }, nextPid: nextPid + 1 });
  turn.effects.push({
    kind: "arm",
    timer: "collector",
    afterMs: verdict.kind === "runs" ? (verdict.startMs ?? behaviour.startMs) : behaviour.crashMs,
  });
}

/** Stops the Collector if it runs; without a word to the server if it does not. */
export function stopCollector(turn: Turn): void {
  if (turn.state.collector.kind === "running") {
    reportHealth(turn, { healthy: false, status: "StatusStopping", lastError: "" });
  }
  update(turn, { collector: { kind: "stopped" } });
  turn.effects.push({ kind: "disarm", timer: "collector" });
}

/** Restarts the Collector and arms the apply timer, as every change of its config does. */
export function restartForChange(turn: Turn, config: Composed): void {
  report(turn, FIELD.effectiveConfig);
  applyConfig(turn, config, { hash: turn.state.currentHash, persist: true });
}

/** The timer `collector` fired: a start came to its end, a running one crashes, or a crashed one starts again. */
export function collectorTimerFired(turn: Turn): void {
  const { collector, current } = turn.state;
  switch (collector.kind) {
    case "starting":
      if (current.verdict.kind === "exits") collectorExited(turn, collector.pid, 1);
      else collectorUp(turn, collector.pid);
      return;
    case "running":
      collectorExited(turn, collector.pid, 1);
      return;
    case "crashed":
      startCollector(turn);
      return;
    case "stopped":
      return; // a timer that was disarmed too late
    default:
      assertNever(collector);
  }
}

/** The Collector's process ended although nobody asked it to. */
export function collectorExited(turn: Turn, pid: number, exitCode: number): void {
  const lastError = `Agent process PID=${pid} exited unexpectedly, exit code=${exitCode}. Will restart in a bit...`;
  update(turn, { collector: { kind: "crashed" } });
  turn.effects.push({ kind: "arm", timer: "collector", afterMs: turn.state.behaviour.crashRestartMs });
  reportHealth(turn, { healthy: false, status: "", lastError });
  if (turn.state.apply === undefined) return;
  failApply(turn, `Agent exited unexpectedly with exit code ${exitCode} while applying configuration`);
}

/** The timer `apply` fired: the config is judged by health alone. */
export function applyTimerFired(turn: Turn): void {
  const { apply, current, health } = turn.state;
  if (apply === undefined) return;
  if (!health.healthy) {
    failApply(turn, "Config apply timeout exceeded");
    return;
  }
  update(turn, { apply: undefined, lastWorking: { hash: apply.hash, config: current } });
  settleStatus(turn, { status: "APPLIED", hash: apply.hash, error: "" }, apply.persist);
}

/** Changes health and tells it. */
export function reportHealth(turn: Turn, health: Omit<Health, "atMs">): void {
  update(turn, { health: { ...health, atMs: turn.atMs } });
  report(turn, FIELD.health);
}

/** Changes the config status and tells it, unless it is the one told last. */
export function reportStatus(turn: Turn, status: ConfigStatus): void {
  settleStatus(turn, status, true);
}

/** The files of an offer; none at all for a hash without config. */
export function filesOf(offer: AgentRemoteConfig): readonly ConfigFile[] {
  return Object.entries(offer.config?.configMap ?? {}).map(([name, file]) => ({ name, body: file.body }));
}

function confirmUnchanged(turn: Turn, hash: string, config: Composed): void {
  update(turn, { currentHash: hash });
  // The verdict of a change on the way will be about this hash.
  if (turn.state.apply !== undefined) update(turn, { apply: { ...turn.state.apply, hash } });
  if (turn.state.health.healthy) update(turn, { lastWorking: { hash, config } });
  reportStatus(turn, { status: "APPLIED", hash, error: "" });
}

function applyConfig(turn: Turn, config: Composed, apply: { readonly hash: string; readonly persist: boolean }): void {
  stopCollector(turn);
  update(turn, { current: config, currentHash: apply.hash });
  if (config.empty) {
    stayStopped(turn, apply.hash);
    return;
  }
  startCollector(turn);
  update(turn, { apply });
  turn.effects.push({ kind: "arm", timer: "apply", afterMs: turn.state.behaviour.applyTimeoutMs });
}

function stayStopped(turn: Turn, hash: string): void {
  update(turn, { apply: undefined, health: { healthy: true, status: "", lastError: "", atMs: turn.atMs } });
  turn.effects.push({ kind: "disarm", timer: "apply" });
  report(turn, FIELD.effectiveConfig); // still the old one
  report(turn, changeStatus(turn, { status: "APPLIED", hash, error: "" }) | FIELD.health);
}

function collectorUp(turn: Turn, pid: number): void {
  const { current } = turn.state;
  reportHealth(turn, { healthy: false, status: "StatusStarting", lastError: "" });
  update(turn, { collector: { kind: "running", pid, startedAtMs: turn.atMs }, effective: current });
  report(turn, FIELD.effectiveConfig);
  reportHealth(turn, { healthy: true, status: "StatusOK", lastError: "" });
  const crashAfterMs = current.verdict.kind === "runs" ? current.verdict.crashAfterMs : undefined;
  if (crashAfterMs !== undefined) turn.effects.push({ kind: "arm", timer: "collector", afterMs: crashAfterMs });
}

function failApply(turn: Turn, error: string): void {
  const { apply, behaviour, lastWorking, current } = turn.state;
  if (apply === undefined) return;
  update(turn, { apply: undefined });
  turn.effects.push({ kind: "disarm", timer: "apply" });
  settleStatus(turn, { status: "FAILED", hash: apply.hash, error }, apply.persist);
  if (!behaviour.rollsBack || lastWorking === undefined || sameConfig(lastWorking.config, current)) return;
  // APPLIED of the earlier config is told but not written down: a restart reports FAILED again.
  applyConfig(turn, lastWorking.config, { hash: lastWorking.hash, persist: false });
}

function settleStatus(turn: Turn, status: ConfigStatus, persist: boolean): void {
  const fields = changeStatus(turn, status, persist);
  if (fields !== 0) report(turn, fields);
}

/** Changes the status and answers what is left to report: nothing for a repetition or without hash or bit. */
function changeStatus(turn: Turn, status: ConfigStatus, persist = true): number {
  if (persist) update(turn, { storedStatus: status });
  const { status: told, behaviour } = turn.state;
  if (status.hash === "" || !hasCapability(behaviour.capabilities, "ReportsRemoteConfig")) return 0;
  if (told.status === status.status && told.hash === status.hash && told.error === status.error) return 0;
  update(turn, { status });
  return FIELD.configStatus;
}

/** Recomposes the config in force with other endpoints for the Collector's own telemetry. */
export function changeOwnTelemetry(turn: Turn, ownTelemetry: OwnTelemetry): void {
  const { behaviour, current } = turn.state;
  update(turn, { ownTelemetry });
  const config = behaviour.compose(current.files.length > 0 || current.empty ? current.files : undefined, ownTelemetry);
  if (config.kind === "composed" && !sameConfig(config, current)) restartForChange(turn, config);
}
