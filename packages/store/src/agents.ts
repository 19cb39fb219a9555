// Agent views and their indexes, as everyone reads them. A view is one hash (agent-record.ts) that the projector
// changes (project-agent.ts), together with sorted sets of uids by attribute and by gateway.

import { type AgentEvent, FACT_KEYS, type GatewayId, type InstanceUid, type Selector } from "@muster/fleet";
import type { Redis } from "ioredis";
import { decodeRecord, MAX_INDEXED_VALUE, type StampedView, type VersionedView } from "./agent-record.ts";
import { eachPartition } from "./each-partition.ts";
import { loadAgents } from "./gen/scripts.ts";
import { fleetKeys, type Partition } from "./keys.ts";
import {
  type CopyBody,
  createContext,
  follow,
  type ProjectContext,
  type Projected,
  projectAgent,
} from "./project-agent.ts";
import { run } from "./redis.ts";

/** Agent views. */
export interface Agents {
  /** The view of each uid that is known, in the order of the uids; uids that agents had before are left out. */
  load(uids: readonly InstanceUid[]): Promise<readonly VersionedView[]>;
  /** The view of an agent by its uid, or by one that it had before. */
  get(uid: InstanceUid): Promise<VersionedView | undefined>;
  /**
   * Folds events into one agent's view; reads and tries again when somebody else saved first. Answers what changed, of
   * the uid that the agent goes on under.
   */
  project(uid: InstanceUid, events: readonly AgentEvent[]): Promise<Projected>;
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

/** @param copyBody brings a body along when an agent goes on in another partition. Closes nothing: `fleet` is the caller's */
export function createAgents(fleet: Redis, partitions: number, copyBody: CopyBody): Agents {
  const context = createContext(fleet, partitions, copyBody);
  const all = Array.from({ length: partitions }, (_, p) => p);
  return {
    get: async (uid) => (await follow(context, uid))?.found,
    async load(uids) {
      const stored = await eachPartition(
        uids,
        partitions,
        (uid) => uid,
        (p, some) => loadSome(context, p, some),
      );
      return stored.filter((each) => each !== null);
    },
    project: (uid, events) => projectAgent(context, uid, events),
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

/** Views of one partition, in the order of the uids; null where there is none under that uid. */
async function loadSome(
  { fleet, remembered }: ProjectContext,
  p: Partition,
  uids: readonly InstanceUid[],
): Promise<readonly (StampedView | null)[]> {
  const own = uids.map((uid) => remembered.get(uid));
  const keys = uids.map((uid) => fleetKeys.agent(p, uid));
  const stamps = own.map((view) => view?.stamp ?? "");
  const replies = (await run(fleet, loadAgents, keys, stamps)) as readonly (readonly string[])[]; // the script's header
  return uids.map((uid, i) => {
    const [reply = [], known] = [replies[i], own[i]];
    if (reply.length === 1 && known !== undefined) return known;
    const record = decodeRecord(uid, reply);
    if (record?.kind !== "view") return null;
    remembered.set(uid, record.stored);
    return record.stored;
  });
}

async function rangeAfter(fleet: Redis, key: string, after: string, limit: number): Promise<InstanceUid[]> {
  const uids = await fleet.zrangebylex(key, after === "" ? "-" : `(${after}`, "+", "LIMIT", 0, limit);
  return uids as InstanceUid[]; // only save-agents.lua adds members
}

function candidateKey(p: Partition, candidates: Candidates): string {
  switch (candidates.kind) {
    case "label":
      return fleetKeys.label(p, candidates.key, candidates.value);
    case "gateway":
      return fleetKeys.gatewayAgents(p, candidates.gateway);
  }
}
