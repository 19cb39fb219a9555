// One agent's session as a pure state machine: step(session, input) → [session, effects]. No sockets, no Redis, no
// clock: hub.ts feeds it and carries out its effects in order. What it says is decided in outgoing.ts, what it counts in
// sequence.ts, what it tells the projector in telling.ts.
//
// Invariants
//   S1. No event leaves before the store handed out an epoch; every event carries (epoch, n), n rising.
//   S2. The sequence number advances only over messages that were taken in. A gap asks for full state, once, and then
//       with growing pauses: it never guesses and never loops.
//   S3. Every message gets exactly one reply. At most one offer of a kind is outstanding; a newer one replaces it.
//   S4. A report that changes nothing emits nothing.

import type {
  AgentEvent,
  ConfigHash,
  DesiredRecord,
  DisconnectReason,
  GatewayId,
  InstanceUid,
  Transport,
} from "@muster/fleet";
import type { Checkpoint, QueuedAction } from "@muster/store";
import { answer, tellAction } from "./answer.ts";
import { decodeKnown, type Known, NOTHING_KNOWN, type Offered } from "./known.ts";
import {
  isQuiet,
  makeOffers,
  NOTHING_TO_SAY,
  type Outgoing,
  sayAction,
  takeInventoryQuestion,
  tellsInventory,
  triesOf,
} from "./outgoing.ts";
import type { Report } from "./report.ts";
import { countReport, isBarePoll } from "./sequence.ts";
import { NOTHING_WANTED, type SettingsOffer, type Wanted } from "./settings.ts";
import { emit, withCapabilities, withFacets, withMessage } from "./telling.ts";

/** A reply that is owed: which message, as the hub numbers them. */
export type ExchangeId = number;

/** Who and where; fixed for a session's life. */
export interface Peer {
  readonly uid: InstanceUid;
  readonly gateway: GatewayId;
  readonly transport: Transport;
  readonly remoteAddress: string;
  /** Full state is asked for after every gap, also of a message that is complete. */
  readonly isStrict: boolean;
}

/** A session whose epoch the store is asked for. */
export interface OpeningSession {
  readonly kind: "opening";
  readonly peer: Peer;
  readonly held: readonly ReportInput[];
  /** Something was hinted at meanwhile: what the store answers may be older than that. */
  readonly isHinted: boolean;
}

/** A session that works. */
export interface ActiveSession {
  readonly kind: "active";
  readonly peer: Peer;
  readonly epoch: number;
  /** Events emitted in this epoch. */
  readonly n: number;
  readonly seq: bigint | null;
  readonly known: Known;
  readonly desired: DesiredRecord | null;
  readonly wanted: Wanted;
  /** Whether the agent's process is newer than its last offer. */
  readonly hasRestarted: boolean;
  /** The store lost the agent and could not be asked to take it again: the next message asks. */
  readonly isLost: boolean;
  /** Actions wait for the agent; one that polls is given one with each answer. */
  readonly hasActions: boolean;
  /** The uid that the agent is to go on under. */
  readonly renamedTo: InstanceUid | null;
  /** The agent is to be asked for its components with the next answer. */
  readonly owesInventory: boolean;
  /** Nothing is owed or expected: the next heartbeat can be answered without a thought. */
  readonly isQuiet: boolean;
}

/** One agent's session. */
export type Session =
  | OpeningSession
  | ActiveSession
  | { readonly kind: "closed"; readonly peer: Peer; readonly reason: DisconnectReason };

/** A message, with what had to be found out before it could be taken in. */
export interface ReportInput {
  readonly kind: "report";
  readonly report: Report;
  readonly exchange: ExchangeId;
  readonly nowMs: number;
  readonly mayAskFullState: boolean;
  /** The uid that was made for it, because it asked for one. */
  readonly newUid?: InstanceUid;
  /** The next action that waits for an agent that polls, and whether more do. */
  readonly action?: QueuedAction;
  readonly hasMoreActions?: boolean;
  /** The certificate it asked for: a whole ConnectionSettingsOffers, and its hash. */
  readonly certificate?: SettingsOffer;
}

