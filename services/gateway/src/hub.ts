// Owns the live sessions of this gateway: feeds them inputs, carries out their effects, and keeps nothing that is not
// told again when the process dies. The decisions are session.ts's; bytes come in through intake.ts and go out through
// voice.ts; what takes a question to the store first is prepare.ts's and opening.ts's.
//
// Invariants
//   H1. One entry per agent. A connection may carry several agents.
//   H2. A connection that loses an agent to another is left open unless it is dead: closing it would bring the agent
//       straight back, and two agents that share a uid would chase each other for ever. The younger of two that live
//       is told a uid of its own, and what it says under the old one is answered and forgotten.
//   H3. Effects happen in order; only the bytes of an offer may have to be loaded first.
//   H4. Messages of one agent on one connection are taken in in order, also when one must wait for a question.
//   H5. A connection carries exactly the entries that are on it: intake.ts takes the heartbeat of one that it carries without
//       looking in `entries`.

import type { DesiredRecord, DisconnectReason, GatewayId, InstanceUid } from "@muster/fleet";
import { addAgent, agentsOf, countAgents, removeAgent } from "./agents-of.ts";
import { Entry } from "./entry.ts";
import { encodeKnown, NOTHING_KNOWN } from "./known.ts";
import type { Counts } from "./metrics.ts";
import { type EndedHere, endAbsent, type OpeningDeps, openEntry } from "./opening.ts";
import type { Source } from "./outbox.ts";
import { FOREIGN, type Found, needsPreparation, nextAction, type PrepareDeps, prepare } from "./prepare.ts";
import type { Report } from "./report.ts";
import { isBarePoll } from "./sequence.ts";
import {
  type Effect,
  type ExchangeId,
  type Input,
  MAX_HELD,
  type Opening,
  openSession,
  type Peer,
  step,
} from "./session.ts";
import type { Connection } from "./socket.ts";
import { createTwins, type Twins } from "./twins.ts";
import type { Voice } from "./voice.ts";

/** Where replies to one message go. */
export interface Responder {
  /** A ServerToAgent body. */
  reply(body: Uint8Array): void;
  /** The store cannot be asked now. */
  refuse(): void;
  /** The message cannot be taken, ever, as the sentence says. */
  reject(sentence: string): void;
}

/** One message of an agent. */
export interface Incoming {
  readonly uid: InstanceUid;
  readonly report: Report;
  readonly identity: string;
  /** The Authorization header that it came with, or "". */
  readonly authorization: string;
  /** null when it came by plain HTTP. */
  readonly connection: Connection | null;
  readonly remoteAddress: string;
  readonly responder: Responder;
}

/** What the hub needs of the world. */
export interface HubDeps extends Omit<PrepareDeps, "isShared">, Omit<OpeningDeps, "endHere"> {
  readonly self: GatewayId;
  readonly voice: Voice;
  readonly counts: Counts;
  /** Full state is asked for after every gap, also of a message that is complete. */
  readonly isStrict: boolean;
  /** Another uid than any there is. */
  freshUid(): InstanceUid;
  loadDesired(uids: readonly InstanceUid[]): Promise<readonly (DesiredRecord | null)[]>;
  /** Whether so many bytes more may be kept of what agents may send without end. */
  mayKeep(bytes: number): boolean;
  /** Takes one request for full state from the budget of this second, if there is one left. */
  mayAskFullState(): boolean;
  /** Runs what must not be awaited here. */
  background(name: string, task: Promise<void>): void;
  delay(ms: number): Promise<void>;
  onError(error: unknown): void;
}

/** The sessions of this gateway. */
export interface Hub {
  readonly entries: ReadonlyMap<InstanceUid, Entry>;
  receive(incoming: Incoming): void;
  /** Something happened to an agent; nothing when it is not here. */
  feed(uid: InstanceUid, input: Input): void;
  /** Desired configs were read. */
  desired(uid: InstanceUid, desired: DesiredRecord | null): void;
  connectionClosed(connection: Connection): void;
  /** Ends an agent's session here, as its own doing. */
  end(uid: InstanceUid, reason: DisconnectReason): void;
  /** Another gateway has the agent since `epoch` ended; writes what is known and lets go. */
  letGo(uid: InstanceUid, epoch: number): void;
  /** The agent left while it was taken back from another gateway under this epoch. */
  endAbsent(uid: InstanceUid, epoch: number): void;
  /** Whether the agent answers on a WebSocket of its own here; asked when another gateway has one with the same uid. */
  answers(uid: InstanceUid): Promise<boolean>;
}

