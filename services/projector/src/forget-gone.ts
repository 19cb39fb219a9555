// Retention: agents that went away and did not come back for long are forgotten, since processes that make up an identity each
// time they start would fill the fleet. A sweep looks at those that are not connected; every projector does this.
//
// Agents that operators labelled or annotated are kept: somebody cares for them by name. ForgetAgents forgets them, too.

import { type AgentView, type InstanceUid, isConnected, isMarked, lastSeenAtMs, parseSelector } from "@muster/fleet";
import type { Forgotten, VersionedView } from "@muster/store";

/** What it needs. */
export interface ForgetGoneDeps {
  /** 0: agents are kept for ever. */
  readonly retentionMs: number;
  load(uids: readonly InstanceUid[]): Promise<readonly VersionedView[]>;
  forget(found: readonly VersionedView[]): Promise<readonly Forgotten[]>;
  nowMs(): number;
  onForgotten(count: number): void;
}

/** Whom the sweep looks at. */
export const GONE = parseSelector("connected=false");

/** Whether an agent is to be forgotten. */
export function isGone(view: AgentView, retentionMs: number, nowMs: number): boolean {
  if (retentionMs === 0 || isConnected(view) || isMarked(view.metadata)) return false;
  return lastSeenAtMs(view, nowMs) + retentionMs <= nowMs;
}

/** Forgets those of some agents that did not come back for long. */
export async function forgetGone(deps: ForgetGoneDeps, uids: readonly InstanceUid[]): Promise<void> {
  const gone = (await deps.load(uids)).filter(({ view }) => isGone(view, deps.retentionMs, deps.nowMs()));
  const codes = gone.length === 0 ? [] : await deps.forget(gone);
  const count = codes.filter((code) => code === "forgotten").length;
  if (count > 0) deps.onForgotten(count);
}
