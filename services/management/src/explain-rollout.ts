// ListRolloutAgents and ExplainRollout: what every agent is doing in a rollout, and what happened to one or to all and why,
// in order. Judges as the workers do, from what is stored; writes nothing.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  AGENT_STATES,
  type AgentRolloutState,
  type Decision,
  FAILURE_WORDS,
  type InstanceUid,
  type Judged,
  judge,
  parseInstanceUid,
  parseRolloutId,
} from "@muster/fleet";
import type {
  ExplainRolloutRequest,
  ExplainRolloutResponseSchema,
  ListRolloutAgentsRequest,
  ListRolloutAgentsResponseSchema,
  RolloutEventSchema,
} from "@muster/protocol/muster/rollouts";
import { type Cohorts, MAX_LOG_LINES, type Rollouts, type StoredRollout } from "@muster/store";
import { agentHistory } from "./agent-history.ts";
import { checked, invalid } from "./checked.ts";
import { existingRollout } from "./existing-rollout.ts";
import { decodePageToken, encodeToken, parsePageSize } from "./paging.ts";
import { toEvent, toRemovedAgent, toRolloutAgent } from "./translate-rollout.ts";

/** What it reads. */
export interface ExplainDeps {
  readonly rollouts: Pick<Rollouts, "get" | "log" | "removed">;
  readonly cohorts: Pick<Cohorts, "page" | "find">;
  readonly nowMs: () => number;
}

/** Agents that are looked at for one page of those in some states. */
const MAX_SCAN = 10_000;
const SCAN_CHUNK = 500;

type ListedAgent = ReturnType<typeof toRolloutAgent> | ReturnType<typeof toRemovedAgent>;

/** A page of the agents of a rollout, by uid. */
export async function listRolloutAgents(
  deps: ExplainDeps,
  request: ListRolloutAgentsRequest,
): Promise<MessageInitShape<typeof ListRolloutAgentsResponseSchema>> {
  const list = ["rollout-agents", request.rolloutId, ...request.states];
  const { id, states, pageSize, from } = checked({
    id: () => parseRolloutId(request.rolloutId),
    states: () => parseStates(request.states),
    pageSize: () => parsePageSize(request.pageSize),
    from: () => decodePageToken(list, request.pageToken),
  });
  const rollout = await existingRollout(deps.rollouts, id);
  const removed = await deps.rollouts.removed(id);
  const found: ListedAgent[] = [];
  let after: string | null = from;
  for (let seen = 0; after !== null && found.length < pageSize && seen < MAX_SCAN; seen += SCAN_CHUNK) {
    const page: Awaited<ReturnType<Cohorts["page"]>> = await deps.cohorts.page(rollout.spec, after, SCAN_CHUNK);
    const input = { ...rollout, cohort: page.agents, isPartial: true, nowMs: deps.nowMs() };
    const judged = judge(input, rollout.status).map(toRolloutAgent);
    const gone: readonly ListedAgent[] = removedAmong(removed, after, page).map(toRemovedAgent);
    const wanted: readonly ListedAgent[] = [...judged, ...gone]
      .filter(({ state }) => states.size === 0 || states.has(state))
      .sort(byUid);
    const taken: readonly ListedAgent[] = wanted.slice(0, pageSize - found.length);
    found.push(...taken);
    after = taken.length < wanted.length ? (taken.at(-1)?.instanceUid ?? after) : page.next;
  }
  return { agents: found, nextPageToken: after === null ? "" : encodeToken(list, after) };
}

/** Those of the removed that belong between the agents of a page. */
function removedAmong(
  removed: ReadonlyMap<InstanceUid, number>,
  after: string,
  { agents, next }: Awaited<ReturnType<Cohorts["page"]>>,
): readonly InstanceUid[] {
  if (removed.size === 0) return [];
  const present = new Set(agents.map(({ view }) => view.uid));
  return [...removed.keys()].filter((uid) => uid > after && (next === null || uid <= next) && !present.has(uid));
}

function byUid(a: ListedAgent, b: ListedAgent): number {
  return a.instanceUid < b.instanceUid ? -1 : 1;
}

function parseStates(words: readonly string[]): ReadonlySet<AgentRolloutState> {
  const known = Object.keys(AGENT_STATES);
  const wrong = words.find((word) => !known.includes(word));
  if (wrong !== undefined) throw invalid("states", `"${wrong}" is none of ${known.join(", ")}.`);
  return new Set(words as readonly AgentRolloutState[]); // checked
}