/** What happens to a session. */
export type Input =
  | ReportInput
  | { readonly kind: "opened"; readonly opened: Opening; readonly nowMs: number; readonly mayAskFullState: boolean }
  | { readonly kind: "open-failed" }
  /** The uid is another identity's, as the sentence says; or, without one, another agent with this uid lives. */
  | { readonly kind: "denied"; readonly sentence: string | null }
  | { readonly kind: "desired"; readonly desired: DesiredRecord | null; readonly nowMs: number }
  | { readonly kind: "wanted"; readonly wanted: Wanted; readonly nowMs: number }
  | { readonly kind: "offer-failed"; readonly hash: ConfigHash }
  | { readonly kind: "actions-wait" }
  | { readonly kind: "action"; readonly action: QueuedAction; readonly nowMs: number }
  /** Nobody has told the inventory under this address. */
  | { readonly kind: "inventory-missing"; readonly address: string; readonly nowMs: number }
  /** The store lost what it knew of the agent. */
  | { readonly kind: "lost" }
  /** Another gateway had taken the agent, in error; it is back under a new epoch. */
  | { readonly kind: "reclaimed"; readonly epoch: number }
  | { readonly kind: "ended"; readonly reason: DisconnectReason; readonly nowMs: number };

/** What the store answered. */
export interface Opening {
  readonly epoch: number;
  readonly checkpoint: Checkpoint | null;
  /** The agent only moved: its session with another gateway was still open. */
  readonly isMove: boolean;
  readonly desired: DesiredRecord | null;
  readonly wanted?: Wanted;
  readonly hasActions?: boolean;
  /** The first action that waits for an agent that polls. */
  readonly action?: QueuedAction;
  /** Nobody has told the inventory that the agent has. */
  readonly lacksInventory?: boolean;
  /** The uid that this agent was given, and comes without. */
  readonly renamedTo?: InstanceUid | null;
  /** The uid that this agent had until now. */
  readonly renamedFrom?: InstanceUid | null;
}

/** What is to be done, in order. */
export type Effect =
  | { readonly kind: "open" }
  | { readonly kind: "keep-body"; readonly address: string; readonly body: Uint8Array }
  | { readonly kind: "keep-inventory"; readonly address: string; readonly inventory: Uint8Array }
  | { readonly kind: "look-up-inventory"; readonly address: string }
  | { readonly kind: "emit"; readonly event: AgentEvent }
  | { readonly kind: "reply"; readonly to: ExchangeId; readonly say: Outgoing }
  | { readonly kind: "refuse"; readonly to: ExchangeId }
  /** Not to be taken in: the sentence, or, without one, a uid of its own. */
  | { readonly kind: "deny"; readonly to: ExchangeId; readonly sentence: string | null }
  | { readonly kind: "push"; readonly say: Outgoing }
  | { readonly kind: "take-actions" }
  /** What the agent should run, have and be asked is to be read again. */
  | { readonly kind: "look-again" }
  | { readonly kind: "end"; readonly event: AgentEvent };

type Step = readonly [Session, readonly Effect[]];

/** Messages that wait for an epoch; a client that sends more has not read a single reply. */
export const MAX_HELD = 16;

/** A session at its first message. */
export function openSession(peer: Peer): OpeningSession {
  return { kind: "opening", peer, held: [], isHinted: false };
}

/** Advances a session. */
export function step(session: Session, input: Input): Step {
  switch (session.kind) {
    case "opening":
      return stepOpening(session, input);
    case "active":
      return stepActive(session, input);
    case "closed":
      return [session, input.kind === "report" ? [{ kind: "refuse", to: input.exchange }] : []];
  }
}

/** The next heartbeat that would change nothing, in numbers below 2^53; `seq` is -1 while every message needs a thought. */
export function nextBeat(session: Session): { readonly seq: number; readonly capabilities: number } {
  if (session.kind !== "active" || !session.isQuiet || session.seq === null) return { seq: -1, capabilities: 0 };
  return { seq: Number(session.seq) + 1, capabilities: Number(session.known.capabilities) };
}

/** The session after heartbeats that changed nothing, of which the last one had this number. */
export function afterBeats(session: Session, seq: number): Session {
  return session.kind === "active" ? { ...session, seq: BigInt(seq) } : session;
}

function stepOpening(session: OpeningSession, input: Input): Step {
  switch (input.kind) {
    case "report": {
      if (session.held.length >= MAX_HELD) return [session, [{ kind: "refuse", to: input.exchange }]];
      const isFirst = session.held.length === 0;
      const held = [...session.held, input];
      return [{ ...session, held }, isFirst ? [{ kind: "open" }] : []];
    }
    case "opened":
      return startActive(session, input);
    case "open-failed":
      return [{ ...session, held: [] }, refuse(session.held)];
    case "denied": {
      const { sentence } = input;
      const denials = session.held.map(({ exchange }) => ({ kind: "deny", to: exchange, sentence }) as const);
      return [{ kind: "closed", peer: session.peer, reason: "superseded" }, denials];
    }
    case "ended":
      return [{ kind: "closed", peer: session.peer, reason: input.reason }, refuse(session.held)];
    case "desired":
    case "wanted":
    case "actions-wait":
      return [{ ...session, isHinted: true }, []];
    default:
      return [session, []]; // the store tells it all when it answers
  }
}

