// What operators say of agents: of one (UpdateAgent), and of all that a selector matches (LabelAgents). Written to control
// state; the projector is told to look again, and does the rest. Level-triggered: whoever calls again because a call failed on
// the way finds what is done, and tells the projector of all whose views do not show it.

import { create } from "@bufbuild/protobuf";
import {
  assessMetadata,
  changeMetadata,
  FleetError,
  type InstanceUid,
  type Metadata,
  NO_CHANGE,
  NO_METADATA,
  parseAnnotations,
  parseChange,
  parseInstanceUid,
  parseLabels,
  parseSelector,
  replaceMetadata,
} from "@muster/fleet";
import {
  AgentSchema,
  type LabelAgentsRequest,
  type Agent as ProtoAgent,
  type UpdateAgentRequest,
} from "@muster/protocol/muster/agents";
import type { Events, MetadataStore, Tally, VersionedView } from "@muster/store";
import { checked, invalid, parseCount, parseRequestId } from "./checked.ts";
import { parseMask } from "./mask.ts";
import { existingAgent, type FindAgent, type RecordDeps, toAgents } from "./records.ts";
import { selectAll } from "./select-all.ts";
import { toMetadata } from "./translate-agent.ts";

/** What it reads and writes. */
export interface MarkDeps extends RecordDeps {
  readonly agents: RecordDeps["agents"] & FindAgent & { readonly tally: Tally };
  readonly metadata: MetadataStore;
  readonly events: Pick<Events, "lookAgain">;
  readonly nowMs: () => number;
}

const CHANGEABLE = ["labels", "annotations"] as const;
/** Times a change is tried again when somebody else was faster. */
const MAX_RACES = 10;

/** Says something else of one agent. @throws FleetError `invalid`, `not_found`, `failed_precondition`, `conflict` */
export async function updateAgent(
  deps: MarkDeps,
  request: UpdateAgentRequest,
): Promise<{ readonly agent: ProtoAgent }> {
  const { given, change, expected } = checked({
    given: () => parseInstanceUid(request.instanceUid),
    change: () => parseReplacement(request),
    expected: () => parseExpected(request.expectedGeneration),
    requestId: () => parseRequestId(request.requestId),
  });
  const found = await existingAgent(deps.agents, given);
  const { uid } = found.view;
  for (let races = 0; races < MAX_RACES; races++) {
    const [before = NO_METADATA] = await deps.metadata.load([uid]);
    if (expected !== null && expected !== before.generation) throw moved(uid, expected, before.generation);
    const after = replaceMetadata(before, change);
    mustFit(uid, after);
    const isDone = request.validateOnly || after === before || (await deps.metadata.put([{ uid, before, after }]))[0];
    if (isDone !== true) continue;
    if (!request.validateOnly) await deps.events.lookAgain([uid], deps.nowMs());
    const [agent = create(AgentSchema)] = await toAgents(deps, [found]);
    return { agent: Object.assign(agent, toMetadata(after)) };
  }
  throw tooManyRaces();
}

/** null: it does not matter. */
function parseExpected(generation: bigint | undefined): number | null {
  return generation === undefined ? null : parseCount("expected_generation", generation);
}

function parseReplacement({ labels, annotations, updateMask }: UpdateAgentRequest): Partial<Metadata> {
  const paths = parseMask("update_mask", updateMask, CHANGEABLE);
  if ((updateMask?.paths ?? []).length === 0)
    throw invalid("update_mask", "names nothing; say labels, annotations or both.");
  const { all, notes } = checked({
    all: () => parseLabels("labels", labels),
    notes: () => parseAnnotations("annotations", annotations),
  });
  const isNamed = (name: string) => paths === "all" || paths.has(name);
  return { ...(isNamed("labels") && { labels: all }), ...(isNamed("annotations") && { annotations: notes }) };
}

/** Labels all agents that a selector matches now. @throws FleetError `invalid`, `failed_precondition` */
export async function labelAgents(
  deps: MarkDeps,
  request: LabelAgentsRequest,
  signal: AbortSignal,
): Promise<{ readonly matchedCount: bigint; readonly changedCount: bigint }> {
  const { selector, change } = checked({
    selector: () => parseGivenSelector(request.selector),
    change: () => parseChange({ setLabels: request.setLabels, removeLabels: request.removeLabels }),
    some: () => {
      if (Object.keys(request.setLabels).length + request.removeLabels.length > 0) return;
      throw invalid("set_labels", "nothing is to be set or removed; name a label.");
    },
    requestId: () => parseRequestId(request.requestId),
  });
  // All of them first: labels that are set may be what the selector asks for.
  const found = await selectAll(deps, selector, "labelled", signal);
  const changedCount = await labelAll(deps, found, { ...NO_CHANGE, ...change }, request.validateOnly);
  return { matchedCount: BigInt(found.length), changedCount: BigInt(changedCount) };
}

async function labelAll(
  { metadata, events, nowMs }: MarkDeps,
  found: readonly VersionedView[],
  change: Parameters<typeof changeMetadata>[1],
  validateOnly: boolean,
): Promise<number> {
  let waiting: readonly InstanceUid[] = found.map(({ view }) => view.uid);
  const shown = new Map(found.map(({ view }) => [view.uid, view.metadata?.generation ?? 0]));
  let changedCount = 0;
  const behind = new Set<InstanceUid>();
  for (let races = 0; waiting.length > 0; races++) {
    if (races === MAX_RACES) throw tooManyRaces();
    const present = await metadata.load(waiting);
    const writes = waiting.map((uid, i) => {
      const before = present[i] ?? NO_METADATA;
      return { uid, before, after: changeMetadata(before, change) };
    });
    for (const { uid, after } of writes) {
      mustFit(uid, after);
      if (shown.get(uid) !== after.generation) behind.add(uid);
    }
    const changes = writes.filter(({ before, after }) => before !== after);
    const done = validateOnly ? changes.map(() => true) : await metadata.put(changes);
    changedCount += done.filter(Boolean).length;
    waiting = changes.filter((_, i) => done[i] !== true).map(({ uid }) => uid);
  }
  if (!validateOnly) await events.lookAgain([...behind], nowMs());
  return changedCount;
}

/** A selector that is not left out by accident. */
export function parseGivenSelector(text: string) {
  if (text.trim() !== "") return parseSelector(text);
  throw invalid("selector", "is empty and would be everybody; name a key that all have, such as service.name.");
}

/** @throws FleetError `failed_precondition` when it is more than an agent may have */
function mustFit(uid: InstanceUid, metadata: Metadata): void {
  const [violation] = assessMetadata(metadata);
  if (violation === undefined) return;
  const message = `Agent ${uid}: ${violation.description} Remove some first.`;
  const details = { instance_uid: uid, field: violation.field };
  throw new FleetError("failed_precondition", message, { reason: "METADATA_LIMIT", details });
}

function moved(uid: InstanceUid, expected: number, generation: number): FleetError {
  const message = `What is said of agent ${uid} is at generation ${generation}, not ${expected}; read it again, then change it.`;
  const details = { instance_uid: uid, expected_generation: `${expected}`, generation: `${generation}` };
  return new FleetError("conflict", message, { reason: "GENERATION_MISMATCH", details });
}

function tooManyRaces(): FleetError {
  return new FleetError("conflict", "Others change the same agents all the time; try again.", { reason: "CONFLICT" });
}
