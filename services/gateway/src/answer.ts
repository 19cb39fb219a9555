// What the reply to a message says: the part of the session machine (session.ts) that puts together what the others
// decide. Pure.

import type { QueuedAction } from "@muster/store";
import { makeOffers, NOTHING_TO_SAY, type Outgoing, sayAction, takeInventoryQuestion } from "./outgoing.ts";
import { askFullState, isBarePoll, isYoungerTwin } from "./sequence.ts";
import type { ActiveSession, Effect, ReportInput } from "./session.ts";
import type { SettingsOffer } from "./settings.ts";
import { emit } from "./telling.ts";

/** An agent that goes on under its old uid is told the new one again after so long. */
const IDENTIFY_AGAIN_MS = 60_000;

/** What the reply to a message says. */
export function answer(
  told: ActiveSession,
  before: ActiveSession,
  input: ReportInput,
): [ActiveSession, readonly Effect[], Outgoing] {
  const { report, nowMs, action, certificate } = input;
  if (action !== undefined) {
    const say = sayAction(told, action);
    if (say !== null) return [...tellAction(told, action, nowMs), say];
  }
  const [asked, fullState] = isBarePoll(report) ? [told, false] : askFullState(told, before, input);
  const [identified, identify] = identifyAgent(asked, input);
  const [questioned, inventory] = takeInventoryQuestion(identified, nowMs);
  const [offering, effects, offers] =
    certificate === undefined ? makeOffers(questioned, nowMs) : certify(questioned, certificate);
  const greet = !offering.known.isGreeted;
  const next = greet ? { ...offering, known: { ...offering.known, isGreeted: true } } : offering;
  return [next, effects, { ...offers, fullState, inventory, identify, greet }];
}

/** The certificate it asked for; what it is wanted to have beside it is in the same offer (authority.ts). */
function certify(session: ActiveSession, certificate: SettingsOffer): [ActiveSession, readonly Effect[], Outgoing] {
  const certified = { hash: certificate.hash, over: session.wanted.connection?.hash ?? "" };
  return [{ ...session, known: { ...session.known, certified } }, [], { ...NOTHING_TO_SAY, certificate }];
}

/** Whether the agent is told another uid, and which. */
function identifyAgent(
  session: ActiveSession,
  { report, nowMs, newUid }: ReportInput,
): [ActiveSession, Outgoing["identify"]] {
  if (session.peer.transport === "http" && isYoungerTwin(session))
    return [{ ...session, known: { ...session.known, rival: null } }, "fresh"];
  const renamedTo = newUid ?? session.renamedTo;
  if (renamedTo === null) return [session, null];
  const { identifiedAtMs } = session.known;
  const isDue = identifiedAtMs === null || nowMs >= identifiedAtMs + IDENTIFY_AGAIN_MS;
  if (!report.wantsUid && newUid === undefined && !isDue) return [{ ...session, renamedTo }, null];
  return [{ ...session, renamedTo, known: { ...session.known, identifiedAtMs: nowMs } }, renamedTo];
}

/** The projector is told that an action was sent, for there is no other trace of it. */
export function tellAction(
  session: ActiveSession,
  { actionId, kind: action }: QueuedAction,
  nowMs: number,
): readonly [ActiveSession, readonly Effect[]] {
  return emit(session, nowMs, (head) => ({ kind: "agent.action-sent", ...head, actionId, action }));
}
