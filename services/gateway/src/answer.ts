// What the reply to a message says: the part of the session machine (session.ts) that puts together what the others
// decide. Pure.

import type { QueuedAction } from "@muster/store";
import { makeOffers, NOTHING_TO_SAY, type Outgoing, sayAction } from "./outgoing.ts";
import { askFullState, isBarePoll, isYoungerTwin } from "./sequence.ts";
import type { ActiveSession, Effect, ReportInput } from "./session.ts";
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
  const held = certificate === undefined ? makeOffers(identified, nowMs) : ([identified, [], NOTHING_TO_SAY] as const);
  const [offering, effects, offers] = held;
  const next = { ...offering, owesInventory: false, isGreeted: true };
  const { owesInventory: inventory, isGreeted } = told;
  return [
    next,
    effects,
    { ...offers, fullState, inventory, identify, greet: !isGreeted, certificate: certificate ?? null },
  ];
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
  const { identifiedAtMs } = session;
  const isDue = identifiedAtMs === null || nowMs >= identifiedAtMs + IDENTIFY_AGAIN_MS;
  if (!report.wantsUid && newUid === undefined && !isDue) return [{ ...session, renamedTo }, null];
  return [{ ...session, renamedTo, identifiedAtMs: nowMs }, renamedTo];
}

/** The projector is told that an action was sent, for there is no other trace of it. */
export function tellAction(
  session: ActiveSession,
  { actionId, kind: action }: QueuedAction,
  nowMs: number,
): readonly [ActiveSession, readonly Effect[]] {
  return emit(session, nowMs, (head) => ({ kind: "agent.action-sent", ...head, actionId, action }));
}
