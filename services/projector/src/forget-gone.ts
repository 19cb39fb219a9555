// Retention: agents that went away and did not come back for long are forgotten, since processes that make up an identity each
// time they start would fill the fleet. One pass looks at a few agents of one partition that are not connected, found by the
// index, and goes on there with the next pass; so a million that are connected cost nothing. Every projector does this.
//
// Agents that operators labelled or annotated are kept: somebody cares for them by name. ForgetAgents forgets them, too.

import {
  type AgentView,
  type InstanceUid,
  isConnected,
  isMarked,
  lastSeenAtMs,
  parseSelector,
  type Selector,
} from "@muster/fleet";
import type { Forgotten, Partition, VersionedView } from "@muster/store";

/** What it needs. */
export interface ForgetGoneDeps {
  readonly partitions: number;
  /** 0: agents are kept for ever. */
  readonly retentionMs: number;
  pageOf(partition: Partition, after: string, limit: number, selector: Selector): Promise<readonly InstanceUid[]>;
  load(uids: readonly InstanceUid[]): Promise<readonly VersionedView[]>;
  forget(found: readonly VersionedView[]): Promise<readonly Forgotten[]>;
  nowMs(): number;
}

/** Agents looked at in one pass. */
const LIMIT = 250;
const GONE = parseSelector("connected=false");

/** Whether an agent is to be forgotten. */
export function isGone(view: AgentView, retentionMs: number, nowMs: number): boolean {
  if (retentionMs === 0 || isConnected(view) || isMarked(view.metadata)) return false;
  return lastSeenAtMs(view, nowMs) + retentionMs <= nowMs;
}

/** Goes over all partitions, a pass at a time. A pass answers how many agents were forgotten. */
export function createForgetGone(deps: ForgetGoneDeps): () => Promise<number> {
  let partition = 0;
  let after = "";
  return async () => {
    if (deps.retentionMs === 0) return 0;
    const uids = await deps.pageOf(partition, after, LIMIT, GONE);
    const gone = (await deps.load(uids)).filter(({ view }) => isGone(view, deps.retentionMs, deps.nowMs()));
    const codes = await deps.forget(gone);
    after = uids.length < LIMIT ? "" : (uids.at(-1) ?? "");
    if (after === "") partition = (partition + 1) % deps.partitions;
    return codes.filter((code) => code === "forgotten").length;
  };
}
