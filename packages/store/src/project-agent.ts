// Folds events into stored views, and lets what is known of an agent follow it when it goes on under another uid.
//
// Invariants
//   P1. A view is saved only over the version it was folded from; whoever comes second reads again.
//   P2. The new uid's view has everything before the old one's is replaced by an alias, and an alias is never undone.
//       A crash in between leaves two views: the repeated events, or the next ones of the new uid, take it from there.
//   P3. What is said of the old uid afterwards counts for the new one; its bodies are brought along.
//   P4. What operators say is looked up after the record was read: who saves over a newer record reads both again. It is
//       looked up where there is no view yet, and where somebody says that it changed; no other event costs anything.
//   P5. A remembered view saves a read and proves nothing: only a save over it shows that it still was the stored one.

import {
  type AgentEvent,
  type AgentView,
  adopt,
  apply,
  bodiesOf,
  claimOf,
  type DesiredRecord,
  type HistoryEntry,
  happenings,
  type InstanceUid,
  joinMetadata,
  type Metadata,
  mustCompare,
  unknownAgent,
  withDrift,
  withMetadata,
} from "@muster/fleet";
import type { Redis } from "ioredis";
import {
  type AgentRecord,
  decodeRecord,
  packView,
  type Replacement,
  retireArguments,
  type StampedView,
  saveArguments,
  unsaved,
  type VersionedView,
} from "./agent-record.ts";
import { ANY, type Ask, createBatches } from "./batches.ts";
import type { DesiredConfigs } from "./desired.ts";
import { loadAgents, retireAgent, saveAgents } from "./gen/scripts.ts";
import { loadHistory, packHistory } from "./history.ts";
import { fleetKeys, type Partition, partitionOf } from "./keys.ts";
import type { MetadataStore } from "./metadata.ts";
import { run, runBinary } from "./redis.ts";
import { createRemembered, type Remembered } from "./remembered.ts";
import type { Comparison } from "./shown.ts";

/** Stores a body of one partition in another, too. */
export type CopyBody = (from: Partition, to: Partition, address: string) => Promise<void>;

/** What it is made of. */
export interface ProjectDeps {
  readonly fleet: Redis;
  readonly partitions: number;
  readonly copyBody: CopyBody;
  readonly metadata: Pick<MetadataStore, "load" | "move">;
  readonly desired: Pick<DesiredConfigs, "load">;
  readonly comparison: Pick<Comparison, "drift">;
}

/** What it works on. */
export interface ProjectContext extends ProjectDeps {
  /** Views as they were last read or saved here. */
  readonly remembered: Remembered;
  /** Reads what is kept under a uid; undefined: nothing. */
  readonly read: Ask<InstanceUid, AgentRecord | undefined>;
  /** Replaces a view. Answers the stamp of the new one, "" when the record is not what it was any more. */
  readonly replace: Ask<Replacement, string>;
  /** Reads what operators say of an agent. */
  readonly lookUp: Ask<InstanceUid, Metadata>;
  /** Reads what an agent should run. */
  readonly wanted: Ask<InstanceUid, DesiredRecord | null>;
}

/** What became of a view. */
export interface Projected {
  readonly before: AgentView;
  /** Of the uid that the agent goes on under. */
  readonly after: AgentView;
}

/** Savers of one agent are few; this many conflicts in a row are a defect. */
const MAX_CONFLICTS = 100;
/** Aliases that are followed: an agent is given a new uid now and then. Nothing makes a circle, but one must not hang us. */
const MAX_HOPS = 64;
/**
 * Views that are remembered, all of them, as they are packed; in memory a view takes five to ten times that, which whoever reads
 * a large fleet comes to have. A usual one is a few hundred bytes, one with the health of a hundred components is many thousand.
 */
export const MAX_REMEMBERED_BYTES = 32 * 1024 * 1024;
/** Agents of one command: Redis serves nobody else for some milliseconds. */
const MAX_READS = 250;
const MAX_SAVES = 64;

