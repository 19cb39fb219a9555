// Owns the live sessions of this gateway: feeds them inputs, carries out their effects, and keeps nothing that is not
// told again when the process dies. The decisions are session.ts's; bytes come in through intake.ts.
//
// Invariants
//   H1. One entry per agent. A connection may carry several agents; the newest connection of an agent is its own.
//   H2. A connection that loses an agent to another is left open: closing it would bring the agent straight back, and
//       two agents that share a uid would chase each other for ever. Its next message takes the agent back.
//   H3. Effects happen in order; only the bytes of an offer may have to be loaded first.

import {
  type Desired,
  type DesiredRecord,
  type DisconnectReason,
  FleetError,
  type GatewayId,
  type InstanceUid,
} from "@muster/fleet";
import { frameOf } from "@muster/protocol";
import type { Claims } from "./claim.ts";
import { encodeKnown, NOTHING_KNOWN } from "./known.ts";
import type { Counts } from "./metrics.ts";
import type { Offers } from "./offers.ts";
import type { Outbox, Source } from "./outbox.ts";
import { encodeReply } from "./replies.ts";
import type { Report } from "./report.ts";
import { type Effect, type ExchangeId, type Input, type Opening, openSession, type Session, step } from "./session.ts";
import type { Connection } from "./socket.ts";

/** Where replies to one message go. */
export interface Responder {
  /** A ServerToAgent body. */
  reply(body: Uint8Array): void;
  /** The store cannot be asked now. */
  refuse(): void;
}

/** One agent that this gateway serves. */
export interface Entry {
  session: Session;
  readonly uid: InstanceUid;
  readonly uidBytes: Uint8Array;
  /** null for an agent that polls. */
  connection: Connection | null;
  lastSeenAtMs: number;
}

/** One message of an agent. */
export interface Incoming {
  readonly uid: InstanceUid;
  readonly uidBytes: Uint8Array;
  readonly report: Report;
  /** null when it came by plain HTTP. */
  readonly connection: Connection | null;
  readonly remoteAddress: string;
  readonly responder: Responder;
}

/** What the hub needs of the world. */
export interface HubDeps {
  readonly self: GatewayId;
  readonly claims: Claims;
  readonly outbox: Outbox;
  readonly offers: Offers;
  readonly counts: Counts;
  nowMs(): number;
  /** Takes one request for full state from the budget of this second, if there is one left. */
  mayAskFullState(): boolean;
  /** Runs what must not be awaited here. */
  background(name: string, task: Promise<void>): void;
  onError(error: unknown): void;
}

/** The sessions of this gateway. */
export interface Hub {
  readonly entries: ReadonlyMap<InstanceUid, Entry>;
  receive(incoming: Incoming): void;
  /** Desired configs were read; those of agents that are not here are ignored. */
  desired(uid: InstanceUid, desired: DesiredRecord | null): void;
  connectionClosed(connection: Connection): void;
  /** Ends an agent's session here, as its own doing. */
  end(uid: InstanceUid, reason: DisconnectReason): void;
  /** Another gateway has the agent since `epoch` ended; writes what is known and lets go. */
  letGo(uid: InstanceUid, epoch: number): void;
  /** The store lost the agent: opens its session anew. */
  reopen(uid: InstanceUid): void;
}

/** Opens an empty hub. */
export function createHub(deps: HubDeps): Hub {
  return new LiveHub(deps);
}

class LiveHub implements Hub {
  readonly entries = new Map<InstanceUid, Entry>();
  readonly #deps: HubDeps;
  readonly #agentsOf = new Map<Connection, Set<InstanceUid>>();
  readonly #exchanges = new Map<ExchangeId, Responder>();
  #lastExchange = 0;

  constructor(deps: HubDeps) {
    this.#deps = deps;
  }

