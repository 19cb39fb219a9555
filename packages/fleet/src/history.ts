// What happened to an agent, as the few lines that a person wants to read: read off the change that an event made to its view.
// Bounded and coalesced where it is kept (the store); attempts.ts has what is needed to judge. Pure.
//
// An agent of which nothing is worth telling has no history: its first connect, its first healthy report, a config that it came with,
// and heartbeats are none.

import type { AgentEvent } from "./event.ts";
import type { AgentView } from "./view.ts";

/** What happened. Kept as places in this list: it only grows, at its end. */
export const HISTORY_KINDS = [
  "connected",
  "disconnected",
  "healthy",
  "unhealthy",
  "restarted",
  "config_answered",
  "renamed",
] as const;
export type HistoryKind = (typeof HISTORY_KINDS)[number];

/** Something that happened, once or several times within a short while. */
export interface HistoryEntry {
  readonly kind: HistoryKind;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  readonly count: number;
  /** One word: the gateway, why it went away, what it says of a config, the uid before; "" for none. */
  readonly reason: string;
  /** Which config, the beginning of its hash; "" where it is about none. */
  readonly hash: string;
  /** The agent's own words, shortened. */
  readonly message: string;
}

/** Characters of a message and of a hash that are kept. */
const MAX_MESSAGE_CHARS = 120;
const HASH_CHARS = 12;

/** What an event, folded into a view, means to those who read the history; mostly nothing. */
export function happenings(before: AgentView, event: AgentEvent, after: AgentView): readonly HistoryEntry[] {
  if (before === after) return [];
  switch (event.kind) {
    case "agent.connected":
      return before.connection === null ? [] : [entry("connected", event.atMs, { reason: event.gateway })];
    case "agent.disconnected":
      return before.connection?.value.ended === null
        ? [entry("disconnected", event.atMs, { reason: event.reason })]
        : [];
    case "agent.health-changed":
      return ofHealth(before, event.atMs, after);
    case "agent.config-acknowledged": {
      const { hash, state, error } = event;
      const old = before.acknowledgement?.value;
      // An agent that comes with a config that it has is as it should be.
      const isNews = state === "failed" || (state === "applied" && old !== undefined);
      if (!isNews || (old?.hash === hash && old.state === state) || after.acknowledgement === before.acknowledgement)
        return [];
      return [entry("config_answered", event.atMs, { reason: state, hash: hash.slice(0, HASH_CHARS), message: error })];
    }
    case "agent.renamed":
      return before.previousUids.includes(event.from) ? [] : [entry("renamed", event.atMs, { reason: event.from })];
    default:
      return [];
  }
}

function ofHealth(
  { health: old, runs }: AgentView,
  atMs: number,
  { health, runs: now }: AgentView,
): readonly HistoryEntry[] {
  if (health === null || health === old) return [];
  const { healthy, lastError, status } = health.value;
  const isOther = old === null ? !healthy : old.value.healthy !== healthy;
  const word = healthy ? entry("healthy", atMs) : entry("unhealthy", atMs, { message: lastError || status });
  const hasRestarted = (now?.restarts ?? 0) > (runs?.restarts ?? 0);
  return [...(hasRestarted ? [entry("restarted", atMs)] : []), ...(isOther ? [word] : [])];
}

function entry(
  kind: HistoryKind,
  atMs: number,
  { reason = "", hash = "", message = "" }: Partial<Pick<HistoryEntry, "reason" | "hash" | "message">> = {},
): HistoryEntry {
  const line = message.replaceAll(/\s+/g, " ").trim();
  const short = line.length <= MAX_MESSAGE_CHARS ? line : `${line.slice(0, MAX_MESSAGE_CHARS - 1)}…`;
  return { kind, firstAtMs: atMs, lastAtMs: atMs, count: 1, reason, hash, message: short };
}