/** Everything that projecting works on. Closes nothing: `fleet` is the caller's. */
export function createContext(deps: ProjectDeps): ProjectContext {
  const { fleet, metadata, desired } = deps;
  return {
    ...deps,
    lookUp: createBatches((_, uids) => metadata.load(uids), MAX_READS),
    wanted: createBatches((_, uids) => desired.load(uids), MAX_READS),
    remembered: createRemembered(MAX_REMEMBERED_BYTES),
    read: createBatches(async (p, uids) => {
      const keys = uids.map((uid) => fleetKeys.agent(p, uid));
      const replies = await runBinary(fleet, loadAgents, keys, new Array(uids.length).fill(""));
      // As the script's header says.
      return (replies as readonly Buffer[]).map((record, i) => decodeRecord(uids[i] as InstanceUid, record));
    }, MAX_READS),
    replace: createBatches(async (p, some) => {
      const stamps = await Promise.all(saveArguments(p, some).map((each) => run(fleet, saveAgents, ...each)));
      return (stamps as readonly (readonly string[])[]).flat(); // the script's header
    }, MAX_SAVES),
  };
}

async function readRecord({ read, partitions }: ProjectContext, uid: InstanceUid): Promise<AgentRecord | undefined> {
  return await read(partitionOf(uid, partitions), uid);
}

/** The uid that an agent goes on under, with its view if there is one; null when aliases lead nowhere. */
export async function follow(
  context: ProjectContext,
  uid: InstanceUid,
): Promise<{ readonly uid: InstanceUid; readonly found: StampedView | undefined } | null> {
  let at = uid;
  for (let hops = 0; hops <= MAX_HOPS; hops++) {
    const record = await readRecord(context, at);
    if (record?.kind !== "alias") return { uid: at, found: record?.stored };
    at = record.to;
  }
  return null;
}

/** Folds events into one agent's view; reads and tries again when somebody else saved first (P1). */
export async function projectAgent(
  context: ProjectContext,
  uid: InstanceUid,
  events: readonly AgentEvent[],
): Promise<Projected> {
  const { remembered, metadata } = context;
  const atMs = events[0]?.atMs ?? 0;
  let first: AgentView | null = null;
  for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts++) {
    const own = remembered.get(uid);
    remembered.delete(uid); // it is set again by what proves it (P5)
    const target = own === undefined ? await follow(context, uid) : { uid, found: own };
    if (target === null) return nothing(uid, atMs);
    // What operators say makes no agent, nor does what its metrics say: it is of one that is there, or was forgotten meanwhile.
    if (target.found === undefined && events.every(makesNone)) return nothing(uid, atMs);
    const before = target.found ?? unsaved(target.uid, atMs);
    const formers = await loadFormers(context, before.view, events);
    const known = formers.reduce((view, former) => adopt(view, former.view), before.view);
    const [folded, happened] = foldAll(before.view, known, events);
    // Who said something of a former uid a moment ago did not know that the agent goes on under another.
    const isHinted = events.some(isHint);
    const said = [...formers.map(({ view }) => view.uid), ...(isHinted && uid !== before.view.uid ? [uid] : [])];
    const mustLookUp = isHinted || target.found === undefined || formers.length > 0;
    const labelled = mustLookUp ? await lookedUp(context, folded, said) : folded;
    const after = mustCompare(before.view, labelled, isHinted) ? await compared(context, labelled) : labelled;
    if (after !== before.view) {
      await bringBodies(context, before.view, after, [uid, ...formers.map(({ view }) => view.uid)]);
      const packed = packView(after, before);
      const history = await historyOf(context, formers, happened);
      const saved = await save(context, { before, after, packed, history });
      if (saved === null) continue;
      remembered.set(after.uid, saved);
      first ??= before.view;
    } else if (own !== undefined) continue;
    for (const former of said) await metadata.move(former, after.uid);
    if (await retireAll(context, formers, after.uid)) return { before: first ?? before.view, after };
  }
  throw new Error(`the view of agent ${uid} was changed by others ${MAX_CONFLICTS} times in a row`);
}

/** The view after some events, and what happened by them. */
function foldAll(
  original: AgentView,
  adopted: AgentView,
  events: readonly AgentEvent[],
): readonly [AgentView, readonly HistoryEntry[]] {
  const happened: HistoryEntry[] = [];
  let at = adopted;
  for (const event of events) {
    const next = apply(at, event);
    // What the agent was before is adopted by now.
    happened.push(...happenings(event.kind === "agent.renamed" ? original : at, event, next));
    at = next;
  }
  return [at, happened];
}

const NO_HISTORY = Buffer.alloc(0);

