// `muster agents`: what the fleet runs and how it fares, and what one agent can be asked.

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Action,
  ActionSchema,
  AgentSchema,
  CountAgentsResponseSchema,
  ForgetAgentsResponseSchema,
  ListAgentHistoryResponseSchema,
  type ListAgentsResponse,
  ListAgentsResponseSchema,
  ReleaseAgentResponseSchema,
  type SummarizeAgentsResponse,
  SummarizeAgentsResponseSchema,
  WatchAgentsResponseSchema,
} from "@muster/protocol/muster/agents";
import { formatAgent, formatAgentLine, formatAgents } from "./agent-text.ts";
import { readInput } from "./document.ts";
import { formatDrift } from "./drift-text.ts";
import { CommandError } from "./failure.ts";
import { formatHistory } from "./history-text.ts";
import { formatJsonLine, type Session } from "./session.ts";
import { steady } from "./steady.ts";
import { formatTable } from "./table.ts";
import { counted } from "./text.ts";

const MAX_PAGE = 1_000;

/** Options of `agents list`. */
export interface ListAgentsOptions {
  readonly selector?: string;
  readonly limit: number;
  readonly all?: boolean;
  readonly sort?: string;
}

/** Lists agents, as many pages as it takes. */
export async function listAgents(
  session: Session,
  { selector = "", limit, all, sort: orderBy = "" }: ListAgentsOptions,
): Promise<void> {
  const wanted = all === true ? Number.POSITIVE_INFINITY : limit;
  const listed: ListAgentsResponse = create(ListAgentsResponseSchema);
  do {
    const pageSize = Math.min(MAX_PAGE, wanted - listed.agents.length);
    const request = { selector, orderBy, pageSize, pageToken: listed.nextPageToken };
    const page = await session.agents.listAgents(request, session.call);
    listed.agents.push(...page.agents);
    listed.nextPageToken = page.nextPageToken;
  } while (listed.nextPageToken !== "" && listed.agents.length < wanted);
  session.show(ListAgentsResponseSchema, listed, () => listText(listed, selector, session.nowMs()));
}

function listText({ agents, nextPageToken }: ListAgentsResponse, selector: string, nowMs: number): string {
  if (agents.length === 0) return selector === "" ? "No agent has reported yet.\n" : `No agent matches ${selector}.\n`;
  const more =
    nextPageToken === "" ? "" : `\n${counted(agents.length, "agent")} of more; see all with --all, or raise --limit.\n`;
  return formatAgents(agents, nowMs) + more;
}

/** Counts agents. */
export async function countAgents(session: Session, { selector = "" }: { readonly selector?: string }): Promise<void> {
  const answer = await session.agents.countAgents({ selector }, session.call);
  session.show(CountAgentsResponseSchema, answer, () => `${answer.count}\n`);
}

/** Options of `agents summarize`. */
export interface SummarizeAgentsOptions {
  readonly selector?: string;
  readonly limit: number;
}

/** Counts agents by what they have of a key. */
export async function summarizeAgents(
  session: Session,
  groupBy: string,
  { selector = "", limit }: SummarizeAgentsOptions,
): Promise<void> {
  const summary = await session.agents.summarizeAgents({ selector, groupBy, pageSize: limit }, session.call);
  session.show(SummarizeAgentsResponseSchema, summary, () => summaryText(groupBy, summary));
}

function summaryText(
  groupBy: string,
  { groups, otherValues, withoutCount, totalCount }: SummarizeAgentsResponse,
): string {
  const rows = groups.map(({ value, count }) => [value, String(count)]);
  const without = withoutCount === 0n ? [] : [[`(no ${groupBy})`, String(withoutCount)]];
  const more = otherValues === 0n ? "" : `${otherValues} values more; raise --limit.\n`;
  const head = [groupBy.toUpperCase(), "AGENTS"];
  return `${formatTable(head, [...rows, ...without, ["(all)", String(totalCount)]])}${more}`;
}

/** Shows one agent. */
export async function getAgent(
  session: Session,
  instanceUid: string,
  { effectiveConfig = false }: { readonly effectiveConfig?: boolean },
): Promise<void> {
  const { agent = create(AgentSchema) } = await session.agents.getAgent({ instanceUid }, session.call);
  session.show(AgentSchema, agent, () => formatAgent(agent, session.nowMs(), effectiveConfig));
}

/** Shows where what one agent runs differs from what it should run. */
export async function showDrift(session: Session, instanceUid: string): Promise<void> {
  const readMask = { paths: ["instance_uid", "config_drift"] };
  const { agent = create(AgentSchema) } = await session.agents.getAgent({ instanceUid, readMask }, session.call);
  session.show(AgentSchema, agent, () => formatDrift(agent));
}

