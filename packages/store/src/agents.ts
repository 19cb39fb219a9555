// Agent views and their indexes: one hash per agent with a field per facet, and sorted sets of uids by attribute
// and by gateway, changed in the same script as the view. Written by the projector, read by everyone.

import {
  type AgentEvent,
  type AgentView,
  apply,
  FACT_KEYS,
  type GatewayId,
  type InstanceUid,
  isConnected,
  labelsOf,
  type Selector,
  unknownAgent,
} from "@muster/fleet";
import type { Redis } from "ioredis";
import { UNUSED_BODY_TTL_S } from "./bodies.ts";
import { saveAgent } from "./gen/scripts.ts";
import { fleetKeys, type Partition, partitionOf } from "./keys.ts";
import { run } from "./redis.ts";

/** A view with the version it was read at; version 0 is an agent that was never saved. */
export interface VersionedView {
  readonly view: AgentView;
  readonly version: number;
}

/** Agent views. */
export interface Agents {
  /** The view of each uid that is known, in the order of the uids. */
  load(uids: readonly InstanceUid[]): Promise<readonly VersionedView[]>;
  get(uid: InstanceUid): Promise<VersionedView | undefined>;
  /** Folds events into one agent's view; reads and tries again when somebody else saved first. Answers what changed. */
  project(
    uid: InstanceUid,
    events: readonly AgentEvent[],
  ): Promise<{ readonly before: AgentView; readonly after: AgentView }>;
  /** Up to `limit` uids above `after`, in order. `candidates` narrows to those an index holds. */
  page(after: string, limit: number, candidates?: Candidates): Promise<readonly InstanceUid[]>;
  /** The same within one partition. */
  pageOf(partition: Partition, after: string, limit: number): Promise<readonly InstanceUid[]>;
  /** Uids that the projector believes to be connected at a gateway. */
  connectedAt(gateway: GatewayId, limit: number): Promise<readonly InstanceUid[]>;
}

/** An index that holds at least every agent a selector matches. */
export type Candidates =
  | { readonly kind: "label"; readonly key: string; readonly value: string }
  | { readonly kind: "gateway"; readonly gateway: string };

/** Changes that a watcher may be behind before it must start afresh. */
export const CHANGES_LENGTH = 20_000;
/** A value longer than this is not indexed, and so not looked up by index either. */
const MAX_INDEXED_VALUE = 256;
/** Savers of one agent are few; this many conflicts in a row are a defect. */
const MAX_CONFLICTS = 100;

const FACETS = [
  ["connection", "conn"],
  ["description", "desc"],
  ["capabilities", "caps"],
  ["health", "health"],
  ["acknowledgement", "ack"],
  ["effectiveConfig", "eff"],
  ["attempts", "tries"],
] as const satisfies readonly (readonly [keyof AgentView, string])[];

/** The index that narrows a selector most cheaply, if there is one. */
export function candidatesFor(selector: Selector): Candidates | undefined {
  for (const requirement of selector.requirements) {
    if (requirement.kind !== "in" || requirement.negated || requirement.values.length !== 1) continue;
    const [value = ""] = requirement.values;
    if (requirement.key === "gateway") {
      if (!wantsConnected(selector)) continue; // the index forgets those that left
      return { kind: "gateway", gateway: value };
    }
    const isFact = FACT_KEYS.has(requirement.key);
    if (!isFact && value.length <= MAX_INDEXED_VALUE) return { kind: "label", key: requirement.key, value };
  }
  return undefined;
}

function wantsConnected({ requirements }: Selector): boolean {
  return requirements.some(
    (r) => r.key === "connected" && r.kind === "in" && !r.negated && !r.values.includes("false"),
  );
}

