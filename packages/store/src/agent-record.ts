// One agent's record: one packed string, or the uid that the agent goes on under. Turns records into views and changes of
// views into arguments of the scripts that save them. Pure.

import { type AgentView, bodiesOf, type Drift, type InstanceUid, originOf, unknownAgent } from "@muster/fleet";
import { UNUSED_BODY_TTL_S } from "./bodies.ts";
import { fullCapabilities, shortCapabilities } from "./capability-places.ts";
import { fleetKeys, type Partition } from "./keys.ts";
import { changedLabels, comingAndGoing, indexedLabels, type Label } from "./labels.ts";
import { EMPTY_LIST, type Json, type PackedList, packList, unpackList } from "./packed.ts";
import { packUsage, unpackUsage } from "./packed-usage.ts";
import { uidBytes } from "./uid-bytes.ts";

/** A view with the version it was read at; version 0 is an agent that was never saved. */
export interface VersionedView {
  readonly view: AgentView;
  readonly version: number;
}

/** A view with its record, and what tells it from any other that there ever was. */
export interface StampedView extends VersionedView {
  /** "" of an agent that was never saved. Unlike versions, stamps do not come again after the fleet state was lost. */
  readonly stamp: string;
  /** The view as it is kept. */
  readonly packed: PackedList;
}

/** Of an agent that was never saved. */
export function unsaved(uid: InstanceUid, atMs: number): StampedView {
  return { view: unknownAgent(uid, atMs), version: 0, stamp: "", packed: EMPTY_LIST };
}

/** What is kept under a uid. */
export type AgentRecord =
  | { readonly kind: "view"; readonly stored: StampedView }
  /** The agent goes on under another uid, and so does everything that is said of this one. */
  | { readonly kind: "alias"; readonly to: InstanceUid };

/** Changes that a watcher may be behind before it must start afresh. */
export const CHANGES_LENGTH = 20_000;

/** Reads a record (lua/lib/record.lua says how it begins); undefined where there is none. */
export function decodeRecord(uid: InstanceUid, record: Buffer): AgentRecord | undefined {
  const end = record.indexOf("\n");
  if (end < 0) return undefined;
  const [version, row, last = ""] = record.toString("latin1", 0, end).split(" ");
  if (row === ">") return { kind: "alias", to: last as InstanceUid }; // written by retire
  const stored = { ...unpackView(uid, record.subarray(end + 1)), version: Number(version), stamp: last };
  return { kind: "view", stored };
}

/**
 * Facets of a view in the order in which they are packed. Processes of other versions read them, too: the list only grows, at
 * its end.
 */
const FACETS = [
  "firstSeenAtMs",
  "connection",
  "description",
  "capabilities",
  "health",
  "acknowledgement",
  "effectiveConfig",
  "attempts",
  "packages",
  "connectionSettings",
  "customCapabilities",
  "components",
  "connectionOffer",
  "packagesOffer",
  "customMessages",
  "unrecognized",
  "actions",
  "previousUids",
  "metadata",
  "drift",
  "runs",
  "ownUsage",
] as const satisfies readonly (keyof AgentView)[];

/**
 * Packs a view but for its uid, which it is kept under: its facets one after the other, 0 for those that it knows nothing of, to the
 * last that it knows. What a change of `before` left alone is copied: packing all of it would take most of what a projector has.
 */
export function packView(view: AgentView, before: StampedView): PackedList {
  const count = FACETS.findLastIndex((name) => !isNothing(view[name])) + 1;
  const isSame = (i: number): boolean => isSameFacet(FACETS[i] as Facet, view, before.view); // within
  return packList(count, (i) => packable(FACETS[i] as Facet, view), before.packed, isSame);
}

type Facet = (typeof FACETS)[number];

function isNothing(value: unknown): boolean {
  return value === null || value === 0 || (Array.isArray(value) && value.length === 0);
}

function isSameFacet(name: Facet, view: AgentView, before: AgentView): boolean {
  return view[name] === before[name] && (name !== "drift" || view.acknowledgement === before.acknowledgement);
}

