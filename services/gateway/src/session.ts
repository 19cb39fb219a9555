// One agent's session as a pure state machine: step(session, input) → [session, effects]. No sockets, no Redis, no
// clock: hub.ts feeds it and carries out its effects in order.
//
// Invariants
//   S1. No event leaves before the store handed out an epoch; every event carries (epoch, n), n rising.
//   S2. The sequence number advances only over messages that were taken in. A gap asks for full state, once, and then
//       with growing pauses: it never guesses and never loops.
//   S3. Every message gets exactly one reply. At most one offer is outstanding; a newer desired config replaces it.
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
import { decodeKnown, type Known, NOTHING_KNOWN } from "./known.ts";
import { decideOffer, type Offered } from "./offer.ts";
import type { Report } from "./report.ts";
import { emit, withCapabilities, withFacets } from "./telling.ts";

/** A reply that is owed: which message, as the hub numbers them. */
export type ExchangeId = number;

interface Held {
  readonly report: Report;
  readonly exchange: ExchangeId;
}

/** Who and where; fixed for a session's life. */
export interface Peer {
  readonly uid: InstanceUid;
  readonly gateway: GatewayId;
  readonly transport: Transport;
  readonly remoteAddress: string;
}

/** A session whose epoch the store is asked for. */
export interface OpeningSession {
  readonly kind: "opening";
  readonly peer: Peer;
  readonly held: readonly Held[];
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
  /** Whether the agent's process is newer than its last offer. */
  readonly hasRestarted: boolean;
  /** Set while the agent's full state is needed: when it was last asked for, and how often. */
  readonly lacking: { readonly askedAtMs: number; readonly asks: number } | null;
  /** The store lost the agent and could not be asked to take it again: the next message asks. */
  readonly isLost: boolean;
  /** Nothing is owed or expected: the next heartbeat can be answered without a thought. */
  readonly isQuiet: boolean;
}

/** One agent's session. */
export type Session =
  | OpeningSession
  | ActiveSession
  | { readonly kind: "closed"; readonly peer: Peer; readonly reason: DisconnectReason };

/** What happens to a session. */
export type Input =
  | {
      readonly kind: "report";
      readonly report: Report;
      readonly exchange: ExchangeId;
      readonly nowMs: number;
      readonly mayAskFullState: boolean;
    }
  | { readonly kind: "opened"; readonly opened: Opening; readonly nowMs: number; readonly mayAskFullState: boolean }
  | { readonly kind: "open-failed" }
  | { readonly kind: "desired"; readonly desired: DesiredRecord | null; readonly nowMs: number }
  | { readonly kind: "offer-failed"; readonly hash: ConfigHash }
  /** The store lost what it knew of the agent. */
  | { readonly kind: "lost" }
  | { readonly kind: "ended"; readonly reason: DisconnectReason; readonly nowMs: number };

/** What the store answered. */
export interface Opening {
  readonly epoch: number;
  readonly checkpoint: { readonly seq: bigint; readonly state: string } | null;
  /** The agent only moved: its session with another gateway was still open. */
  readonly isMove: boolean;
  readonly desired: DesiredRecord | null;
}

/** What is to be done, in order. */
export type Effect =
  | { readonly kind: "open"; readonly heartbeatSeq: bigint | null }
  | { readonly kind: "keep-body"; readonly address: string; readonly body: Uint8Array }
  | { readonly kind: "emit"; readonly event: AgentEvent }
  | {
      readonly kind: "reply";
      readonly to: ExchangeId;
      readonly fullState: boolean;
      readonly offer: DesiredRecord | null;
    }
  | { readonly kind: "refuse"; readonly to: ExchangeId }
  | { readonly kind: "push"; readonly fullState: boolean; readonly offer: DesiredRecord | null }
  | { readonly kind: "end"; readonly event: AgentEvent };

type Step = readonly [Session, readonly Effect[]];

/** Messages that wait for an epoch; a client that sends more has not read a single reply. */
const MAX_HELD = 16;
/** After each time full state was asked for in vain, the pause doubles, from this to that. */
const ASK_AGAIN_MS = 30_000;
const MAX_ASK_AGAIN_MS = 30 * 60_000;
/** An agent that was asked this often for its state will not tell it; it is offered its config all the same. */
const GIVE_UP_ASKING = 3;

