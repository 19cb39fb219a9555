// AgentService: reads what the projector keeps, asks agents things (actions.ts), and releases them from who owns them. A
// list walks the uids in order and matches each record, so that one selector language serves every attribute and fact; an
// index narrows the walk where there is one.

import { create, toBinary } from "@bufbuild/protobuf";
import { type InstanceUid, parseInstanceUid, parseSelector, type Selector } from "@muster/fleet";
import { type Agent, AgentSchema, type AgentService, type ListAgentsRequest } from "@muster/protocol/muster/agents";
import type { Direction, Histories, Sessions, Summary } from "@muster/store";
import { type ActionDeps, ask, parseMessage } from "./actions.ts";
import type { MethodsOf } from "./call.ts";
import { checked, invalid } from "./checked.ts";
import { addDetails, type DetailDeps } from "./details.ts";
import type { ChangeFeed } from "./feed.ts";
import { type ForgetDeps, forgetAgents } from "./forget-agents.ts";
import { labelAgents, type MarkDeps, updateAgent } from "./mark-agents.ts";
import { fieldNames, parseMask } from "./mask.ts";
import {
  type OrderDeps,
  type Page,
  type Place,
  type Placed,
  parseOrderBy,
  parsePlace,
  sortedPage,
} from "./order-agents.ts";
import { encodeToken, parsePageSize } from "./paging.ts";
import { existingAgent, loadSelected, toAgents, withGroups } from "./records.ts";
import { toHistoryEntry } from "./translate-history.ts";
import { type WatchDeps, watchAgents } from "./watch-agents.ts";

/** What this service reads, and what it asks with. */
export interface AgentDeps extends WatchDeps, ActionDeps, DetailDeps, MarkDeps {
  readonly agents: MarkDeps["agents"] & ForgetDeps["agents"] & OrderDeps["agents"];
  readonly metadata: MarkDeps["metadata"];
  readonly histories: Histories;
  readonly release: Sessions["release"];
  readonly feed: ChangeFeed;
}

/** Records that one call of ListAgents looks at; what it found by then is answered, with a token to go on. */
const SCAN_BUDGET = 20_000;
/** Longest key to group by. */
const MAX_KEY_CHARS = 256;
/** Records that are loaded together. */
const BATCH = 500;
/** Many clients refuse answers beyond 4 MiB; a page is ended early before that. */
const MAX_PAGE_BYTES = 3 * 1024 * 1024;

/** The methods of AgentService. */
export function createAgentService(deps: AgentDeps): MethodsOf<typeof AgentService> {
  return {
    listAgents: (request, { signal }) => listAgents(deps, request, signal),
    async getAgent(request) {
      const { uid, mask } = checked({
        uid: () => parseInstanceUid(request.instanceUid),
        mask: () => parseMask("read_mask", request.readMask, fieldNames(AgentSchema)),
      });
      return { agent: await getAgent(deps, uid, mask) };
    },
    async countAgents(request, { signal }) {
      const selector = await withGroups(deps.groups, parseSelector(request.selector));
      const count = await deps.agents.tally.count(selector, signal);
      return { count: BigInt(count) };
    },
    async summarizeAgents(request, { signal }) {
      const { pageSize, key, ...asked } = checked({
        pageSize: () => parsePageSize(request.pageSize),
        selector: () => parseSelector(request.selector),
        key: () => parseGroupBy(request.groupBy),
      });
      const selector = await withGroups(deps.groups, asked.selector);
      return toSummary(await deps.agents.tally.summarize(selector, key, signal), pageSize);
    },
    watchAgents: (request, { signal }) => watchAgents(deps, request, signal),
    async restartAgent({ instanceUid, validateOnly }) {
      return { action: await ask(deps, parseInstanceUid(instanceUid), "restart", { validateOnly }) };
    },
    async refreshAgent({ instanceUid, validateOnly }) {
      return { action: await ask(deps, parseInstanceUid(instanceUid), "refresh", { validateOnly }) };
    },
    async sendCustomMessage({ instanceUid, capability, type, data, validateOnly }) {
      const { uid, message } = checked({
        uid: () => parseInstanceUid(instanceUid),
        message: () => parseMessage(capability, type, data),
      });
      return { action: await ask(deps, uid, "custom_message", { message, validateOnly }) };
    },
    async releaseAgent({ instanceUid, validateOnly }) {
      return { formerOwner: await release(deps, parseInstanceUid(instanceUid), validateOnly) };
    },
    async listAgentHistory(request) {
      const { view } = await existingAgent(deps.agents, parseInstanceUid(request.instanceUid));
      return { entries: (await deps.histories.load(view.uid)).map(toHistoryEntry) };
    },
    updateAgent: (request) => updateAgent(deps, request),
    labelAgents: (request, { signal }) => labelAgents(deps, request, signal),
    forgetAgents: (request, { signal }) => forgetAgents(deps, request, signal),
  };
}

