// Sequence numbers: what an agent's counter says about messages that were lost, about a process that began anew, and
// about two agents that share a uid. The part of the session machine (session.ts) that counts. Pure.

import { hasCapability } from "@muster/protocol";
import type { Report } from "./report.ts";
import { isBare } from "./report.ts";
import type { ActiveSession } from "./session.ts";

/** After each time full state was asked for in vain, the pause doubles, from this to that. */
const ASK_AGAIN_MS = 30_000;
const MAX_ASK_AGAIN_MS = 30 * 60_000;
/** A counter that was left and came back this often is another process with the same uid: one that restarts counts from 0. */
const RIVAL_RETURNS = 2;

/** What decides whether full state is asked for. */
export interface Asking {
  readonly report: Report;
  readonly nowMs: number;
  readonly mayAskFullState: boolean;
}

/** A poll may carry the uid alone (R43): it says that the agent lives, and nothing else. */
export function isBarePoll(report: Report): boolean {
  return report.seq === 0n && report.capabilities === 0n && isBare(report);
}

/** Counts a message. */
export function countReport(session: ActiveSession, { seq }: Report): ActiveSession {
  const last = session.seq;
  if (last === null || seq === last || seq === last + 1n) return { ...session, seq };
  const { rival } = session.known;
  const isReturn = rival !== null && seq === BigInt(rival.seq) + 1n;
  const left = { seq: String(last), returns: isReturn ? rival.returns + 1 : 0 };
  const hasRestarted = session.hasRestarted || seq < last;
  return { ...session, seq, hasRestarted, known: { ...session.known, rival: left } };
}

/**
 * Whether the message comes from the younger of two agents that share this uid (R143): their counters take turns, and
 * the lower one began later. For agents that poll; a WebSocket is asked by a ping (prepare.ts).
 */
export function isYoungerTwin({ known, seq }: ActiveSession): boolean {
  const { rival } = known;
  return rival !== null && rival.returns >= RIVAL_RETURNS && seq !== null && seq < BigInt(rival.seq);
}

/** Whether the reply asks for full state (S2), and what is remembered of asking. */
export function askFullState(
  told: ActiveSession,
  before: ActiveSession,
  { report, nowMs, mayAskFullState }: Asking,
): [ActiveSession, boolean] {
  const { lacking } = told.known;
  const isFull = report.facets.some((facet) => facet.kind === "description");
  const follows = before.seq !== null && (report.seq === before.seq + 1n || report.seq === before.seq);
  const isKnown = told.known.digests.description !== undefined;
  if (isFull) {
    // What the agent's capabilities promise may be missing from a first report; asked once, it has had its chance (R41).
    const wasAsked = lacking !== null && lacking.asks > 0;
    const isGap = before.seq !== null && !follows;
    const isEnough = follows || (tellsWhatItPromises(told) && !(isGap && told.peer.isStrict));
    if (wasAsked || isEnough) return [withLacking(told, null), false];
  } else if (follows && isKnown && lacking === null) return [told, false];
  const { askedAtMs, asks } = lacking ?? { askedAtMs: 0, asks: 0 };
  const pauseMs = asks === 0 ? 0 : Math.min(ASK_AGAIN_MS * 2 ** (asks - 1), MAX_ASK_AGAIN_MS);
  if (!mayAskFullState || nowMs < askedAtMs + pauseMs) return [withLacking(told, { askedAtMs, asks }), false];
  return [withLacking(told, { askedAtMs: nowMs, asks: asks + 1 }), true];
}

function withLacking(session: ActiveSession, lacking: ActiveSession["known"]["lacking"]): ActiveSession {
  return lacking === session.known.lacking ? session : { ...session, known: { ...session.known, lacking } };
}

/** Whether everything is known that the capabilities say there is. */
function tellsWhatItPromises({ known: { capabilities, digests } }: ActiveSession): boolean {
  const promised = [
    hasCapability(capabilities, "ReportsEffectiveConfig") && digests.effectiveConfig === undefined,
    hasCapability(capabilities, "ReportsRemoteConfig") && digests.acknowledgement === undefined,
    hasCapability(capabilities, "ReportsPackageStatuses") && digests.packages === undefined,
    hasCapability(capabilities, "ReportsHealth") && digests.health === undefined,
  ];
  return !promised.includes(true);
}