/** A session at its first message. */
export function openSession(peer: Peer): OpeningSession {
  return { kind: "opening", peer, held: [] };
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

/** Takes in a heartbeat that follows exactly, on the hot path; null when it needs `step`. */
export function beat(session: Session, seq: number, capabilities: number): ActiveSession | null {
  if (session.kind !== "active" || !session.isQuiet || session.seq === null) return null;
  if (capabilities !== 0 && BigInt(capabilities) !== session.known.capabilities) return null;
  const next = session.seq + 1n;
  return next === BigInt(seq) ? { ...session, seq: next } : null;
}

function stepOpening(session: OpeningSession, input: Input): Step {
  switch (input.kind) {
    case "report": {
      if (session.held.length >= MAX_HELD) return [session, [{ kind: "refuse", to: input.exchange }]];
      const { report, exchange } = input;
      const isFirst = session.held.length === 0;
      const heartbeatSeq = report.facets.length === 0 && !report.isGoodbye ? report.seq : null;
      const held = [...session.held, { report, exchange }];
      return [{ ...session, held }, isFirst ? [{ kind: "open", heartbeatSeq }] : []];
    }
    case "opened":
      return startActive(session, input);
    case "open-failed":
      return [{ ...session, held: [] }, refuse(session.held)];
    case "ended":
      return [{ kind: "closed", peer: session.peer, reason: input.reason }, refuse(session.held)];
    case "desired":
    case "offer-failed":
    case "lost":
      return [session, []]; // the store tells it all when it answers
  }
}

function refuse(held: readonly Held[]): readonly Effect[] {
  return held.map(({ exchange }) => ({ kind: "refuse", to: exchange }));
}

function startActive(
  session: OpeningSession,
  { opened, nowMs, mayAskFullState }: Extract<Input, { kind: "opened" }>,
): Step {
  const { checkpoint, epoch, desired } = opened;
  const known = checkpoint === null ? NOTHING_KNOWN : decodeKnown(checkpoint.state);
  const fresh: ActiveSession = {
    kind: "active",
    peer: session.peer,
    epoch,
    n: 0,
    seq: checkpoint?.seq ?? null,
    known,
    desired,
    hasRestarted: false,
    lacking: null,
    isLost: false,
    isQuiet: false,
  };
  // Polls wander between gateways; that is no new connection.
  const isMove = opened.isMove && session.peer.transport === "http";
  let [active, effects] = isMove ? [fresh, []] : connect(fresh, nowMs);
  for (const [i, { report, exchange }] of session.held.entries()) {
    const [next, more] = takeIn(active, { kind: "report", report, exchange, nowMs, mayAskFullState });
    effects = [...effects, ...more];
    if (next.kind !== "active") return [next, [...effects, ...refuse(session.held.slice(i + 1))]]; // it said goodbye
    active = next;
  }
  return [active, effects];
}

function connect(session: ActiveSession, nowMs: number): [ActiveSession, readonly Effect[]] {
  const { gateway, transport, remoteAddress } = session.peer;
  return emit(session, nowMs, (fence) => ({ kind: "agent.connected", ...fence, gateway, transport, remoteAddress }));
}

function stepActive(session: ActiveSession, input: Input): Step {
  switch (input.kind) {
    case "report":
      return session.isLost ? takeInLost(session, input) : takeIn(session, input);
    case "desired":
      return takeDesired({ ...session, desired: input.desired }, input.nowMs);
    case "offer-failed": {
      const isIt = session.known.offered?.hash === input.hash;
      return [isIt ? { ...session, known: { ...session.known, offered: null }, isQuiet: false } : session, []];
    }
    case "lost":
      return [session, [{ kind: "open", heartbeatSeq: null }]];
    case "opened":
      return startOver(session, input);
    case "open-failed":
      return [{ ...session, isLost: true, isQuiet: false }, []];
    case "ended":
      return end(session, input.reason, input.nowMs);
  }
}

/** The store lost the agent: told again under a new epoch. What the agent runs is still known, so nothing is offered twice. */
function startOver(session: ActiveSession, { opened, nowMs }: Extract<Input, { kind: "opened" }>): Step {
  const known = { ...session.known, capabilities: 0n, digests: {} };
  const canPush = session.peer.transport === "websocket";
  const lacking = canPush ? { askedAtMs: nowMs, asks: 1 } : { askedAtMs: 0, asks: 0 };
  const anew: ActiveSession = { ...session, epoch: opened.epoch, n: 0, known, desired: opened.desired, lacking };
  const [connected, effects] = tellOffer(connect(anew, nowMs), session.known.offered);
  const again = settle(withCapabilities(connected, session.known.capabilities, nowMs), nowMs);
  const push: readonly Effect[] = canPush ? [{ kind: "push", fullState: true, offer: null }] : [];
  return [again[0], [...effects, ...again[1], ...push]];
}

/** The ledger of attempts was lost too: an offer that still stands is told again, as of when it was sent. */
function tellOffer(
  [session, effects]: readonly [ActiveSession, readonly Effect[]],
  offered: Offered | null,
): [ActiveSession, readonly Effect[]] {
  if (offered === null) return [session, effects];
  const [next, more] = emit(session, offered.atMs, (head) => ({
    kind: "agent.config-offered",
    ...head,
    hash: offered.hash,
  }));
  return [next, [...effects, ...more]];
}

function takeDesired(session: ActiveSession, nowMs: number): Step {
  // A poll is answered from what is desired by then.
  if (session.peer.transport === "http") return settle([session, []], nowMs);
  const [next, effects, offer] = makeOffer(session, nowMs);
  const pushed: readonly Effect[] = offer === null ? effects : [...effects, { kind: "push", fullState: false, offer }];
  return settle([next, pushed], nowMs);
}

function takeIn(session: ActiveSession, input: Extract<Input, { kind: "report" }>): Step {
  const { report, exchange, nowMs } = input;
  const isBarePoll = report.seq === 0n && report.capabilities === 0n && report.facets.length === 0 && !report.isGoodbye;
  // A poll may carry the uid alone (R43): it says that the agent lives, and nothing else.
  const counted = isBarePoll ? session : countReport(session, report);
  const [told, emitted] = withFacets(withCapabilities(counted, report.capabilities, nowMs), report.facets, nowMs);
  const [asked, fullState] = isBarePoll ? [told, false] : askFullState(told, session, input);
  const [offering, offered, offer] = makeOffer(asked, nowMs);
  const effects: readonly Effect[] = [...emitted, ...offered, { kind: "reply", to: exchange, fullState, offer }];
  if (!report.isGoodbye) return settle([offering, effects], nowMs);
  const [closed, ending] = end(offering, "agent_disconnect", nowMs);
  return [closed, [...effects, ...ending]];
}

function takeInLost(session: ActiveSession, input: Extract<Input, { kind: "report" }>): Step {
  const [next, effects] = takeIn({ ...session, isLost: false }, input);
  return [next, next.kind === "active" ? [...effects, { kind: "open", heartbeatSeq: null }] : effects];
}

function countReport(session: ActiveSession, report: Report): ActiveSession {
  const hasRestarted = session.hasRestarted || (session.seq !== null && report.seq < session.seq);
  return { ...session, seq: report.seq, hasRestarted };
}

/** Whether the reply asks for full state (S2). */
function askFullState(
  told: ActiveSession,
  before: ActiveSession,
  { report, nowMs, mayAskFullState }: Extract<Input, { kind: "report" }>,
): [ActiveSession, boolean] {
  const isFull = report.facets.some((facet) => facet.kind === "description");
  if (isFull) return [{ ...told, lacking: null }, false];
  const follows = before.seq !== null && (report.seq === before.seq + 1n || report.seq === before.seq);
  const isUnknown = told.known.digests.description === undefined;
  if (follows && !isUnknown && told.lacking === null) return [told, false];
  const { askedAtMs, asks } = told.lacking ?? { askedAtMs: 0, asks: 0 };
  const pauseMs = asks === 0 ? 0 : Math.min(ASK_AGAIN_MS * 2 ** (asks - 1), MAX_ASK_AGAIN_MS);
  if (!mayAskFullState || nowMs < askedAtMs + pauseMs) return [{ ...told, lacking: { askedAtMs, asks } }, false];
  return [{ ...told, lacking: { askedAtMs: nowMs, asks: asks + 1 } }, true];
}

function makeOffer(session: ActiveSession, nowMs: number): [ActiveSession, readonly Effect[], DesiredRecord | null] {
  const decision = decide(session, nowMs);
  if (decision.kind === "none" || isUntold(session)) return [session, [], null];
  const { hash } = decision;
  const offered = { hash, epoch: session.epoch, atMs: nowMs };
  const offering = { ...session, known: { ...session.known, offered } };
  const [next, effects] = emit(offering, nowMs, (fence) => ({ kind: "agent.config-offered", ...fence, hash }));
  return [next, effects, session.desired];
}

/** An agent whose state was asked for is offered nothing before it has said what it runs, unless it never says. */
function isUntold({ lacking, known }: ActiveSession): boolean {
  return lacking !== null && lacking.asks < GIVE_UP_ASKING && known.acknowledged === null;
}

function decide(session: ActiveSession, nowMs: number) {
  const { known, peer, desired, epoch, hasRestarted } = session;
  return decideOffer({ ...known, transport: peer.transport, desired, epoch, hasRestarted, nowMs });
}

/** Notes whether heartbeats need a thought from here on. */
function settle([session, effects]: readonly [ActiveSession, readonly Effect[]], nowMs: number): Step {
  const decision = decide(session, nowMs);
  // Only a poll's offer is repeated by time alone.
  const mayRepeat = decision.kind === "none" && decision.why === "already_offered" && session.peer.transport === "http";
  const isQuiet = session.lacking === null && !session.isLost && decision.kind === "none" && !mayRepeat;
  return [isQuiet === session.isQuiet ? session : { ...session, isQuiet }, effects];
}

function end(session: ActiveSession, reason: DisconnectReason, nowMs: number): Step {
  const { peer, epoch, n } = session;
  const event: AgentEvent = { kind: "agent.disconnected", uid: peer.uid, epoch, n: n + 1, atMs: nowMs, reason };
  return [{ kind: "closed", peer, reason }, [{ kind: "end", event }]];
}
