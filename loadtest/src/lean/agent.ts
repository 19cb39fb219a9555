// One lean agent: a WebSocket by hand over one TCP socket, and just enough of an OpAMP client to be a true one. It tells
// everything first, counts its messages, answers ReportFullState, takes configs, and comes back as opamp-go does. What
// a Collector makes of a config is not simulated: packages/simulator does that, for a tenth as many agents.
//
// A class, and one listener for all: eighteen thousand of these share a process.
//
// Invariants
//   L1. `sequenceNum` is the number of the next message; it goes on over reconnects, and never back.
//   L2. Every socket ends in `#lost`, once; only `close` keeps the agent from dialling again.
//   L3. What changed while there was no connection is told with the first message of the next.

import { connect, type Socket } from "node:net";
import { decodeServerFrame, ProtocolError } from "@muster/protocol";
import { ServerToAgentFlags } from "@muster/protocol/opamp";
import { OPAMP_BACKOFF, retryMs } from "@muster/simulator";
import { clientFrame, heartbeatFrame, OPCODE } from "./frames.ts";
import { asksSomething, isMessage, readFrames, readUpgrade } from "./reader.ts";
import { CAPABILITIES, changeReport, fullReport, type Offer, uidOf, type Who } from "./report.ts";

/** A place to connect to. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** The request for a WebSocket, ready to be sent. */
  readonly upgrade: string;
}

/** What the agents of a process have in common. */
export interface Shared {
  /** Tried in turn after each failure. */
  readonly targets: readonly Target[];
  /** Whether agents begin with different targets; else all with the first. */
  readonly isSpread: boolean;
  /** From an offer to APPLIED. */
  readonly applyMs: number;
  readonly random: () => number;
  readonly counts: Totals;
  /** Where all sockets read into, one after the other. */
  readonly buffer: Uint8Array;
  /** Called for every answer; whoever runs a closed loop replaces it. */
  onAnswer: (agent: LeanAgent) => void;
  /** Called when an attempt to connect is over, one way or the other. */
  onAttempted: (agent: LeanAgent) => void;
}

/** Sums over all agents of a process. */
export interface Totals {
  sent: number;
  answers: number;
  connects: number;
  refusals: number;
  losses: number;
  offers: number;
}

type Link = "down" | "dialling" | "upgrading" | "opened" | "answered";

const NOTHING = new Uint8Array();
const HEARTBEAT_CAPABILITIES = Number(CAPABILITIES);

/** One agent. Does nothing until `connect`. */
export class LeanAgent {
  readonly uid: Uint8Array;
  /** How often it was asked to tell everything. */
  fullStateRequests = 0;
  /** Messages on this connection that were not answered yet; a server answers each of them. */
  unanswered = 0;
  readonly #who: Who;
  readonly #shared: Shared;
  #link: Link = "down";
  #socket: Socket | null = null;
  #rest: Uint8Array = NOTHING;
  #sequenceNum = 0;
  #attempt = 0;
  #targetIndex: number;
  #isWanted = false;
  #isHealthy = true;
  /** What the server has not been told yet (L3). */
  #dirty = { health: false, config: false };
  #startedAtMs = 0;
  #offer: Offer | null = null;
  #first: Buffer | null = null;
  #redial: NodeJS.Timeout | undefined;
  #applying: NodeJS.Timeout | undefined;

  constructor(who: Who, shared: Shared) {
    this.#who = who;
    this.#shared = shared;
    this.uid = uidOf(who);
    this.#targetIndex = shared.isSpread ? who.index : 0;
  }

  /** Connected, and its first message on this connection was answered. */
  get isUp(): boolean {
    return this.#link === "answered";
  }