/** What happened, after what happened to the agent under its former uids; mostly nothing did. */
async function historyOf(
  context: ProjectContext,
  formers: readonly VersionedView[],
  happened: readonly HistoryEntry[],
): Promise<Buffer> {
  if (formers.length === 0) return happened.length === 0 ? NO_HISTORY : packHistory(happened);
  return Buffer.concat([...(await historiesOf(context, formers)), packHistory(happened)]);
}

/** What happened to an agent under its former uids. */
function historiesOf(
  { fleet, partitions }: ProjectContext,
  formers: readonly VersionedView[],
): Promise<readonly Buffer[]> {
  return Promise.all(formers.map(({ view }) => loadHistory(fleet, partitions, view.uid)));
}

function isHint({ kind }: AgentEvent): boolean {
  return kind === "agent.metadata-changed";
}

function makesNone(event: AgentEvent): boolean {
  return isHint(event) || event.kind === "agent.usage-measured";
}

/** A view with what operators say of the agent, those included who said it of one of its former uids. */
async function lookedUp(
  { lookUp }: ProjectContext,
  view: AgentView,
  formers: readonly InstanceUid[],
): Promise<AgentView> {
  const own = lookUp(ANY, view.uid);
  const others = await Promise.all(formers.map((uid) => lookUp(ANY, uid)));
  return withMetadata(view, others.reduce(joinMetadata, await own));
}

/** A view with whether the agent shows what it should run. */
async function compared({ wanted, comparison }: ProjectContext, view: AgentView): Promise<AgentView> {
  const isTold = claimOf(view) !== null;
  return withDrift(view, isTold ? await comparison.drift(view, await wanted(ANY, view.uid)) : null);
}

function nothing(uid: InstanceUid, atMs: number): Projected {
  const view = unknownAgent(uid, atMs);
  return { before: view, after: view };
}

/** Views under the agent's former uids that are not aliases yet: those of these events, and those of a crash (P2). */
async function loadFormers(
  context: ProjectContext,
  view: AgentView,
  events: readonly AgentEvent[],
): Promise<readonly VersionedView[]> {
  if (view.previousUids.length === 0 && !events.some(({ kind }) => kind === "agent.renamed")) return [];
  const renames = new Map(events.flatMap((e) => (e.kind === "agent.renamed" ? [[e.from, e.atMs] as const] : [])));
  const uids = [...new Set([...renames.keys(), ...view.previousUids])].filter((uid) => uid !== view.uid);
  const records = await Promise.all(uids.map((uid) => readRecord(context, uid)));
  return uids.flatMap((uid, i) => {
    const record = records[i];
    if (record?.kind === "view") return [record.stored];
    const atMs = renames.get(uid);
    // Of a uid that nothing is known of yet, whatever comes late must find its way, too.
    return record === undefined && atMs !== undefined ? [{ view: unknownAgent(uid, atMs), version: 0 }] : [];
  });
}

/** Copies the bodies that are new in a view from where events of other uids left them (P3). */
async function bringBodies(
  { copyBody, partitions }: ProjectContext,
  before: AgentView,
  after: AgentView,
  uids: readonly InstanceUid[],
): Promise<void> {
  if (uids.every((uid) => uid === after.uid)) return;
  const to = partitionOf(after.uid, partitions);
  const from = new Set(uids.map((uid) => partitionOf(uid, partitions)));
  from.delete(to);
  if (from.size === 0) return;
  const known = bodiesOf(before);
  const news = [...bodiesOf(after)].filter((address) => !known.has(address));
  await Promise.all([...from].flatMap((p) => news.map((address) => copyBody(p, to, address))));
}

/** Answers what was saved; null when the record is not what it was any more. */
async function save({ replace, partitions }: ProjectContext, replacement: Replacement): Promise<StampedView | null> {
  const { before, after, packed } = replacement;
  const stamp = await replace(partitionOf(after.uid, partitions), replacement);
  return stamp === "" ? null : { view: after, version: before.version + 1, stamp, packed };
}

/** Answers false when one of them changed meanwhile: it is then to be taken over again. */
async function retireAll(
  { fleet, partitions }: ProjectContext,
  formers: readonly VersionedView[],
  to: InstanceUid,
): Promise<boolean> {
  const retired = await Promise.all(
    formers.map((former) => {
      const p = partitionOf(former.view.uid, partitions);
      return run(fleet, retireAgent, ...retireArguments(p, former, to));
    }),
  );
  return retired.every((code) => code === 1);
}