/** Opens an empty hub. */
export function createHub(deps: HubDeps): Hub {
  return new LiveHub(deps);
}

/** Custom messages pass through short queues at the agent, which drop what is too much (R133). */
const ACTION_PAUSE_MS = 50;
const READ_AGAIN_MS = 5_000;
/** Agents behind one proxy; their sessions end together when it goes. */
const MAX_AGENTS_PER_CONNECTION = 10_000;

class LiveHub implements Hub {
  readonly entries = new Map<InstanceUid, Entry>();
  readonly #deps: HubDeps;
  readonly #prepareDeps: PrepareDeps;
  readonly #openingDeps: OpeningDeps;
  readonly #twins: Twins;
  readonly #exchanges = new Map<ExchangeId, Responder>();
  /** Messages that wait for the one before them, by agent and connection (H4). */
  readonly #waiting = new Map<Connection | null, Map<InstanceUid, Incoming[]>>();
  /** Agents that are asked whether they are still there, for another gateway has one with the same uid. */
  readonly #pinged = new Set<InstanceUid>();
  #lastExchange = 0;

  constructor(deps: HubDeps) {
    this.#deps = deps;
    this.#prepareDeps = { ...deps, isShared: (connection) => countAgents(connection) > 1 };
    this.#openingDeps = { ...deps, endHere: (uid) => this.#endFormer(uid) };
    this.#twins = createTwins(deps);
  }

