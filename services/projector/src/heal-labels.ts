// A slow walk over all that operators say of agents: whoever said it may have died before the projector was told, and of that no
// event would ever tell. Agents whose views show it already cost a read; then a rest, and round again. Called by the projector.

import { type AgentEvent, type InstanceUid, type Metadata, withMetadata } from "@muster/fleet";
import type { MetadataPage, VersionedView } from "@muster/store";
import { REST_MS, SWEEP_LIMIT } from "./sweep.ts";

/** What it walks over. */
export interface HealLabelsDeps {
  scan(cursor: string, count: number): Promise<MetadataPage>;
  load(uids: readonly InstanceUid[]): Promise<readonly VersionedView[]>;
  /** Folds events into views. */
  project(events: readonly AgentEvent[]): Promise<void>;
  nowMs(): number;
}

const BEGINNING = "0";

/** Answers what makes one pass, if one is due. */
export function createHealLabels({ scan, load, project, nowMs }: HealLabelsDeps): () => Promise<void> {
  let cursor = BEGINNING;
  let dueMs = nowMs() + REST_MS;
  return async () => {
    if (nowMs() < dueMs) return;
    const page = await scan(cursor, SWEEP_LIMIT);
    const found = await load([...page.said.keys()]);
    const behind = behindOf(page.said, found);
    if (behind.length > 0) await project(behind.map((uid) => lookAgain(uid, nowMs())));
    ({ cursor } = page);
    if (cursor === BEGINNING) dueMs = nowMs() + REST_MS;
  };
}

/** Agents of whom something else is said than their views show; those, too, that go on under another uid, or are not there. */
function behindOf(said: ReadonlyMap<InstanceUid, Metadata>, found: readonly VersionedView[]): readonly InstanceUid[] {
  const views = new Map(found.map(({ view }) => [view.uid, view]));
  return [...said].flatMap(([uid, metadata]) => {
    const view = views.get(uid);
    return view !== undefined && withMetadata(view, metadata) === view ? [] : [uid];
  });
}

/** What has the projector look up anew what operators say of an agent, and compare anew what it shows. */
export function lookAgain(uid: InstanceUid, atMs: number): AgentEvent {
  return { kind: "agent.metadata-changed", uid, epoch: 0, n: 0, atMs };
}
