// One agent over WebSocket: the shell around the pure agent of gen/bundle.js. Owns the socket, the timers and what is
// measured; connects again as opamp-go does. A class: thousands share an engine.
//
// Invariants
//   W1. Every message sent is counted once in muster_messages_answered: when it is answered, when its connection is lost, or
//       when the agent ends. So is a change that is due while there is no connection to send it on.
//   W2. One funnel ends a connection, #closed; one ends the agent, #finish.

import { WebSocket } from "k6/websockets";
import {
  backoffMs,
  decodeReply,
  finishApplying,
  frameOf,
  OPAMP_BACKOFF,
  ProtocolError,
  parseFrameHeader,
  reportDisconnect,
  reportEverything,
  reportHeartbeat,
  reportOnConnect,
  takeOffer,
  takeUid,
} from "../gen/bundle.js";
import * as metrics from "./metrics.js";
import { warnOnce } from "./warn-once.js";

/** How long an agent that ends waits for answers that are on their way. */
const LAST_ANSWERS_MS = 2_000;
/** With which answers on a connection a server notices a gap: with the first, or the next when it had no budget to ask. */
const EXCUSED_ANSWERS = 2;
/** A change is stored for all gateways within this, far more than the 25 ms for which they gather changes. */
const STORED_WITHIN_MS = 1_000;

/** k6 does not say what a refused WebSocket was answered. */
function hintFor(error) {
  return /bad handshake/.test(error) ? "; see whether ADDRESS has the right path, and TOKEN is known there" : "";
}

/** One agent; it dials at once and lives until `plan.endsAtMs`. */
export class SocketAgent {
  #plan;
  #state;
  /** The first message of all, until it is sent. */
  #first;
  #socket = null;
  #isOpen = false;
  /** What was sent on this connection and not answered yet, oldest first: when, and the metric of its answer. */
  #pending = [];
  #timers = {};
  #turn;
  #attempt = 0;
  #dialledAtMs = 0;
  #lostAtMs = null;
  #wasAnswered = false;
  /** Whether this connection was answered yet. */
  #isAnswered = false;
  /** Above 0 while a request for everything would be no surprise; a first report may follow what another run sent. */
  #excused = EXCUSED_ANSWERS;
  /** When the last message was sent that was no heartbeat, and whether heartbeats followed. */
  #reportedAtMs = 0;
  #hasBeaten = false;
  #changes = 0;
  #hasEnded = false;

  /**
   * `plan`: settings, endsAtMs, and optionally `change` ({ everyMs, next(state, nowMs, count) }: what the agent reports by
   * itself) and `onOffer(offer, atMs)`.
   */
  constructor(state, index, plan) {
    this.#state = state;
    // Encoded before the clock runs: it takes this engine a millisecond or two, which in a storm would be taken for the
    // server's.
    this.#first = reportOnConnect(state);
    this.#plan = plan;
    this.#turn = index;
    this.#after("end", plan.endsAtMs - Date.now(), () => this.#end());
    this.#dial();
  }