/** Shows what happened to one agent. */
export async function showHistory(session: Session, instanceUid: string): Promise<void> {
  const history = await session.agents.listAgentHistory({ instanceUid }, session.call);
  session.show(ListAgentHistoryResponseSchema, history, () => formatHistory(history.entries, session.nowMs()));
}

/** Asks one agent to restart itself. */
export async function restartAgent(session: Session, instanceUid: string): Promise<void> {
  const { action } = await session.agents.restartAgent({ instanceUid }, session.call);
  showAction(session, instanceUid, "restart", action);
}

/** Asks one agent to tell its whole state again. */
export async function refreshAgent(session: Session, instanceUid: string): Promise<void> {
  const { action } = await session.agents.refreshAgent({ instanceUid }, session.call);
  showAction(session, instanceUid, "tell its whole state again", action);
}

/** Lets the next credentials that report for an agent own it. */
export async function releaseAgent(session: Session, instanceUid: string): Promise<void> {
  const released = await session.agents.releaseAgent({ instanceUid }, session.call);
  const owner = released.formerOwner;
  const text =
    owner === ""
      ? `Agent ${instanceUid} belonged to nobody; the first credentials that report for it will own it.\n`
      : `Agent ${instanceUid} no longer belongs to ${owner}; the next credentials that report for it will own it.\n`;
  session.show(ReleaseAgentResponseSchema, released, () => text);
}

/** Options of `agents forget`. */
export interface ForgetOptions {
  readonly selector?: string;
  readonly validateOnly?: boolean;
}

/** Forgets agents that are gone: some by their uids, or all that a selector matches. */
export async function forgetAgents(
  session: Session,
  instanceUids: readonly string[],
  { selector = "", validateOnly = false }: ForgetOptions,
): Promise<void> {
  if (instanceUids.length === 0 && selector === "") throw new CommandError("say whom: uids, or -l with a selector.");
  const request = { instanceUids: [...instanceUids], selector, validateOnly };
  const answer = await session.agents.forgetAgents(request, session.call);
  const { forgottenCount, skippedCount } = answer;
  const skipped = skippedCount === 0n ? "" : ` ${counted(skippedCount, "agent")} came back meanwhile and stay.`;
  const would = validateOnly ? "would be forgotten" : "forgotten";
  session.show(ForgetAgentsResponseSchema, answer, () => `${counted(forgottenCount, "agent")} ${would}.${skipped}\n`);
}

/** Options of `agents message`. */
export interface MessageOptions {
  readonly capability: string;
  readonly type?: string;
  readonly data?: string;
  readonly file?: string;
}

/** Sends one custom message to one agent. */
export async function sendMessage(session: Session, instanceUid: string, options: MessageOptions): Promise<void> {
  const { capability, type = "", data, file } = options;
  if (data === undefined && file === undefined) throw new CommandError("say what to send: --data, or -f with a file.");
  const content = file === undefined ? Buffer.from(data ?? "") : await readInput(session, file);
  const request = { instanceUid, capability, type, data: Uint8Array.from(content) };
  const { action } = await session.agents.sendCustomMessage(request, session.call);
  showAction(session, instanceUid, `take a message of ${capability}`, action);
}

function showAction(session: Session, uid: string, what: string, action: Action = create(ActionSchema)): void {
  const next = `It does not answer such requests; see what comes of it: muster agents get ${uid}`;
  session.show(ActionSchema, action, () => `Agent ${uid} is asked to ${what}. ${next}\n`);
}

/** Shows every matching agent and each change, until interrupted. */
export async function watchAgents(session: Session, { selector = "" }: { readonly selector?: string }): Promise<void> {
  const { signal, options } = session;
  let resumeToken = "";
  const open = () => session.agents.watchAgents({ selector, resumeToken }, { signal });
  const onLost = () => session.writeError("muster: the server is gone; trying to go on ...\n");
  for await (const response of steady(
    forgetting(open, () => (resumeToken = "")),
    { ...session, onLost },
  )) {
    const { event } = response;
    if (event.case === "bookmark") resumeToken = event.value.resumeToken;
    if (options.output === "json") session.write(formatJsonLine(WatchAgentsResponseSchema, response));
    else if (event.case === "agent") session.write(formatAgentLine(event.value, session.nowMs()));
    else if (event.case === "removed") session.write(`${event.value}  no longer matches\n`);
  }
}

/** A stream that begins anew when the server no longer keeps what a resume needs. */
function forgetting<Message>(open: () => AsyncIterable<Message>, forget: () => void): () => AsyncIterable<Message> {
  return async function* () {
    try {
      yield* open();
    } catch (error) {
      if (ConnectError.from(error).code !== Code.OutOfRange) throw error;
      forget();
      yield* open();
    }
  };
}