  /** Encodes the first report, so that connecting costs the load process little. */
  prepare(nowMs: number): void {
    this.#startedAtMs = nowMs;
    if (this.#sequenceNum === 0) this.#first = fullReport(this.#who, this.#condition());
  }

  connect(): void {
    this.#isWanted = true;
    this.#dial();
  }

  /** Says nothing new. Does nothing without a connection, as a client that is away. */
  heartbeat(): void {
    if (this.#link === "answered") this.#send(heartbeatFrame(this.uid, this.#sequenceNum, HEARTBEAT_CAPABILITIES));
  }

  /** Changes its health and says so, now or when it is back. */
  turnHealth(): void {
    this.#isHealthy = !this.#isHealthy;
    this.#dirty.health = true;
    this.#tellChanges();
  }

  /** The TCP connection breaks; the agent notices and comes back at once. */
  cut(): void {
    this.#socket?.destroy();
  }

  /** Ends and stays away. */
  close(): void {
    this.#isWanted = false;
    clearTimeout(this.#redial);
    clearTimeout(this.#applying);
    this.#socket?.destroy();
  }

  #condition() {
    const [sequenceNum, isHealthy] = [this.#sequenceNum, this.#isHealthy];
    return { sequenceNum, isHealthy, startedAtMs: this.#startedAtMs, nowMs: Date.now(), offer: this.#offer };
  }

  #dial(): void {
    const { targets, buffer } = this.#shared;
    const target = targets[this.#targetIndex % targets.length];
    if (target === undefined) throw new Error("an agent needs a server");
    this.#link = "dialling";
    const socket = connect({
      host: target.host,
      port: target.port,
      noDelay: true,
      ...(target.host.startsWith("127.") ? { localAddress: sourceAddress(this.#who.index) } : {}),
      onread: {
        // One buffer for all: what is read is taken in before the next socket reads.
        buffer,
        callback: (bytes, read) => {
          this.#received(read.subarray(0, bytes));
          return true;
        },
      },
    });
    this.#socket = socket;
    socket.once("connect", () => {
      this.#link = "upgrading";
      socket.write(target.upgrade);
    });
    socket.on("error", () => {}); // "close" follows
    socket.once("close", () => {
      if (this.#socket === socket) this.#lost();
    });
  }

  #received(read: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? read : Buffer.concat([this.#rest, read]);
    if (this.#link !== "upgrading") return this.#readOn(bytes);
    const answer = readUpgrade(Buffer.from(bytes).toString("latin1"));
    if (answer === null) {
      this.#rest = Buffer.from(bytes);
      return;
    }
    if (answer.status !== 101) return this.#refused(answer.retryAfterMs);
    this.#opened();
    this.#readOn(bytes.subarray(answer.headLength));
  }

  #readOn(bytes: Uint8Array): void {
    const rest = readFrames(bytes, (opcode, payload) => this.#take(opcode, payload));
    if (rest === null) this.#socket?.destroy();
    else this.#rest = rest.length === 0 ? NOTHING : Buffer.from(rest);
  }

  #opened(): void {
    this.#link = "opened";
    this.#attempt = 0;
    this.unanswered = 0;
    this.#shared.counts.connects++;
    if (this.#sequenceNum === 0) this.#tellAll();
    else if (this.#dirty.health || this.#dirty.config) this.#tellChanges();
    else this.#send(heartbeatFrame(this.uid, this.#sequenceNum, HEARTBEAT_CAPABILITIES));
  }

  #tellAll(): void {
    this.#dirty = { health: false, config: false };
    this.#send(this.#first ?? fullReport(this.#who, this.#condition()));
    this.#first = null;
  }

  #tellChanges(): void {
    if (this.#link !== "opened" && this.#link !== "answered") return;
    const frame = changeReport(this.#who, this.#condition(), this.#dirty);
    this.#dirty = { health: false, config: false };
    this.#send(frame);
  }

  #take(opcode: number, payload: Uint8Array): void {
    if (opcode === OPCODE.ping) this.#socket?.write(clientFrame(OPCODE.pong, payload));
    if (opcode === OPCODE.close) this.#socket?.end(clientFrame(OPCODE.close, payload.subarray(0, 2)));
    if (!isMessage(opcode)) return;
    this.#shared.counts.answers++;
    this.unanswered--;
    if (asksSomething(payload)) this.#obey(payload);
    if (this.#link === "opened") {
      this.#link = "answered";
      this.#shared.onAttempted(this);
    }
    this.#shared.onAnswer(this);
  }

  #obey(payload: Uint8Array): void {
    const message = decodeServerFrame(payload);
    if (message instanceof ProtocolError) return void this.#socket?.destroy();
    if ((message.flags & BigInt(ServerToAgentFlags.ServerToAgentFlags_ReportFullState)) !== 0n) {
      this.fullStateRequests++;
      this.#tellAll();
    }
    if (message.remoteConfig !== undefined) this.#apply(Uint8Array.from(message.remoteConfig.configHash));
  }

  #apply(hash: Uint8Array): void {
    this.#shared.counts.offers++;
    this.#tellOffer({ hash, status: "APPLYING" });
    clearTimeout(this.#applying);
    this.#applying = setTimeout(() => this.#tellOffer({ hash, status: "APPLIED" }), this.#shared.applyMs);
  }

  #tellOffer(offer: Offer): void {
    this.#offer = offer;
    this.#dirty.config = true;
    this.#tellChanges();
  }

  #send(frame: Buffer): void {
    this.#sequenceNum++;
    this.#shared.counts.sent++;
    this.unanswered++;
    this.#socket?.write(frame);
  }

  /** Turned away with an HTTP status: it comes again when it was told to. */
  #refused(retryAfterMs: number | undefined): void {
    const socket = this.#socket;
    this.#socket = null; // what its end means is decided here
    socket?.destroy();
    this.#comeAgain(retryAfterMs);
  }

  #lost(): void {
    const wasUp = this.#link === "opened" || this.#link === "answered";
    this.#socket = null;
    if (!wasUp) return this.#comeAgain(undefined);
    this.#shared.counts.losses++;
    this.#rest = NOTHING;
    this.#link = "down";
    if (this.#isWanted) this.#dial();
  }

  #comeAgain(retryAfterMs: number | undefined): void {
    this.#shared.counts.refusals++;
    this.#rest = NOTHING;
    this.#link = "down";
    this.#targetIndex++;
    this.#shared.onAttempted(this);
    if (!this.#isWanted) return;
    const waitMs = retryMs(OPAMP_BACKOFF, this.#attempt++, this.#shared.random(), retryAfterMs);
    this.#redial = setTimeout(() => this.#dial(), waitMs);
  }
}

const FIRST_SOURCE = 2;
const LAST_SOURCE = 250;

/** One source address reaches about 14,000 connections to one server; loopback has as many addresses as one likes. */
function sourceAddress(index: number): string {
  return `127.0.0.${FIRST_SOURCE + (index % (LAST_SOURCE - FIRST_SOURCE + 1))}`;
}