async function listAgents(deps: AgentDeps, request: ListAgentsRequest, signal: AbortSignal) {
  const list = ["agents", request.selector, request.orderBy];
  const { pageSize, mask, order, after, ...asked } = checked({
    pageSize: () => parsePageSize(request.pageSize),
    selector: () => parseSelector(request.selector),
    mask: () => parseMask("read_mask", request.readMask, fieldNames(AgentSchema)),
    order: () => parseOrderBy(request.orderBy),
    after: () => parsePlace(list, request.pageToken),
  });
  const selector = await withGroups(deps.groups, asked.selector);
  const { key, direction } = order;
  const page: Page =
    key === null
      ? await scan(deps, selector, { after: after?.[1] ?? "", pageSize, direction }, signal)
      : await sortedPage(deps, selector, { key, direction, after, pageSize }, signal);
  const { agents, next } = await fill(deps, page, mask);
  return { agents, nextPageToken: next === null ? "" : encodeToken(list, next) };
}

function parseGroupBy(groupBy: string): string {
  if (groupBy !== "" && groupBy.length <= MAX_KEY_CHARS) return groupBy;
  const description = `is to name an attribute or a fact, in at most ${MAX_KEY_CHARS} characters: cloud.region, version.`;
  throw invalid("group_by", description);
}

function toSummary({ groups, withoutCount, totalCount }: Summary, limit: number) {
  return {
    groups: groups.slice(0, limit).map(({ value, count }) => ({ value, count: BigInt(count) })),
    otherValues: BigInt(Math.max(0, groups.length - limit)),
    withoutCount: BigInt(withoutCount),
    totalCount: BigInt(totalCount),
  };
}

/** Walks the list until the page is full, the list ends or the budget is used up. */
async function scan(
  deps: AgentDeps,
  selector: Selector,
  { after, pageSize, direction }: { readonly after: string; readonly pageSize: number; readonly direction: Direction },
  signal: AbortSignal,
): Promise<Page> {
  // Mostly the index knows whom a selector matches, and a page is all that is to be loaded. Where it does not, more each time.
  let batch = Math.min(BATCH, pageSize + 1);
  const found: Placed[] = [];
  let last = after;
  for (let looked = 0; looked < SCAN_BUDGET; looked += batch) {
    signal.throwIfAborted();
    const uids = await deps.agents.page(last, batch, selector, direction);
    for (const each of await loadSelected(deps, selector, uids)) {
      if (found.length === pageSize) return { found, next: found.at(-1)?.place ?? null };
      found.push({ ...each, place: [null, each.view.uid] });
    }
    if (uids.length < batch) return { found, next: null };
    last = uids.at(-1) ?? last;
    if (selector.requirements.length > 0) batch = Math.min(BATCH, 2 * batch);
  }
  return { found, next: [null, last] };
}

/** Turns records into a page of at most MAX_PAGE_BYTES. */
async function fill(
  deps: AgentDeps,
  { found, next }: Page,
  mask: ReadonlySet<string> | "all",
): Promise<{ readonly agents: Agent[]; readonly next: Place | null }> {
  const agents: Agent[] = [];
  let bytes = 0;
  for (const agent of await toAgents(deps, found, mask)) {
    bytes += toBinary(AgentSchema, agent).byteLength;
    if (bytes > MAX_PAGE_BYTES && agents.length > 0) return { agents, next: found[agents.length - 1]?.place ?? null };
    agents.push(agent);
  }
  return { agents, next };
}

async function getAgent(deps: AgentDeps, given: InstanceUid, mask: ReadonlySet<string> | "all"): Promise<Agent> {
  const found = await existingAgent(deps.agents, given);
  const [agent = create(AgentSchema)] = await toAgents(deps, [found], mask);
  await addDetails(deps, agent, found.view, mask);
  return agent;
}

/** Under the uids it had before, too: an agent that lost the one it was given comes back with one of those. */
async function release(deps: AgentDeps, given: InstanceUid, validateOnly: boolean): Promise<string> {
  const { view } = await existingAgent(deps.agents, given);
  const formerOwner = await deps.ownerIdentity(view.uid);
  if (!validateOnly) await Promise.all([view.uid, ...view.previousUids].map((uid) => deps.release(uid)));
  return formerOwner;
}