  receive(incoming: Incoming): void {
    const { uid, connection, responder } = incoming;
    if (connection?.isClosed === true) return; // nobody would end what it opened
    const waiting = this.#waiting.get(connection)?.get(uid);
    if (waiting !== undefined) {
      if (waiting.length < MAX_HELD - 1) waiting.push(incoming);
      else responder.refuse();
      return;
    }
    const entry = this.entries.get(uid);
    if (entry !== undefined && entry.identity !== incoming.identity) return responder.reject(FOREIGN);
    if (entry === undefined && this.#isFull(connection)) return responder.reject(CROWDED);
    if (this.#twins.answer(incoming)) return;
    if (!needsPreparation(incoming, entry, this.#prepareDeps)) return this.#takeIn(incoming, {});
    const ofConnection = this.#waiting.get(connection) ?? new Map<InstanceUid, Incoming[]>();
    this.#waiting.set(connection, ofConnection.set(uid, []));
    this.#deps.background("prepare a message", this.#prepare(incoming, entry));
  }

  feed(uid: InstanceUid, input: Input): void {
    const entry = this.entries.get(uid);
    if (entry !== undefined) this.#feed(entry, input);
  }

  desired(uid: InstanceUid, desired: DesiredRecord | null): void {
    this.feed(uid, { kind: "desired", desired, nowMs: this.#deps.nowMs() });
  }

  connectionClosed(connection: Connection): void {
    for (const entry of agentsOf(connection)) this.#end(entry, "closed");
  }

  end(uid: InstanceUid, reason: DisconnectReason): void {
    const entry = this.entries.get(uid);
    if (entry !== undefined) this.#end(entry, reason);
  }

  letGo(uid: InstanceUid, epoch: number): void {
    if (this.#pinged.has(uid)) return; // whether it is to go is being asked
    const entry = this.entries.get(uid);
    if (entry === undefined || entry.session.kind !== "active" || entry.session.epoch > epoch) return;
    this.#deps.outbox.end(sourceOf(entry), null);
    this.#forget(entry);
  }

  endAbsent(uid: InstanceUid, epoch: number): void {
    endAbsent(uid, "closed", epoch, null, this.#deps);
  }

  async answers(uid: InstanceUid): Promise<boolean> {
    const connection = this.entries.get(uid)?.connection ?? null;
    if (connection === null || connection.isClosed || this.#prepareDeps.isShared(connection)) return false;
    this.#pinged.add(uid);
    const isAlive = await connection.ping().finally(() => this.#pinged.delete(uid));
    return isAlive && this.entries.get(uid)?.connection === connection;
  }

  async #prepare(incoming: Incoming, entry: Entry | undefined): Promise<void> {
    const { uid, connection, responder } = incoming;
    try {
      const verdict = await prepare(incoming, entry, this.#prepareDeps);
      if (connection?.isClosed !== true) {
        if (verdict.kind === "twin") this.#twins.tell(incoming);
        else if (verdict.kind === "reject") responder.reject(verdict.sentence);
        else this.#takeIn(incoming, verdict.found);
      }
    } catch (error) {
      this.#deps.onError(error);
      responder.refuse();
    }
    const waiting = this.#waiting.get(connection)?.get(uid) ?? [];
    this.#waiting.get(connection)?.delete(uid);
    if (this.#waiting.get(connection)?.size === 0) this.#waiting.delete(connection);
    for (const each of waiting) this.receive(each);
  }

  #takeIn(incoming: Incoming, found: Found): void {
    const { responder } = incoming;
    const report = withinBudget(incoming.report, this.#deps.mayKeep);
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
    const mayAskFullState = this.#deps.mayAskFullState();
    this.#feed(entry, { kind: "report", report, exchange, nowMs, mayAskFullState, ...found });
  }

  #entryFor(incoming: Incoming): Entry {
    const { uid, identity, connection } = incoming;
    const existing = this.entries.get(uid);
    if (existing !== undefined && existing.connection === connection) return existing;
    if (existing !== undefined) this.end(uid, "superseded");
    const session = openSession(this.#peerOf(incoming));
    const entry = new Entry(uid, identity, connection, session);
    this.entries.set(uid, entry);
    if (connection !== null) addAgent(connection, entry);
    return entry;
  }

  #peerOf({ uid, connection, remoteAddress }: Incoming): Peer {
    const transport = connection === null ? "http" : "websocket";
    const { self, isStrict } = this.#deps;
    return { uid, gateway: self, transport, remoteAddress, isStrict };
  }

  #forget(entry: Entry): void {
    if (this.entries.get(entry.uid) === entry) this.entries.delete(entry.uid);
    if (entry.connection !== null) removeAgent(entry.connection, entry); // H5
  }

  #end(entry: Entry, reason: DisconnectReason): void {
    this.#feed(entry, { kind: "ended", reason, nowMs: this.#deps.nowMs() });
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

  // A switch over every effect.
  #perform(entry: Entry, source: Source, effect: Effect): void {
    const { outbox, counts, voice, background } = this.#deps;
    switch (effect.kind) {
      case "open":
        return background("open session", this.#open(entry));
      case "emit":
        return outbox.add(source, effect.event);
      case "keep-body":
        return outbox.keepBody(source, effect.address, effect.body);
      case "keep-inventory":
        return background("keep an inventory", this.#keepInventory(effect.address, effect.inventory));
      case "look-up-inventory":
        return background("look up an inventory", this.#lookUp(entry, effect.address));
      case "take-actions":
        return background("take actions", this.#takeActions(entry));
      case "look-again":
        return background("look again", this.#lookAgain(entry));
      case "end":
        return outbox.end(source, effect.event);
      case "reply": {
        const responder = this.#takeExchange(effect.to);
        return voice.say(entry, effect.say, (body) => responder?.reply(body), this.#onOfferFailed(entry));
      }
      case "push": {
        const send = (body: Uint8Array): void => voice.push(entry, body);
        return voice.say(entry, effect.say, send, this.#onOfferFailed(entry));
      }
      case "refuse":
        counts.refusals += 1;
        return this.#takeExchange(effect.to)?.refuse();
      case "deny": {
        const responder = this.#takeExchange(effect.to);
        if (responder === undefined) return;
        if (effect.sentence !== null) return responder.reject(effect.sentence);
        return this.#twins.tell({ uid: entry.uid, connection: entry.connection, responder });
      }
    }
  }

  #onOfferFailed(entry: Entry): Parameters<Voice["say"]>[3] {
    return (hash) => this.#feed(entry, { kind: "offer-failed", hash });
  }

  #takeExchange(id: ExchangeId): Responder | undefined {
    const responder = this.#exchanges.get(id);
    this.#exchanges.delete(id);
    return responder;
  }

  async #lookUp(entry: Entry, address: string): Promise<void> {
    try {
      const isThere = await this.#deps.inventories.has(address);
      if (!isThere) this.#feed(entry, { kind: "inventory-missing", address, nowMs: this.#deps.nowMs() });
    } catch (error) {
      this.#deps.onError(error); // the next connection asks again
    }
  }

  async #keepInventory(address: string, inventory: Uint8Array): Promise<void> {
    try {
      await this.#deps.inventories.put(address, inventory);
    } catch (error) {
      this.#deps.onError(error); // the next agent that has it is asked
    }
  }

  /** One by one, as long as the agent is here: what is not taken waits for wherever it goes. */
  async #takeActions({ uid, connection }: Entry): Promise<void> {
    try {
      while (this.entries.get(uid)?.connection === connection) {
        const { action } = await nextAction(uid, this.#deps);
        if (action === undefined) return;
        this.feed(uid, { kind: "action", action, nowMs: this.#deps.nowMs() });
        await this.#deps.delay(ACTION_PAUSE_MS);
      }
    } catch (error) {
      this.#deps.onError(error);
    }
  }

  async #open(entry: Entry): Promise<void> {
    try {
      const claimed = await openEntry(entry, this.#openingDeps);
      if (claimed.kind !== "opened") {
        return this.#feed(entry, { kind: "denied", sentence: claimed.kind === "foreign" ? FOREIGN : null });
      }
      const { opening } = claimed;
      if (entry.session.kind === "closed") return this.#endUnopened(entry, entry.session.reason, opening);
      const mayAskFullState = this.#deps.mayAskFullState();
      this.#feed(entry, { kind: "opened", opened: opening, nowMs: this.#deps.nowMs(), mayAskFullState });
      if (claimed.isUnread === true) this.#deps.background("read settings", this.#readWanted(entry));
    } catch (error) {
      this.#deps.onError(error);
      this.#feed(entry, { kind: "open-failed" });
      if (entry.session.kind === "opening") this.#forget(entry);
    }
  }

  /** Hints came while the session opened: whatever they were about is read afresh. */
  async #lookAgain({ uid }: Entry): Promise<void> {
    try {
      const [desired, wanted] = await Promise.all([this.#deps.loadDesired([uid]), this.#deps.loadWanted(uid)]);
      this.desired(uid, desired[0] ?? null);
      this.feed(uid, { kind: "wanted", wanted, nowMs: this.#deps.nowMs() });
      this.feed(uid, { kind: "actions-wait" });
    } catch (error) {
      this.#deps.onError(error); // the next resync looks again
    }
  }

  /** Control state was away when the session opened. */
  async #readWanted(entry: Entry): Promise<void> {
    while (this.entries.get(entry.uid) === entry && entry.session.kind === "active") {
      await this.#deps.delay(READ_AGAIN_MS);
      const wanted = await this.#deps.loadWanted(entry.uid).catch(() => null);
      if (wanted !== null) return this.#feed(entry, { kind: "wanted", wanted, nowMs: this.#deps.nowMs() });
    }
  }

  #isFull(connection: Connection | null): boolean {
    return connection !== null && countAgents(connection) >= MAX_AGENTS_PER_CONNECTION;
  }

  /** The agent left while the store was asked, which now has it as connected here; nobody else would say that it is not. */
  #endUnopened({ uid }: Entry, reason: DisconnectReason, { epoch, checkpoint }: Opening): void {
    if (this.entries.has(uid)) return; // it is back, and its session will be the newer one
    endAbsent(uid, reason, epoch, checkpoint, this.#deps);
  }

  /** Ends the session that an agent had under its former uid, and answers what it knew; null when it is not here. */
  #endFormer(uid: InstanceUid): EndedHere | null {
    const entry = this.entries.get(uid);
    if (entry?.session.kind !== "active") return null;
    const { epoch, seq, known } = entry.session;
    this.end(uid, "renamed");
    return { epoch, checkpoint: { seq: seq ?? 0n, state: encodeKnown(known) } };
  }
}

/** What is too much is told of, but its content is not kept. */
function withinBudget(report: Report, mayKeep: (bytes: number) => boolean): Report {
  const { message, facets } = report;
  const isTooMuch = (kept: { readonly body: Uint8Array } | null): boolean =>
    kept !== null && !mayKeep(kept.body.byteLength);
  const lean = facets.filter((facet) => facet.kind !== "unrecognized" || !isTooMuch(facet.kept));
  const told = message !== null && isTooMuch(message.kept) ? { ...message, kept: null } : message;
  return lean.length === facets.length && told === message ? report : { ...report, facets: lean, message: told };
}

/** Whether a poll's sequence number says that the agent was elsewhere meanwhile. */
function hasWandered({ session, connection }: Entry, report: Report): boolean {
  if (connection !== null || session.kind !== "active" || session.seq === null) return false;
  return !isBarePoll(report) && report.seq !== session.seq + 1n && report.seq !== session.seq;
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

const CROWDED = `One connection may carry ${MAX_AGENTS_PER_CONNECTION} agents; open another.`;