function refuse(held: readonly ReportInput[]): readonly Effect[] {
  return held.map(({ exchange }) => ({ kind: "refuse", to: exchange }));
}

function startActive(
  session: OpeningSession,
  { opened, nowMs, mayAskFullState }: Extract<Input, { kind: "opened" }>,
): Step {
  // Polls wander between gateways; that is no new connection.
  const isMove = opened.isMove && session.peer.transport === "http";
  let [active, effects] = isMove ? [activeOf(session.peer, opened), []] : connect(session.peer, opened, nowMs);
  for (const [i, held] of session.held.entries()) {
    const first = i === 0 && opened.action !== undefined ? { action: opened.action, hasMoreActions: true } : {};
    const [next, more] = takeIn(active, { ...held, ...first, nowMs, mayAskFullState });
    effects = [...effects, ...more];
    if (next.kind !== "active") return [next, [...effects, ...refuse(session.held.slice(i + 1))]]; // it said goodbye
    active = next;
  }
  const canPush = session.peer.transport === "websocket";
  const takes = opened.hasActions === true && canPush ? [{ kind: "take-actions" } as const] : [];
  const looks = session.isHinted ? [{ kind: "look-again" } as const] : [];
  return [active, [...effects, ...takes, ...looks]];
}

function activeOf(peer: Peer, opened: Opening): ActiveSession {
  const { checkpoint, epoch, desired } = opened;
  return {
    kind: "active",
    peer,
    epoch,
    n: 0,
    seq: checkpoint?.seq ?? null,
    known: checkpoint === null ? NOTHING_KNOWN : decodeKnown(checkpoint.state),
    desired,
    wanted: opened.wanted ?? NOTHING_WANTED,
    hasRestarted: false,
    isLost: false,
    hasActions: peer.transport === "http" && opened.hasActions === true,
    renamedTo: opened.renamedTo ?? null,
    owesInventory: opened.lacksInventory === true,
    isQuiet: false,
  };
}

function connect(peer: Peer, opened: Opening, nowMs: number): [ActiveSession, readonly Effect[]] {
  const fresh = activeOf(peer, opened);
  const known = { ...fresh.known, isGreeted: false, identifiedAtMs: null };
  const [session, effects] = tellConnected({ ...fresh, known }, nowMs);
  const from = opened.renamedFrom ?? null;
  if (from === null) return [session, effects];
  // Told last: the projector takes over what was known before, and this session's own facts are newer.
  const [renamed, more] = emit(session, nowMs, (head) => ({ kind: "agent.renamed", ...head, from }));
  return [renamed, [...effects, ...more]];
}

function tellConnected(session: ActiveSession, nowMs: number): readonly [ActiveSession, readonly Effect[]] {
  const { gateway, transport, remoteAddress } = session.peer;
  return emit(session, nowMs, (head) => ({ kind: "agent.connected", ...head, gateway, transport, remoteAddress }));
}

function stepActive(session: ActiveSession, input: Input): Step {
  switch (input.kind) {
    case "report":
      return session.isLost ? takeInLost(session, input) : takeIn(session, input);
    case "desired":
      return offerNow({ ...session, desired: input.desired }, input.nowMs);
    case "wanted":
      return offerNow({ ...session, wanted: input.wanted }, input.nowMs);
    case "offer-failed": {
      const isIt = session.known.offered?.hash === input.hash;
      return [isIt ? { ...session, known: { ...session.known, offered: null }, isQuiet: false } : session, []];
    }
    case "actions-wait":
      return session.peer.transport === "http"
        ? [{ ...session, hasActions: true, isQuiet: false }, []]
        : [session, [{ kind: "take-actions" }]];
    case "action":
      return act(session, input.action, input.nowMs);
    case "inventory-missing":
      return askInventory(session, input.address, input.nowMs);
    case "lost":
      return [session, [{ kind: "open" }]];
    case "opened":
      return startOver(session, input);
    case "reclaimed":
      return [{ ...session, epoch: input.epoch, n: 0 }, []];
    case "open-failed":
      return [{ ...session, isLost: true, isQuiet: false }, []];
    case "denied":
      return [{ kind: "closed", peer: session.peer, reason: "superseded" }, []];
    case "ended":
      return end(session, input.reason, input.nowMs);
  }
}

/**
 * The store lost the agent: told again under a new epoch. What the agent runs is still known, so nothing is offered
 * twice. Who cannot be asked now, be it that it polls or that too many were asked already, is asked with its next message.
 */