/** What happened and why: in the whole rollout, or to one agent. */
export async function explainRollout(
  deps: ExplainDeps,
  request: ExplainRolloutRequest,
): Promise<MessageInitShape<typeof ExplainRolloutResponseSchema>> {
  const list = ["rollout-events", request.rolloutId, request.instanceUid];
  const { id, uid, pageSize, from } = checked({
    id: () => parseRolloutId(request.rolloutId),
    uid: () => (request.instanceUid === "" ? null : parseInstanceUid(request.instanceUid)),
    pageSize: () => parsePageSize(request.pageSize),
    from: () => Number(decodePageToken(list, request.pageToken) || 0),
  });
  const rollout = await existingRollout(deps.rollouts, id);
  if (uid === null) return await explainAll(deps, rollout, list, from, pageSize);
  const { judged, events } = await explainAgent(deps, rollout, uid);
  const page = events.slice(from, from + pageSize);
  const isMore = from + pageSize < events.length;
  return {
    summary: summaryOf(rollout, uid, judged),
    events: page,
    nextPageToken: isMore ? encodeToken(list, String(from + pageSize)) : "",
    agent: judged === null ? toRemovedAgent(uid) : toRolloutAgent(judged),
  };
}

async function explainAll(
  deps: ExplainDeps,
  { spec, status }: StoredRollout,
  list: readonly string[],
  from: number,
  pageSize: number,
) {
  const lines = await deps.rollouts.log(spec.id, from, pageSize + 1);
  return {
    summary: `The rollout is ${status.phase.replaceAll("_", " ")}: ${status.message}`,
    events: lines.slice(0, pageSize).map(toEvent),
    nextPageToken: lines.length > pageSize ? encodeToken(list, String(from + pageSize)) : "",
  };
}

type Event = MessageInitShape<typeof RolloutEventSchema>;

/** What the agent reported and what was decided about it, its stage and the rollout, in order of time. */
async function explainAgent(
  { rollouts, cohorts, nowMs }: ExplainDeps,
  rollout: StoredRollout,
  uid: InstanceUid,
): Promise<{ readonly judged: Judged | null; readonly events: readonly Event[] }> {
  const [agent, lines, removed] = await Promise.all([
    cohorts.find(rollout.spec, uid),
    rollouts.log(rollout.spec.id, 0, MAX_LOG_LINES),
    rollouts.removed(rollout.spec.id),
  ]);
  if (agent === undefined) {
    const named = lines.filter(({ agents }) => agents.includes(uid)).map(toEvent);
    return { judged: null, events: [...named, ...removalOf(uid, removed)] };
  }
  // One agent tells no storm: those are as the workers found them.
  const input = { ...rollout, cohort: [agent], isPartial: true, nowMs: nowMs() };
  const [judged = null] = judge(input, rollout.status);
  const decisions = lines.filter((line) => concerns(line, uid, judged?.stage ?? null)).map(toEvent);
  const history = agentHistory(agent, rollout.spec);
  return { judged, events: [...decisions, ...history].sort((a, b) => timeOf(a) - timeOf(b)) };
}

function removalOf(uid: InstanceUid, removed: ReadonlyMap<InstanceUid, number>): readonly Event[] {
  const atMs = removed.get(uid);
  if (atMs === undefined) return [];
  const message = "Its labels changed: the rollout is for it no more, and it has what it would have without it.";
  return [{ time: timestampFromMs(atMs), kind: "agent", reason: "removed", message, instanceUids: [uid] }];
}

/** Decisions that name the agent, and those on the rollout and on the agent's stage that name nobody. */
function concerns({ kind, agents, stage }: Decision, uid: InstanceUid, own: number | null): boolean {
  if (agents.includes(uid)) return true;
  if (kind === "phase" || kind === "operator") return true;
  return kind !== "agent" && kind !== "wave" && (own === null || stage === null || stage <= own);
}

function timeOf({ time }: Event): number {
  return Number(time?.seconds ?? 0n) * 1_000 + (time?.nanos ?? 0) / 1e6;
}

function summaryOf({ spec }: StoredRollout, uid: InstanceUid, judged: Judged | null): string {
  if (judged === null) return `Agent ${uid} is in state removed: ${AGENT_STATES.removed}`;
  const { state, stage, failure } = judged;
  const where = stage === null ? "no stage has reached it" : `stage ${stage + 1} of ${spec.stages.length} reached it`;
  const why = failure === null ? "" : ` It ${FAILURE_WORDS[failure.state]}: ${failure.error || "no word"}.`;
  return `Agent ${uid} is in state ${state}: ${AGENT_STATES[state]} ${where[0]?.toUpperCase()}${where.slice(1)}.${why}`;
}