function packable(name: Facet, view: AgentView): Json {
  if (isNothing(view[name])) return 0;
  if (name === "capabilities") return shortened(view.capabilities) as Json;
  if (name === "ownUsage") return packUsage(view.ownUsage) as Json;
  return (name === "drift" ? shortDrift(view) : view[name]) as Json; // a view is a value of JSON
}

function unpackView(uid: InstanceUid, bytes: Buffer): Pick<StampedView, "view" | "packed"> {
  const { values, packed } = unpackList(bytes); // as packView wrote it
  const view: Record<string, unknown> = { ...unknownAgent(uid, 0) };
  for (const [i, name] of FACETS.entries()) if (values[i] !== undefined && values[i] !== 0) view[name] = values[i];
  view["capabilities"] = spelledOut(view["capabilities"] as ReturnType<typeof shortened>); // as packView wrote it
  view["drift"] = fullDrift(view as unknown as AgentView, view["drift"] as ReturnType<typeof shortDrift>);
  view["ownUsage"] = unpackUsage(view["ownUsage"] as ReturnType<typeof packUsage>);
  return { view: view as unknown as AgentView, packed }; // its facets are those of a view
}

function shortened(capabilities: AgentView["capabilities"]) {
  if (capabilities === null) return null;
  return { ...capabilities, value: shortCapabilities(capabilities.value) };
}

/** Most were compared with what they acknowledged: one byte says so. */
function shortDrift({ drift, acknowledgement }: AgentView): boolean | Drift | null {
  return drift !== null && drift.hash === acknowledgement?.value?.hash ? drift.isDrifted : drift;
}

function fullDrift({ acknowledgement }: AgentView, packed: ReturnType<typeof shortDrift>): Drift | null {
  if (typeof packed !== "boolean") return packed;
  return acknowledgement === null ? null : { hash: acknowledgement.value.hash, isDrifted: packed };
}

function spelledOut(packed: ReturnType<typeof shortened>): AgentView["capabilities"] {
  if (packed === null) return null;
  return { ...packed, value: fullCapabilities(packed.value) };
}

type ScriptArgument = string | number | Buffer;
type ScriptArguments = [keys: string[], args: ScriptArgument[]];

/** A view that is to be replaced by another. */
export interface Replacement {
  readonly before: StampedView;
  readonly after: AgentView;
  /** `after`, as it is to be kept. */
  readonly packed: PackedList;
  /** What happened to the agent by it, packed. */
  readonly history: Buffer;
}

/** Labels that agents join or leave in one command: Redis takes some 12 µs for each, and serves nobody else meanwhile. */
export const MAX_EDITS = 2_000;

/** What save-agents.lua is told in one command. */
interface SaveCommand {
  readonly keys: string[];
  readonly places: Map<Label, number>;
  readonly agents: ScriptArgument[];
  editCount: number;
}

/** Arguments of save-agents.lua, of one command after another: of agents with a thousand labels each, few fit into one. */
export function saveArguments(p: Partition, replacements: readonly Replacement[]): readonly ScriptArguments[] {
  const commands: SaveCommand[] = [];
  for (const replacement of replacements) {
    const last = commands.at(-1);
    const hasRoom = last !== undefined && last.editCount < MAX_EDITS;
    const command: SaveCommand = hasRoom ? last : { keys: sharedKeys(p), places: new Map(), agents: [], editCount: 0 };
    if (!hasRoom) commands.push(command);
    addReplacement(p, replacement, command);
  }
  return commands.map(({ keys, places, agents }) => [
    keys,
    [CHANGES_LENGTH, UNUSED_BODY_TTL_S, places.size, ...places.keys(), ...agents],
  ]);
}

function sharedKeys(p: Partition): string[] {
  return [
    fleetKeys.agents(p),
    fleetKeys.changes(p),
    fleetKeys.unassigned(p),
    fleetKeys.bodyUses(p),
    fleetKeys.rows(p),
    fleetKeys.freeRows(p),
    fleetKeys.labels(p),
    fleetKeys.history(p),
  ];
}