function startOver(
  session: ActiveSession,
  { opened, nowMs, mayAskFullState }: Extract<Input, { kind: "opened" }>,
): Step {
  const canPush = session.peer.transport === "websocket" && mayAskFullState;
  const lacking = canPush ? { askedAtMs: nowMs, asks: 1 } : { askedAtMs: 0, asks: 0 };
  const known = { ...session.known, capabilities: 0n, digests: {}, lacking, inventoryAskedAtMs: null };
  const owesInventory = opened.lacksInventory === true;
  const { epoch, desired } = opened;
  const anew: ActiveSession = { ...session, epoch, n: 0, known, desired, owesInventory };
  const [connected, effects] = tellOffer(tellConnected(anew, nowMs), session.known.offered);
  const again = settle(withCapabilities(connected, session.known.capabilities, nowMs), nowMs);
  const [told, more] = again;
  if (told.kind !== "active" || !canPush) return [told, [...effects, ...more]];
  const [asked, inventory] = takeInventoryQuestion(told, nowMs);
  return [asked, [...effects, ...more, { kind: "push", say: { ...NOTHING_TO_SAY, fullState: true, inventory } }]];
}

/** The ledger of attempts was lost too: an offer that still stands is told again, as of when it was sent. */
function tellOffer(
  [session, effects]: readonly [ActiveSession, readonly Effect[]],
  offered: Offered | null,
): readonly [ActiveSession, readonly Effect[]] {
  if (offered === null) return [session, effects];
  const { hash } = offered;
  const [next, more] = emit(session, offered.atMs, (head) => ({
    kind: "agent.config-offered",
    ...head,
    hash,
    ...triesOf(offered),
  }));
  return [next, [...effects, ...more]];
}

function offerNow(session: ActiveSession, nowMs: number): Step {
  // A poll is answered from what is desired by then.
  if (session.peer.transport === "http") return settle([session, []], nowMs);
  const [next, effects, say] = makeOffers(session, nowMs);
  const pushed: readonly Effect[] = say === NOTHING_TO_SAY ? effects : [...effects, { kind: "push", say }];
  return settle([next, pushed], nowMs);
}

function takeIn(session: ActiveSession, input: ReportInput): Step {
  const { report, exchange, nowMs } = input;
  const counted = isBarePoll(report) ? session : countReport(session, report);
  const { hasMoreActions: hasActions = counted.hasActions } = input;
  const capable = withCapabilities({ ...counted, hasActions }, report.capabilities, nowMs);
  // A repeated message is answered again and counted once (R44).
  const message = report.seq === session.seq && !isBarePoll(report) ? null : report.message;
  const told = withMessage(withFacets(capable, report.facets, nowMs), message, nowMs);
  const [said, effects, say] = answer(told[0], session, input);
  const all: readonly Effect[] = [...told[1], ...effects, { kind: "reply", to: exchange, say }];
  if (!report.isGoodbye) return settle([said, all], nowMs);
  const [closed, ending] = end(said, "agent_disconnect", nowMs);
  return [closed, [...all, ...ending]];
}

function act(session: ActiveSession, action: QueuedAction, nowMs: number): Step {
  const say = sayAction(session, action);
  if (say === null) return [session, []];
  const [next, effects] = tellAction(session, action, nowMs);
  return settle([next, [...effects, { kind: "push", say }]], nowMs);
}

function askInventory(session: ActiveSession, address: string, nowMs: number): Step {
  // Told in the meantime, or another one by now.
  if (session.known.digests.components !== address || !tellsInventory(session)) return [session, []];
  if (session.peer.transport === "http") return [{ ...session, owesInventory: true, isQuiet: false }, []];
  const [asked, inventory] = takeInventoryQuestion({ ...session, owesInventory: true }, nowMs);
  return [asked, inventory ? [{ kind: "push", say: { ...NOTHING_TO_SAY, inventory } }] : []];
}

function takeInLost(session: ActiveSession, input: ReportInput): Step {
  const [next, effects] = takeIn({ ...session, isLost: false }, input);
  return [next, next.kind === "active" ? [...effects, { kind: "open" }] : effects];
}

/** Notes whether heartbeats need a thought from here on. */
function settle([session, effects]: readonly [ActiveSession, readonly Effect[]], nowMs: number): Step {
  const quiet = isQuiet(session, nowMs);
  return [quiet === session.isQuiet ? session : { ...session, isQuiet: quiet }, effects];
}

function end(session: ActiveSession, reason: DisconnectReason, nowMs: number): Step {
  const { peer, epoch, n } = session;
  const event: AgentEvent = { kind: "agent.disconnected", uid: peer.uid, epoch, n: n + 1, atMs: nowMs, reason };
  return [{ kind: "closed", peer, reason }, [{ kind: "end", event }]];
}