  #dial() {
    const { addresses, token } = this.#plan.settings;
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    this.#isOpen = false;
    this.#isAnswered = false;
    this.#dialledAtMs = Date.now();
    const socket = new WebSocket(addresses[this.#turn % addresses.length], null, { headers, tags: { name: "opamp" } });
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#received(event);
    // "close" follows, and decides what becomes of it.
    socket.onerror = ({ error }) => warnOnce(`a connection failed: ${error}${hintFor(error)}`);
    socket.onclose = () => this.#closed();
    this.#socket = socket;
  }

  #opened() {
    this.#isOpen = true;
    if (this.#hasEnded) return this.#socket.close();
    this.#send(this.#first ?? reportOnConnect(this.#state));
    this.#first = null;
  }

  /** Sends a step's message; its answer is measured by `trend`, if any. Every message puts the heartbeat off. */
  #send([state, body], trend = null) {
    this.#state = state;
    const atMs = Date.now();
    this.#pending.push({ atMs, trend });
    this.#hasBeaten = trend === metrics.heartbeatReplyMs;
    if (!this.#hasBeaten) this.#reportedAtMs = atMs;
    this.#socket.send(frameOf(body).buffer);
    this.#armHeartbeat();
  }

  #received({ data, timestamp }) {
    const frame = new Uint8Array(data);
    const headerBytes = parseFrameHeader(frame);
    const reply = headerBytes instanceof ProtocolError ? headerBytes : decodeReply(frame.subarray(headerBytes));
    if (reply instanceof ProtocolError) {
      metrics.errorReplies.add(1);
      this.#isOpen = false; // timers must not speak into a socket that closes
      return this.#socket.close();
    }
    this.#count(timestamp);
    if (reply.error !== undefined) metrics.errorReplies.add(1);
    if (this.#hasEnded) return this.#pending.length === 0 ? this.#finish() : undefined;
    this.#state = takeUid(this.#state, reply);
    if (reply.offer !== undefined) this.#take(reply.offer, timestamp);
    if (reply.asksFullState) this.#tellEverything();
    if (this.#excused > 0) this.#excused--;
  }

  /**
   * Something came at `atMs`. OpAMP does not say which message it answers, so it answers the oldest that waits; but none that
   * was sent later: events queue up in a busy engine, and then it was a push.
   */
  #count(atMs) {
    if (!this.#isAnswered) this.#online(atMs);
    const [sent] = this.#pending;
    if (sent === undefined || sent.atMs > atMs) return;
    this.#pending.shift();
    metrics.messagesAnswered.add(true); // W1
    sent.trend?.add(atMs - sent.atMs);
    if (sent.trend === metrics.heartbeatReplyMs) metrics.heartbeats.add(1);
  }

  #online(atMs) {
    this.#isAnswered = true;
    this.#attempt = 0;
    metrics.connectToReplyMs.add(atMs - this.#dialledAtMs);
    if (this.#lostAtMs !== null) {
      metrics.reconnectMs.add(atMs - this.#lostAtMs);
      metrics.agentsBack.add(true);
      this.#lostAtMs = null;
    }
    const isFirst = !this.#wasAnswered;
    this.#wasAnswered = true;
    if (isFirst && this.#plan.change !== undefined) this.#armChange(Math.random());
    // A whole interval after each connect would keep agents in step that came together.
    this.#armHeartbeat(Math.random());
  }

  #take(offer, atMs) {
    this.#plan.onOffer?.(offer, atMs);
    this.#send(takeOffer(this.#state, offer));
    this.#after("apply", this.#plan.settings.APPLY_SECONDS * 1000, () => {
      const step = finishApplying(this.#state);
      // Without a connection it is told when the server asks, as a client does that lost the message.
      if (step !== undefined && this.#isOpen) this.#send(step);
    });
  }

  #tellEverything() {
    metrics.fullStateRequests.add(1);
    if (this.#excused === 0) metrics.unneededFullStateRequests.add(1);
    this.#send(reportEverything(this.#state));
  }

  #armHeartbeat(share = 1) {
    this.#after("heartbeat", share * this.#plan.settings.HEARTBEAT_SECONDS * 1000, () => {
      if (this.#isOpen) this.#send(reportHeartbeat(this.#state), metrics.heartbeatReplyMs);
    });
  }

  #armChange(share = 1) {
    const { everyMs, next } = this.#plan.change;
    this.#after("change", share * everyMs, () => {
      if (this.#isOpen) this.#send(next(this.#state, Date.now(), this.#changes++), metrics.statusReplyMs);
      else metrics.messagesAnswered.add(false); // W1
      this.#armChange();
    });
  }

  /** W2. A connection that was answered is dialled again at once; one that never was counts as refused. */
  #closed() {
    const wasAnswered = this.#isAnswered;
    this.#isOpen = false;
    this.#isAnswered = false;
    this.#after("heartbeat", null);
    if (this.#mayHaveGap()) this.#excused = EXCUSED_ANSWERS;
    this.#dropPending();
    if (this.#hasEnded) return this.#finish();
    if (wasAnswered) {
      metrics.disconnects.add(1);
      this.#lostAtMs = Date.now();
      return this.#dial();
    }
    metrics.connectFailures.add(1);
    this.#turn++;
    // k6 does not tell what a refusal said, so a Retry-After is not heard.
    this.#after("redial", backoffMs(OPAMP_BACKOFF, this.#attempt++, Math.random()), () => this.#dial());
  }

  /**
   * Whether another gateway may have to see a gap. Heartbeats are answered from memory, so their numbers are lost with a
   * gateway that is killed; so are a message without answer and a change that it had no time to store.
   */
  #mayHaveGap() {
    return this.#pending.length > 0 || this.#hasBeaten || Date.now() - this.#reportedAtMs < STORED_WITHIN_MS;
  }

  #end() {
    this.#hasEnded = true;
    for (const name of ["heartbeat", "change", "apply", "redial"]) this.#after(name, null);
    if (this.#pending.length === 0) this.#finish();
    else this.#after("end", LAST_ANSWERS_MS, () => this.#finish());
  }

  /** W2. Says goodbye and lets go of everything, or the virtual user would never come to its end. */
  #finish() {
    if (this.#timers.end === undefined) return;
    this.#after("end", null);
    delete this.#timers.end;
    this.#dropPending();
    metrics.agentsEnded.add(1);
    metrics.agentsAnswered.add(this.#wasAnswered);
    if (this.#lostAtMs !== null) metrics.agentsBack.add(false);
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const [, body] = reportDisconnect(this.#state);
    this.#socket.send(frameOf(body).buffer);
    this.#socket.close();
  }

  #dropPending() {
    for (const _ of this.#pending) metrics.messagesAnswered.add(false); // W1
    this.#pending = [];
  }

  /** Arms one of the agent's timers anew; null disarms it. Of an agent that ends only the end itself is still due. */
  #after(name, ms, run) {
    clearTimeout(this.#timers[name] ?? 0);
    if (this.#hasEnded && name !== "end") return;
    this.#timers[name] = ms === null ? 0 : setTimeout(run, ms);
  }
}
