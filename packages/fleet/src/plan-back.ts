// A rollout that is taken back, because it failed or because an operator wants it: agents are relieved of the revision in
// the reverse of their order, and verified on what they had before. No gate is asked and no window waited for. Pure.

import { isConnected } from "./facts.ts";
import type { InstanceUid } from "./ids.ts";
import type { Judged, WaveEntry } from "./judge.ts";
import { recentDispatches, relieve } from "./pace.ts";
import { agentsText, end, enter, log, type Pass, withStatus } from "./pass.ts";
import { isRebuilding } from "./plan-start.ts";

/** Ends a way back on which everybody arrived that can be reached. */
export function withWayBack(pass: Pass): Pass {
  const { judged, input, status } = pass;
  if (isRebuilding(input.fleetLostAtMs, input.nowMs)) return pass;
  const leftCount = judged.filter((one) => isOnTheWayBack(one)).length;
  const failedCount = judged.filter(({ state }) => state === "rollback_failed" || state === "restore_failed").length;
  const backCount = judged.filter(({ state }) => state === "rolled_back" || state === "restored").length;
  if (leftCount > 0) {
    const message = `${agentsText(backCount)} have what they had before, ${leftCount} are on the way.`;
    return enter(pass, status.phase, "taking_back", message);
  }
  const awayCount = judged.filter(
    (one) => !isConnected(one.agent.view) && (one.isDispatched || wasReturned(one, pass)),
  ).length;
  const away = awayCount === 0 ? "" : `, ${awayCount} are offline and get it when they return`;
  const inputs = { back: backCount, failed: failedCount, away: awayCount };
  if (failedCount > 0) {
    const message = `${agentsText(failedCount)} are not well with what they had before; ${backCount} are${away}.`;
    return end(pass, "rollback_incomplete", "not_all_back", message, inputs);
  }
  const phase = status.phase === "reverting" ? "reverted" : "rolled_back";
  return end(pass, phase, "taken_back", `${agentsText(backCount)} have what they had before${away}.`, inputs);
}

/** There, and not yet where it was before. */
function isOnTheWayBack({ agent, isDispatched, state }: Judged): boolean {
  if (state === "restore_offered" || state === "rollback_offered") return isConnected(agent.view);
  return isDispatched && isConnected(agent.view);
}

function wasReturned({ agent }: Judged, { input }: Pass): boolean {
  return agent.desired?.returned?.includes(input.spec.id) ?? false;
}

/** The agents to relieve: those of before that have the revision still, and as many more as there is room for. */
export function waveBack({ judged, status, input }: Pass): readonly WaveEntry[] {
  const left = new Set<InstanceUid>(
    judged.filter(({ isDispatched }) => isDispatched).map(({ agent }) => agent.view.uid),
  );
  const waiting = input.wave.filter(({ uid }) => left.has(uid));
  const news = relieve(judged, input.spec, waiting, status, input.nowMs);
  return [...waiting, ...news.map((uid) => ({ uid, tries: 1 }))];
}

/** Says who is relieved, and counts them. */
export function logWaveBack(pass: Pass, wave: readonly WaveEntry[]): Pass {
  const { input, status } = pass;
  const before = new Set(input.wave.map(({ uid }) => uid));
  const news = wave.filter(({ uid }) => !before.has(uid)).map(({ uid }) => uid);
  const recent = recentDispatches(status.dispatches, input.nowMs);
  if (news.length === 0)
    return recent.length === status.dispatches.length ? pass : withStatus(pass, { dispatches: recent });
  const number = status.wave + 1;
  const message = `Wave ${number}: the revision is taken back from ${agentsText(news.length)}.`;
  const inputs = { wave: number, agents: news.length };
  const logged = log(pass, { kind: "wave", reason: "taking_back", message, agents: news, inputs });
  return withStatus(logged, { wave: number, dispatches: [...recent, [input.nowMs, news.length]] });
}