  receive(incoming: Incoming): void {
    const { report, responder } = incoming;
    const entry = this.#entryFor(incoming);
    const nowMs = this.#deps.nowMs();
    entry.lastSeenAtMs = nowMs;
    // A poll that does not follow may have been to another gateway in between: the store knows.
    if (hasWandered(entry, report)) {
      this.#deps.outbox.touch(sourceOf(entry));
      entry.session = openSession(this.#peerOf(incoming));
    }
    this.#lastExchange += 1;
    const exchange = this.#lastExchange;
    this.#exchanges.set(exchange, responder);
    this.#feed(entry, { kind: "report", report, exchange, nowMs, mayAskFullState: this.#deps.mayAskFullState() });
  }

  desired(uid: InstanceUid, desired: DesiredRecord | null): void {
    const entry = this.entries.get(uid);
    if (entry !== undefined) this.#feed(entry, { kind: "desired", desired, nowMs: this.#deps.nowMs() });
  }

  connectionClosed(connection: Connection): void {
    for (const uid of [...(this.#agentsOf.get(connection) ?? [])]) {
      if (this.entries.get(uid)?.connection === connection) this.end(uid, "closed");
    }
    this.#agentsOf.delete(connection);
  }

  end(uid: InstanceUid, reason: DisconnectReason): void {
    const entry = this.entries.get(uid);
    if (entry !== undefined) this.#feed(entry, { kind: "ended", reason, nowMs: this.#deps.nowMs() });
  }

  letGo(uid: InstanceUid, epoch: number): void {
    const entry = this.entries.get(uid);
    if (entry === undefined || entry.session.kind !== "active" || entry.session.epoch > epoch) return;
    this.#deps.outbox.end(sourceOf(entry), null);
    this.#forget(entry);
  }

  reopen(uid: InstanceUid): void {
    const entry = this.entries.get(uid);
    if (entry !== undefined) this.#feed(entry, { kind: "lost" });
  }

  #entryFor(incoming: Incoming): Entry {
    const { uid, uidBytes, connection } = incoming;
    const existing = this.entries.get(uid);
    if (existing !== undefined && existing.connection === connection) return existing;
    if (existing !== undefined) this.end(uid, "superseded");
    const session = openSession(this.#peerOf(incoming));
    const entry: Entry = { session, uid, uidBytes: uidBytes.slice(), connection, lastSeenAtMs: 0 };
    this.entries.set(uid, entry);
    if (connection !== null) {
      const agents = this.#agentsOf.get(connection) ?? new Set();
      this.#agentsOf.set(connection, agents.add(uid));
    }
    return entry;
  }

  #peerOf({ uid, connection, remoteAddress }: Incoming) {
    const transport = connection === null ? "http" : "websocket";
    return { uid, gateway: this.#deps.self, transport, remoteAddress } as const;
  }

  #forget(entry: Entry): void {
    if (this.entries.get(entry.uid) === entry) this.entries.delete(entry.uid);
    if (entry.connection !== null) this.#agentsOf.get(entry.connection)?.delete(entry.uid);
  }

  #feed(entry: Entry, input: Input): void {
    const before = entry.session;
    const [session, effects] = step(before, input);
    entry.session = session;
    // What is emitted by the very step that ends a session still belongs to the session it ends.
    const source = sourceOf(session.kind === "closed" ? { uid: entry.uid, session: before } : entry);
    for (const effect of effects) this.#perform(entry, source, effect);
    if (session.kind === "closed") this.#forget(entry);
  }

  #perform(entry: Entry, source: Source, effect: Effect): void {
    const { outbox, counts } = this.#deps;
    switch (effect.kind) {
      case "open":
        return this.#deps.background("open session", this.#open(entry, effect.heartbeatSeq !== null));
      case "emit":
        return outbox.add(source, effect.event);
      case "keep-body":
        return outbox.keepBody(source, effect.address, effect.body);
      case "end":
        return outbox.end(source, effect.event);
      case "reply": {
        const responder = this.#takeExchange(effect.to);
        return this.#send(entry, effect, (body) => responder?.reply(body));
      }
      case "refuse":
        counts.refusals += 1;
        return this.#takeExchange(effect.to)?.refuse();
      case "push":
        return this.#send(entry, effect, (body) => {
          if (entry.connection?.send(frameOf(body)) === true) counts.messagesSent += 1;
        });
    }
  }

  #takeExchange(id: ExchangeId): Responder | undefined {
    const responder = this.#exchanges.get(id);
    this.#exchanges.delete(id);
    return responder;
  }

  /** Sends at once when the offer's bytes are here, else when they are loaded (H3). */
  #send(entry: Entry, { fullState, offer }: Message, send: (body: Uint8Array) => void): void {
    const { counts, offers } = this.#deps;
    if (fullState) counts.fullStateRequests += 1;
    if (offer === null) return send(encodeReply(entry.uidBytes, fullState, null));
    const ready = offers.peek(offer.hash);
    if (ready === undefined)
      return this.#deps.background("load offer", this.#loadAndSend(entry, fullState, offer, send));
    counts.offers += 1;
    return send(encodeReply(entry.uidBytes, fullState, ready));
  }

  async #loadAndSend(
    entry: Entry,
    fullState: boolean,
    offer: Desired,
    send: (body: Uint8Array) => void,
  ): Promise<void> {
    const { counts, offers } = this.#deps;
    try {
      const bytes = await offers.load(offer);
      counts.offers += 1;
      send(encodeReply(entry.uidBytes, fullState, bytes));
    } catch (error) {
      counts.offerErrors += 1;
      this.#deps.onError(error);
      this.#feed(entry, { kind: "offer-failed", hash: offer.hash });
      send(encodeReply(entry.uidBytes, fullState, null));
    }
  }

  async #open(entry: Entry, isHeartbeat: boolean): Promise<void> {
    const { uid, session } = entry;
    const report = session.kind === "opening" ? session.held[0]?.report : undefined;
    const isFull = report?.facets.some((facet) => facet.kind === "description") ?? false;
    const minEpoch = session.kind === "active" ? session.epoch + 1 : 0;
    try {
      // What an earlier session left in the outbox must be in the store before it is resumed from there.
      if (!(await this.#deps.outbox.flushAgent(uid))) throw new FleetError("unavailable", "the store is away");
      const opened = await this.#deps.claims.claim({ uid, minEpoch, seq: report?.seq ?? null, isHeartbeat, isFull });
      if (entry.session.kind === "closed") return this.#endUnopened(entry, entry.session.reason, opened);
      const mayAskFullState = this.#deps.mayAskFullState();
      this.#feed(entry, { kind: "opened", opened, nowMs: this.#deps.nowMs(), mayAskFullState });
    } catch (error) {
      this.#deps.onError(error);
      this.#feed(entry, { kind: "open-failed" });
      if (entry.session.kind === "opening") this.#forget(entry);
    }
  }

  /** The agent left while the store was asked, which now has it as connected here; nobody else would say that it is not. */
  #endUnopened({ uid }: Entry, reason: DisconnectReason, { epoch, checkpoint }: Opening): void {
    if (this.entries.has(uid)) return; // it is back, and its session will be the newer one
    const last = checkpoint ?? { seq: 0n, state: encodeKnown(NOTHING_KNOWN) };
    const event = { kind: "agent.disconnected", uid, epoch, n: 1, atMs: this.#deps.nowMs(), reason } as const;
    this.#deps.outbox.end({ uid, epoch, checkpoint: () => last }, event);
  }
}

/** What a reply or a push says. */
interface Message {
  readonly fullState: boolean;
  readonly offer: Desired | null;
}

/** Whether a poll's sequence number says that the agent was elsewhere meanwhile. */
function hasWandered({ session, connection }: Entry, report: Report): boolean {
  if (connection !== null || session.kind !== "active" || session.seq === null) return false;
  const isBarePoll = report.seq === 0n && report.capabilities === 0n && report.facets.length === 0;
  return !isBarePoll && report.seq !== session.seq + 1n && report.seq !== session.seq;
}

/** The outbox's view of a session: its epoch, and the checkpoint as it is when it is written. */
function sourceOf(entry: Pick<Entry, "uid" | "session">): Source {
  const { uid } = entry;
  const epoch = entry.session.kind === "active" ? entry.session.epoch : 0;
  let last = entry.session;
  return {
    uid,
    epoch,
    checkpoint: () => {
      if (entry.session.kind === "active" && entry.session.epoch === epoch) last = entry.session;
      const { seq, known } = last.kind === "active" ? last : { seq: null, known: NOTHING_KNOWN };
      return { seq: seq ?? 0n, state: encodeKnown(known) };
    },
  };
}
