// What is said to an agent beside its uid and our capabilities, and whether there is anything to say: the part of the
// session machine (session.ts) that makes offers. Pure.
//
// Invariants
//   G1. A command is alone in its message (R128); everything else waits for the next one.
//   G2. At most one offer of each kind is outstanding; a newer one replaces it.

import type { DesiredRecord, InstanceUid, SettingsKind, Transport } from "@muster/fleet";
import { hasCapability, mayOffer } from "@muster/protocol";
import type { QueuedAction } from "@muster/store";
import { decideOffer } from "./offer.ts";
import type { ActiveSession, Effect } from "./session.ts";
import { decideConnection, decidePackages, type SettingsDecision, type SettingsOffer } from "./settings.ts";
import { emit } from "./telling.ts";

/** One message to an agent. */
export interface Outgoing {
  /** ReportFullState. */
  readonly fullState: boolean;
  /** ReportAvailableComponents. */
  readonly inventory: boolean;
  readonly config: DesiredRecord | null;
  readonly connection: SettingsOffer | null;
  readonly packages: SettingsOffer | null;
  /** The uid it is to go on under; `fresh` for one of its own, since another agent has this one. */
  readonly identify: InstanceUid | "fresh" | null;
  /** Our custom capabilities. */
  readonly greet: boolean;
  /** A restart. */
  readonly command: boolean;
  readonly message: QueuedAction["message"];
  /** A signed certificate: a whole ConnectionSettingsOffers. */
  readonly certificate: SettingsOffer | null;
}

/** Uid and capabilities alone. */
export const NOTHING_TO_SAY: Outgoing = {
  fullState: false,
  inventory: false,
  config: null,
  connection: null,
  packages: null,
  identify: null,
  greet: false,
  command: false,
  message: null,
  certificate: null,
};

/** An agent that was asked this often for its state will not tell it; it is offered its config all the same. */
const GIVE_UP_ASKING = 3;

/** What is to be offered now. Offers are told to the projector as they are made. */
export function makeOffers(session: ActiveSession, nowMs: number): [ActiveSession, readonly Effect[], Outgoing] {
  const [configured, told, config] = offerConfig(session, nowMs);
  // Both restart the Collector: one after the other (settings.ts).
  if (config !== null) return [configured, told, { ...NOTHING_TO_SAY, config }];
  const [connected, more, connection] = offerSettings(configured, "connection", nowMs);
  if (connection !== null) return [connected, more, { ...NOTHING_TO_SAY, connection }];
  const [packaged, most, packages] = offerSettings(connected, "packages", nowMs);
  return [packaged, most, packages === null ? NOTHING_TO_SAY : { ...NOTHING_TO_SAY, packages }];
}

function offerConfig(session: ActiveSession, nowMs: number): [ActiveSession, readonly Effect[], DesiredRecord | null] {
  const decision = decideConfig(session, nowMs);
  if (decision.kind === "none" || isUntold(session)) return [session, [], null];
  const { hash } = decision;
  const again = triesOf(session.desired);
  const offered = { hash, epoch: session.epoch, atMs: nowMs, ...again };
  const offering = { ...session, known: { ...session.known, offered } };
  const [next, effects] = emit(offering, nowMs, (head) => ({ kind: "agent.config-offered", ...head, hash, ...again }));
  return [next, effects, session.desired];
}

/** Which try of a config it is, where it is not the first. */
export function triesOf(of: { readonly tries?: number } | null): { readonly tries?: number } {
  return of?.tries === undefined ? {} : { tries: of.tries };
}

function offerSettings(
  session: ActiveSession,
  of: SettingsKind,
  nowMs: number,
): [ActiveSession, readonly Effect[], SettingsOffer | null] {
  const decision = decideSettings(session, of, nowMs);
  if (decision.kind === "none" || isUntold(session)) return [session, [], null];
  const { offer } = decision;
  const last = session.known.sent[of];
  const repeats = last?.hash === offer.hash ? last.repeats + 1 : 0;
  const sent = { ...session.known.sent, [of]: { hash: offer.hash, epoch: session.epoch, atMs: nowMs, repeats } };
  const offering = { ...session, known: { ...session.known, sent } };
  const settings = offer.hash;
  const [next, effects] = emit(offering, nowMs, (head) => ({ kind: "agent.settings-offered", ...head, of, settings }));
  return [next, effects, offer];
}

function decideConfig({ known, peer, desired, epoch, hasRestarted }: ActiveSession, nowMs: number) {
  return decideOffer({ ...known, transport: peer.transport, desired, epoch, hasRestarted, nowMs });
}

function decideSettings(session: ActiveSession, of: SettingsKind, nowMs: number): SettingsDecision {
  const { known, wanted, peer, epoch, hasRestarted } = session;
  const input = { known, wanted, transport: peer.transport, epoch, hasRestarted, nowMs };
  return of === "connection" ? decideConnection(input) : decidePackages(input);
}

/** An agent whose state was asked for is offered nothing before it has said what it runs, unless it never says. */
function isUntold({ known }: ActiveSession): boolean {
  return known.lacking !== null && known.lacking.asks < GIVE_UP_ASKING && known.acknowledged === null;
}

/** Whether a heartbeat that follows can be answered without a thought: nothing is owed, nothing is expected. */
export function isQuiet(session: ActiveSession, nowMs: number): boolean {
  const { known, isLost, hasActions, renamedTo, owesInventory, peer } = session;
  if (known.lacking !== null || isLost || hasActions || renamedTo !== null || owesInventory) return false;
  const decisions = [
    decideConfig(session, nowMs),
    decideSettings(session, "connection", nowMs),
    decideSettings(session, "packages", nowMs),
  ];
  return decisions.every(
    // Time alone lets a poll's offer be repeated, and what waits for another be made.
    ({ kind, ...rest }) => kind === "none" && !("why" in rest && mayChangeInTime(rest.why, peer.transport)),
  );
}

function mayChangeInTime(why: string, transport: Transport): boolean {
  return why === "busy" || (why === "already_offered" && transport === "http");
}

/** What an action says to the agent; null when the agent cannot take it any more. */
export function sayAction({ known }: ActiveSession, { kind, message }: QueuedAction): Outgoing | null {
  switch (kind) {
    case "restart":
      return mayOffer(known.capabilities, "command") ? { ...NOTHING_TO_SAY, command: true } : null;
    case "refresh":
      return { ...NOTHING_TO_SAY, fullState: true };
    case "custom_message":
      return message !== null && known.custom.includes(message.capability) ? { ...NOTHING_TO_SAY, message } : null;
  }
}

/** An agent that was asked for its components and does not tell them is asked again after so long. */
const ASK_INVENTORY_AGAIN_MS = 10 * 60_000;

/** Whether to ask for components now; the question is then taken as put. */
export function takeInventoryQuestion(session: ActiveSession, nowMs: number): readonly [ActiveSession, boolean] {
  if (!session.owesInventory) return [session, false];
  const next = { ...session, owesInventory: false };
  const { inventoryAskedAtMs } = session.known;
  const isDue = inventoryAskedAtMs === null || nowMs >= inventoryAskedAtMs + ASK_INVENTORY_AGAIN_MS;
  if (!isDue || !tellsInventory(session)) return [next, false];
  return [{ ...next, known: { ...next.known, inventoryAskedAtMs: nowMs } }, true];
}

/** Whether an agent can be asked for the components it has. */
export function tellsInventory({ known }: ActiveSession): boolean {
  return hasCapability(known.capabilities, "ReportsAvailableComponents");
}
