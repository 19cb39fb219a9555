// Agent views and their indexes, as everyone reads them. A view is one packed string (agent-record.ts) that the projector
// changes (project-agent.ts), together with what agents are found by (labels.ts).

import {
  type AgentEvent,
  type GatewayId,
  type InstanceUid,
  matches,
  parseSelector,
  type Selectable,
  type Selector,
} from "@muster/fleet";
import { decodeRecord, type StampedView, type VersionedView } from "./agent-record.ts";
import type { ComponentsAt } from "./components.ts";
import { eachPartition } from "./each-partition.ts";
import { type Forgotten, forgetAgents } from "./forget.ts";
import { loadAgents } from "./gen/scripts.ts";
import { fleetKeys, type Partition } from "./keys.ts";
import { loadConnected, openList, type ReadRange } from "./listing.ts";
import { type Direction, mergeRanges, type Range } from "./merge-ranges.ts";
import type { MetadataStore } from "./metadata.ts";
import {
  createContext,
  follow,
  type ProjectContext,
  type ProjectDeps,
  type Projected,
  projectAgent,
} from "./project-agent.ts";
import { runBinary } from "./redis.ts";
import { createSelect, selectables } from "./select.ts";
import type { Settings } from "./settings.ts";
import { createTally, type Tally } from "./tally.ts";

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
  /**
   * Up to `limit` uids beyond `after`, in order or the other way round, of agents that a selector may match (default:
   * everybody). How far the index narrows them is its own affair: `select` has the last word.
   */
  page(after: string, limit: number, selector?: Selector, direction?: Direction): Promise<readonly InstanceUid[]>;
  /** What selectors see of some agents, in their order. */
  selectable(found: readonly VersionedView[]): Promise<readonly Selectable[]>;
  /** Those of some agents that a selector matches, by labels and facts. */
  select(selector: Selector, found: readonly VersionedView[]): Promise<readonly VersionedView[]>;
  /** Counts of agents that a selector matches. */
  readonly tally: Tally;
  /** As `page`, within one partition. */
  pageOf(partition: Partition, after: string, limit: number, selector?: Selector): Promise<readonly InstanceUid[]>;
  /** Forgets agents as they were read, unless they came back. Answers what became of each, in their order. */
  forget(found: readonly VersionedView[]): Promise<readonly Forgotten[]>;
  /** Uids that the projector believes to be connected at a gateway. */
  connectedAt(gateway: GatewayId, limit: number): Promise<readonly InstanceUid[]>;
}

const EVERYBODY = parseSelector("");
/** Agents that are looked at together. */
const LOOK_COUNT = 1_000;

/** What it is made of. */
export interface AgentsDeps extends ProjectDeps {
  readonly componentsAt: ComponentsAt;
  readonly metadata: MetadataStore;
  readonly settings: Settings;
}

/** Closes nothing: `fleet` is the caller's. */
export function createAgents(deps: AgentsDeps): Agents {
  const { fleet, partitions, componentsAt } = deps;
  const context = createContext(deps);
  const all = Array.from({ length: partitions }, (_, p) => p);
  const page: Agents["page"] = async (after, limit, selector = EVERYBODY, direction = "up") => {
    const lists = await Promise.all(all.map((p) => openList(fleet, p, selector, componentsAt, direction)));
    const read = async (p: Partition, from: string, count: number): Promise<Range> =>
      (await lists[p]?.(from, count)) ?? { uids: [], upTo: null };
    return await mergeRanges(all, after, limit, read, direction);
  };
  const load: Agents["load"] = async (uids) => {
    const stored = await eachPartition(
      uids,
      partitions,
      (uid) => uid,
      (p, some) => loadSome(context, p, some),
    );
    return stored.filter((each) => each !== null);
  };
  const select = createSelect(componentsAt);
  async function* lookAt(selector: Selector, signal: AbortSignal): AsyncIterable<readonly Selectable[]> {
    for (let after: string | undefined = ""; after !== undefined; ) {
      signal.throwIfAborted();
      const uids: readonly InstanceUid[] = await page(after, LOOK_COUNT, selector);
      const seen = await selectables(componentsAt, await load(uids));
      yield seen.filter((each) => matches(selector, each));
      after = uids.length < LOOK_COUNT ? undefined : uids.at(-1);
    }
  }
  return {
    page,
    load,
    select,
    selectable: (found) => selectables(componentsAt, found),
    tally: createTally({ fleet, partitions, componentsAt, lookAt }),
    get: async (uid) => (await follow(context, uid))?.found,
    project: (uid, events) => projectAgent(context, uid, events),
    async pageOf(p, after, limit, selector = EVERYBODY) {
      return await mergeRanges([p], after, limit, await openList(fleet, p, selector, componentsAt).then(ofPartition));
    },
    forget: (found) => forgetAgents({ ...context, settings: deps.settings, metadata: deps.metadata }, found),
    async connectedAt(gateway, limit) {
      return (await Promise.all(all.map((p) => loadConnected(fleet, p, gateway, limit)))).flat();
    },
  };
}

/** A partition's list as one of several. */
function ofPartition(read: ReadRange): (p: Partition, after: string, count: number) => Promise<Range> {
  return (_, after, count) => read(after, count);
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
  const replies = (await runBinary(fleet, loadAgents, keys, stamps)) as readonly Buffer[]; // the script's header
  return uids.map((uid, i) => {
    const [reply = NOTHING, known] = [replies[i], own[i]];
    if (reply.equals(AS_KNOWN) && known !== undefined) return known;
    const record = decodeRecord(uid, reply);
    if (record?.kind !== "view") return null;
    remembered.fill(uid, record.stored);
    return record.stored;
  });
}

const NOTHING = Buffer.alloc(0);
/** What the script answers for a record that the caller has. */
const AS_KNOWN = Buffer.from("=");