/** Adds what the script is told of one agent. */
function addReplacement(
  p: Partition,
  { before: { view: before, version, stamp }, after, packed, history }: Replacement,
  command: SaveCommand,
): void {
  const isNew = version === 0;
  const [joins, leaves] = changedLabels(isNew ? null : before, after);
  const [used, unused] = changedBodies(isNew, before, after);
  // Who is known by another origin has another rank, and so maybe another config.
  const isRelabelled = before.description !== after.description || before.metadata !== after.metadata;
  const mustDecide = isNew || isRelabelled || originOf(before) !== originOf(after);
  const { keys, agents, places } = command;
  keys.push(fleetKeys.agent(p, after.uid));
  agents.push(
    after.uid,
    version,
    stamp,
    isNew || history.length > 0 ? uidBytes(after.uid) : "",
    mustDecide ? "1" : "0",
    packed.bytes,
  );
  agents.push(placesOf(joins, places), placesOf(leaves, places), used.length, unused.length, history);
  for (const address of [...used, ...unused]) {
    keys.push(fleetKeys.body(p, address));
    agents.push(address);
  }
  command.editCount += joins.length + leaves.length;
}

/** Where labels are among those of the command, from 1, in two bytes each: many agents have the same. */
function placesOf(labels: readonly Label[], places: Map<Label, number>): Buffer {
  const packed = Buffer.allocUnsafe(2 * labels.length);
  for (const [i, label] of labels.entries()) {
    const place = places.get(label) ?? places.size + 1;
    places.set(label, place);
    packed.writeUInt16BE(place, 2 * i);
  }
  return packed;
}

/** Arguments of retire-agent.lua: `former` goes on as `to`. */
export function retireArguments(p: Partition, former: VersionedView, to: InstanceUid): ScriptArguments {
  return leaveArguments(p, former, [], to);
}

/** Arguments of forget-agent.lua. */
export function forgetArguments(p: Partition, found: VersionedView): ScriptArguments {
  const { uid, connection } = found.view;
  const session = [fleetKeys.session(p, uid), fleetKeys.actions(p, uid)];
  return leaveArguments(p, found, session, connection?.epoch ?? Number.MAX_SAFE_INTEGER);
}

/** What both are told: who leaves, and all that it is known by. */
function leaveArguments(
  p: Partition,
  { view, version }: VersionedView,
  moreKeys: readonly string[],
  special: string | number,
): ScriptArguments {
  const isNew = version === 0;
  const bodies = isNew ? [] : [...bodiesOf(view)];
  const keys = [
    fleetKeys.agent(p, view.uid),
    fleetKeys.agents(p),
    fleetKeys.changes(p),
    fleetKeys.unassigned(p),
    fleetKeys.bodyUses(p),
    fleetKeys.desired(p, view.uid),
    fleetKeys.rows(p),
    fleetKeys.freeRows(p),
    fleetKeys.labels(p),
    fleetKeys.history(p),
    ...moreKeys,
    ...bodies.map((address) => fleetKeys.body(p, address)),
  ];
  const head = [version, view.uid, CHANGES_LENGTH, special, UNUSED_BODY_TTL_S, uidBytes(view.uid)];
  return [keys, [...head, ...bodies, ...(isNew ? [] : indexedLabels(view))]];
}

/** Facets that refer to bodies. */
const EMBODIED = ["effectiveConfig", "customMessages", "unrecognized"] as const satisfies readonly (keyof AgentView)[];

/** Bodies that are new in a view, and those that it refers to no more. Most changes touch neither. */
function changedBodies(isNew: boolean, before: AgentView, after: AgentView): readonly [string[], string[]] {
  if (isNew) return [[...bodiesOf(after)], []];
  if (EMBODIED.every((facet) => before[facet] === after[facet])) return [[], []];
  return comingAndGoing(bodiesOf(before), bodiesOf(after));
}
