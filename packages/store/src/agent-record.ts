// One agent's record: a hash with a field per facet of its view, or the uid that the agent goes on under. Turns
// records into views and changes of views into arguments of the scripts that save them. Pure.

import {
  type AgentView,
  bodiesOf,
  type InstanceUid,
  isConnected,
  labelsOf,
  originOf,
  unknownAgent,
} from "@muster/fleet";
import { UNUSED_BODY_TTL_S } from "./bodies.ts";
import { fleetKeys, type Partition } from "./keys.ts";

/** A view with the version it was read at; version 0 is an agent that was never saved. */
export interface VersionedView {
  readonly view: AgentView;
  readonly version: number;
}

/** A view with what tells its record from any other that there ever was. */
export interface StampedView extends VersionedView {
  /** "" of an agent that was never saved. Unlike versions, stamps do not come again after the fleet state was lost. */
  readonly stamp: string;
}

/** What is kept under a uid. */
export type AgentRecord =
  | { readonly kind: "view"; readonly stored: StampedView }
  /** The agent goes on under another uid, and so does everything that is said of this one. */
  | { readonly kind: "alias"; readonly to: InstanceUid };

/** Changes that a watcher may be behind before it must start afresh. */
export const CHANGES_LENGTH = 20_000;
/** A value longer than this is not indexed, and so not looked up by index either. */
export const MAX_INDEXED_VALUE = 256;

const FACETS = [
  ["connection", "conn"],
  ["description", "desc"],
  ["capabilities", "caps"],
  ["health", "health"],
  ["acknowledgement", "ack"],
  ["effectiveConfig", "eff"],
  ["attempts", "tries"],
  ["packages", "pkgs"],
  ["connectionSettings", "cset"],
  ["customCapabilities", "ccaps"],
  ["components", "comps"],
  ["connectionOffer", "coff"],
  ["packagesOffer", "poff"],
  ["customMessages", "msgs"],
  ["unrecognized", "unrec"],
  ["actions", "acts"],
  ["previousUids", "prev"],
] as const satisfies readonly (readonly [keyof AgentView, string])[];

/** Reads a record, given as its fields and values in turn; undefined where there is none. */
export function decodeRecord(uid: InstanceUid, flat: readonly string[]): AgentRecord | undefined {
  const fields: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) fields[flat[i] ?? ""] = flat[i + 1] ?? "";
  if (fields["v"] === undefined) return undefined;
  if (fields["alias"] !== undefined) return { kind: "alias", to: fields["alias"] as InstanceUid }; // written by retire
  const view: Record<string, unknown> = { ...unknownAgent(uid, Number(fields["first"])) };
  for (const [facet, field] of FACETS) {
    const text = fields[field];
    if (text !== undefined) view[facet] = JSON.parse(text);
  }
  // Written by saveArguments below, field for field.
  const [version, stamp = ""] = [Number(fields["v"]), fields["stamp"]];
  return { kind: "view", stored: { view: view as unknown as AgentView, version, stamp } };
}

type ScriptArguments = [keys: string[], args: (string | number)[]];

/** A view that is to be replaced by another. */
export interface Replacement {
  readonly before: StampedView;
  readonly after: AgentView;
}

/** Arguments of save-agents.lua. */
export function saveArguments(p: Partition, replacements: readonly Replacement[]): ScriptArguments {
  const keys = [fleetKeys.agents(p), fleetKeys.changes(p), fleetKeys.unassigned(p), fleetKeys.bodyUses(p)];
  const args: (string | number)[] = [CHANGES_LENGTH, UNUSED_BODY_TTL_S];
  for (const replacement of replacements) {
    const [ownKeys, ownArgs] = replaceArguments(p, replacement);
    keys.push(...ownKeys);
    args.push(...ownArgs);
  }
  return [keys, args];
}

/** What the script is told of one agent. */
function replaceArguments(
  p: Partition,
  { before: { view: before, version, stamp }, after }: Replacement,
): ScriptArguments {
  const isNew = version === 0;
  const [joins, leaves] = changed(INDEXED, isNew, before, after, (view) => indexKeys(p, view));
  const [used, unused] = changed(EMBODIED, isNew, before, after, bodiesOf);
  // Who is known by another origin has another rank, and so maybe another config.
  const mustDecide = isNew || before.description !== after.description || originOf(before) !== originOf(after);
  const bodies = [...used, ...unused];
  const bodyKeys = bodies.map((address) => fleetKeys.body(p, address));
  const keys = [fleetKeys.agent(p, after.uid), ...bodyKeys, ...joins, ...leaves];
  const counts = [used.length, unused.length, joins.length, leaves.length];
  const texts = [...bodies, ...changedFields(before, after)];
  return [keys, [after.uid, version, stamp, mustDecide ? "1" : "0", ...counts, texts.length, ...texts]];
}

/** Arguments of retire-agent.lua: `former` goes on as `to`. */
export function retireArguments(p: Partition, { view, version }: VersionedView, to: InstanceUid): ScriptArguments {
  const isNew = version === 0;
  const bodies = isNew ? [] : [...bodiesOf(view)];
  const keys = [
    fleetKeys.agent(p, view.uid),
    fleetKeys.agents(p),
    fleetKeys.changes(p),
    fleetKeys.unassigned(p),
    fleetKeys.bodyUses(p),
    fleetKeys.desired(p, view.uid),
    ...bodies.map((address) => fleetKeys.body(p, address)),
    ...(isNew ? [] : indexKeys(p, view)),
  ];
  return [keys, [version, view.uid, CHANGES_LENGTH, to, UNUSED_BODY_TTL_S, ...bodies]];
}

/** Facets that indexes are made of, and those that refer to bodies. */
const INDEXED = ["connection", "description"] as const satisfies readonly (keyof AgentView)[];
const EMBODIED = ["effectiveConfig", "customMessages", "unrecognized"] as const satisfies readonly (keyof AgentView)[];

/** What is read off some facets: what is new of it, and what is no more. Most changes touch neither. */
function changed(
  facets: readonly (keyof AgentView)[],
  isNew: boolean,
  before: AgentView,
  after: AgentView,
  read: (view: AgentView) => ReadonlySet<string>,
): readonly [string[], string[]] {
  if (isNew) return [[...read(after)], []];
  return facets.every((facet) => before[facet] === after[facet]) ? [[], []] : difference(read(before), read(after));
}

/** What only `after` has, and what only `before` has. */
function difference(before: ReadonlySet<string>, after: ReadonlySet<string>): readonly [string[], string[]] {
  return [[...after].filter((each) => !before.has(each)), [...before].filter((each) => !after.has(each))];
}

function changedFields(before: AgentView, after: AgentView): (string | number)[] {
  const changed = FACETS.filter(([facet]) => before[facet] !== after[facet]);
  return ["first", after.firstSeenAtMs, ...changed.flatMap(([facet, field]) => [field, JSON.stringify(after[facet])])];
}

function indexKeys(p: Partition, view: AgentView): ReadonlySet<string> {
  const labels = [...labelsOf(view)].filter(([, value]) => value.length <= MAX_INDEXED_VALUE);
  const keys = new Set(labels.map(([key, value]) => fleetKeys.label(p, key, value)));
  const gateway = view.connection?.value.gateway;
  if (isConnected(view) && typeof gateway === "string") keys.add(fleetKeys.gatewayAgents(p, gateway));
  return keys;
}