export function createAgents(fleet: Redis, partitions: number): Agents {
  const all = Array.from({ length: partitions }, (_, p) => p);

  async function read(uid: InstanceUid): Promise<VersionedView | undefined> {
    const fields = await fleet.hgetall(fleetKeys.agent(partitionOf(uid, partitions), uid));
    return fields["v"] === undefined ? undefined : decode(uid, fields);
  }

  async function save(before: VersionedView, after: AgentView): Promise<boolean> {
    const p = partitionOf(after.uid, partitions);
    return (await run(fleet, saveAgent, ...saveArguments(p, before, after))) === 1;
  }

  return {
    get: read,
    async load(uids) {
      const views = await Promise.all(uids.map(read));
      return views.filter((view) => view !== undefined);
    },
    async project(uid, events) {
      for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts++) {
        const before = (await read(uid)) ?? { view: unknownAgent(uid, events[0]?.atMs ?? 0), version: 0 };
        const after = events.reduce(apply, before.view);
        if (after === before.view || (await save(before, after))) return { before: before.view, after };
      }
      throw new Error(`the view of agent ${uid} was changed by others ${MAX_CONFLICTS} times in a row`);
    },
    async page(after, limit, candidates) {
      const pages = await Promise.all(
        all.map((p) =>
          rangeAfter(fleet, candidates === undefined ? fleetKeys.agents(p) : candidateKey(p, candidates), after, limit),
        ),
      );
      return pages.flat().sort().slice(0, limit);
    },
    pageOf: (p, after, limit) => rangeAfter(fleet, fleetKeys.agents(p), after, limit),
    async connectedAt(gateway, limit) {
      const lists = await Promise.all(
        all.map((p) => rangeAfter(fleet, fleetKeys.gatewayAgents(p, gateway), "", limit)),
      );
      return lists.flat();
    },
  };
}

async function rangeAfter(fleet: Redis, key: string, after: string, limit: number): Promise<InstanceUid[]> {
  const uids = await fleet.zrangebylex(key, after === "" ? "-" : `(${after}`, "+", "LIMIT", 0, limit);
  return uids as InstanceUid[]; // only saveAgent adds members
}

function candidateKey(p: Partition, candidates: Candidates): string {
  switch (candidates.kind) {
    case "label":
      return fleetKeys.label(p, candidates.key, candidates.value);
    case "gateway":
      return fleetKeys.gatewayAgents(p, candidates.gateway);
  }
}

function decode(uid: InstanceUid, fields: Readonly<Record<string, string>>): VersionedView {
  const view: Record<string, unknown> = { ...unknownAgent(uid, Number(fields["first"])) };
  for (const [facet, field] of FACETS) {
    const text = fields[field];
    if (text !== undefined) view[facet] = JSON.parse(text);
  }
  // Written by saveArguments below, field for field.
  return { view: view as unknown as AgentView, version: Number(fields["v"]) };
}

function saveArguments(
  p: Partition,
  { view: before, version }: VersionedView,
  after: AgentView,
): [keys: string[], args: (string | number)[]] {
  const indexedBefore = version === 0 ? new Set<string>() : indexKeys(p, before);
  const indexedAfter = indexKeys(p, after);
  const joins = [...indexedAfter].filter((key) => !indexedBefore.has(key));
  const leaves = [...indexedBefore].filter((key) => !indexedAfter.has(key));
  const bodyBefore = before.effectiveConfig?.value.body ?? "";
  const bodyAfter = after.effectiveConfig?.value.body ?? "";
  const [used, unused] = bodyBefore === bodyAfter ? ["", ""] : [bodyAfter, bodyBefore];
  const mustDecide = version === 0 || before.description !== after.description;
  const bodyUses = fleetKeys.bodyUses(p);
  const keys = [
    fleetKeys.agent(p, after.uid),
    fleetKeys.agents(p),
    fleetKeys.changes(p),
    fleetKeys.unassigned(p),
    bodyUses,
    used === "" ? bodyUses : fleetKeys.body(p, used),
    unused === "" ? bodyUses : fleetKeys.body(p, unused),
    ...joins,
    ...leaves,
  ];
  const fixed = [
    version,
    after.uid,
    CHANGES_LENGTH,
    mustDecide ? "1" : "0",
    used,
    unused,
    UNUSED_BODY_TTL_S,
    joins.length,
  ];
  return [keys, [...fixed, ...changedFields(before, after)]];
}

function changedFields(before: AgentView, after: AgentView): (string | number)[] {
  const changed = FACETS.filter(([facet]) => before[facet] !== after[facet]);
  return ["first", after.firstSeenAtMs, ...changed.flatMap(([facet, field]) => [field, JSON.stringify(after[facet])])];
}

function indexKeys(p: Partition, view: AgentView): Set<string> {
  const labels = [...labelsOf(view)].filter(([, value]) => value.length <= MAX_INDEXED_VALUE);
  const keys = new Set(labels.map(([key, value]) => fleetKeys.label(p, key, value)));
  const gateway = view.connection?.value.gateway;
  if (isConnected(view) && typeof gateway === "string") keys.add(fleetKeys.gatewayAgents(p, gateway));
  return keys;
}
