// From bytes to the hub: recognises heartbeats, decodes the rest, and answers what cannot be understood. Bad input
// gets its answer and costs other agents nothing. Called by the sockets (socket.ts); knows no session.

import type { InstanceUid } from "@muster/fleet";
import {
  createReportScan,
  decodeAgentBody,
  formatUidAt,
  frameOf,
  isBareHeartbeat,
  ProtocolError,
  parseFrameHeader,
  parseUid,
  scanReport,
  UID_BYTES,
} from "@muster/protocol";
import type { AgentToServer } from "@muster/protocol/opamp";
import { onlyAgent } from "./agents-of.ts";
import type { Entry } from "./entry.ts";
import type { Hub, Responder } from "./hub.ts";
import type { Counts } from "./metrics.ts";
import { encodeError, type Replies } from "./replies.ts";
import { type Addresses, translate } from "./report.ts";
import type { Connection, Exchange } from "./socket.ts";

/** What it needs. */
export interface IntakeDeps {
  readonly hub: Hub;
  readonly counts: Counts;
  readonly maxMessageBytes: number;
  readonly replies: Replies;
  readonly addresses: Addresses;
  nowMs(): number;
  /** Jittered, so that those who are told to come back do not come back together. */
  retryAfterMs(): number;
  onError(error: unknown): void;
}

/** From bytes to the hub. */
export interface Intake {
  frame(connection: Connection, frame: Uint8Array): void;
  post(exchange: Exchange, body: Uint8Array): void;
  unreadable(exchange: Exchange): void;
  text(connection: Connection): void;
  oversized(connection: Connection): void;
}

/** WebSocket close codes (RFC 6455, 7.4.1). */
const CLOSE_UNSUPPORTED = 1003;
const CLOSE_TOO_BIG = 1009;
const CLOSE_PROTOCOL_ERROR = 1002;
/** A connection that sends nothing but garbage is closed after this many in a row. */
const MAX_GARBAGE = 8;
const NO_UID = new Uint8Array();

/** Opens the intake of one hub. */
export function createIntake(deps: IntakeDeps): Intake {
  return new HubIntake(deps);
}

class HubIntake implements Intake {
  readonly #deps: IntakeDeps;
  readonly #scan = createReportScan();
  readonly #garbage = new WeakMap<Connection, number>();

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
  }

  frame(connection: Connection, frame: Uint8Array): void {
    this.#deps.counts.messagesReceived += 1;
    const start = parseFrameHeader(frame);
    if (start instanceof ProtocolError) return this.#refuseFrame(connection, NO_UID, start.message);
    if (this.#takeHeartbeat(frame, start, connection, connection.identity)) {
      connection.send(this.#deps.replies.heartbeatFrame(frame, this.#scan.uidStart));
      return;
    }
    const message = understand(frame.subarray(start), this.#deps.maxMessageBytes);
    if (message instanceof Malformed) return this.#refuseFrame(connection, message.uid, message.sentence);
    this.#garbage.delete(connection);
    const responder = this.#frameResponder(connection, message.instanceUid.slice());
    this.#takeIn(message, connection, connection, responder);
  }

  post(exchange: Exchange, body: Uint8Array): void {
    this.#deps.counts.messagesReceived += 1;
    if (this.#takeHeartbeat(body, 0, null, exchange.identity)) {
      exchange.respond(200, this.#deps.replies.heartbeatBody(body, this.#scan.uidStart));
      return;
    }
    const message = understand(body, this.#deps.maxMessageBytes);
    if (message instanceof Malformed) return this.#refusePost(exchange, withClaimedUid(message, exchange.claimedUid));
    const contradiction = contradicts(message, exchange.claimedUid);
    if (contradiction !== null) return this.#refusePost(exchange, contradiction);
    this.#takeIn(message, null, exchange, this.#postResponder(exchange, message.instanceUid.slice()));
  }

  unreadable(exchange: Exchange): void {
    const malformed = new Malformed(NO_UID, "The body is not the gzip that Content-Encoding says it is.", false);
    this.#refusePost(exchange, withClaimedUid(malformed, exchange.claimedUid));
  }

  text(connection: Connection): void {
    this.#deps.counts.badMessages += 1;
    connection.close(CLOSE_UNSUPPORTED, "OpAMP messages are binary");
  }

  oversized(connection: Connection): void {
    this.#deps.counts.badMessages += 1;
    connection.close(CLOSE_TOO_BIG, `a message may have ${this.#deps.maxMessageBytes} bytes`);
  }

  /** Takes in a heartbeat that changes nothing; the caller answers. False when it needs a full decode. */
  #takeHeartbeat(bytes: Uint8Array, start: number, connection: Connection | null, identity: string): boolean {
    const scan = this.#scan;
    if (!scanReport(bytes, start, scan) || !isBareHeartbeat(scan)) return false;
    const entry = this.#entryAt(bytes, scan.uidStart, connection);
    if (entry === undefined || entry.connection !== connection || entry.identity !== identity) return false;
    if (!entry.beat(scan.sequenceNum, scan.capabilities)) return false;
    if (connection === null) entry.lastSeenAtMs = this.#deps.nowMs();
    this.#deps.counts.heartbeats += 1;
    this.#deps.counts.messagesSent += 1;
    return true;
  }

  /** Who has this uid, if anybody. Who has a connection of its own is recognised by the bytes (H5), in a tenth of the time that text takes. */
  #entryAt(bytes: Uint8Array, uidStart: number, connection: Connection | null): Entry | undefined {
    const only = connection === null ? null : onlyAgent(connection);
    if (only?.hasUidAt(bytes, uidStart) === true) return only;
    return this.#deps.hub.entries.get(formatUidAt(bytes, uidStart) as InstanceUid); // canonical by construction
  }

  #takeIn(
    message: AgentToServer,
    connection: Connection | null,
    { remoteAddress, identity, authorization }: Pick<Connection, "remoteAddress" | "identity" | "authorization">,
    responder: FailingResponder,
  ): void {
    try {
      const uid = formatUidAt(message.instanceUid, 0) as InstanceUid; // 16 bytes were checked
      // Who has a hash from somebody with other credentials does not get their word for what it is.
      const { ofContent, ofInventory } = this.#deps.addresses;
      const report = translate(message, { ofContent, ofInventory: (hash) => ofInventory(`${identity}\0${hash}`) });
      const from = { identity, authorization, connection, remoteAddress };
      this.#deps.hub.receive({ uid, report, ...from, responder });
    } catch (error) {
      // A defect of ours: the agent is told, and everybody else is served on (R63).
      this.#deps.onError(error);
      responder.fail();
    }
  }

  #refuseFrame(connection: Connection, uid: Uint8Array, sentence: string): void {
    this.#deps.counts.badMessages += 1;
    const inARow = (this.#garbage.get(connection) ?? 0) + 1;
    this.#garbage.set(connection, inARow);
    connection.send(frameOf(encodeError(uid, "bad_request", sentence)));
    if (inARow >= MAX_GARBAGE) connection.close(CLOSE_PROTOCOL_ERROR, "nothing but malformed messages");
  }

  #refusePost(exchange: Exchange, { uid, sentence, isDecoded }: Malformed): void {
    this.#deps.counts.badMessages += 1;
    // Clients read the body of a 200 alone, so what could be decoded is answered with one.
    exchange.respond(isDecoded ? 200 : 400, encodeError(uid, "bad_request", sentence));
  }

  #frameResponder(connection: Connection, uid: Uint8Array): FailingResponder {
    const error = (bytes: Uint8Array): void => void connection.send(frameOf(bytes));
    return {
      reply: (body) => {
        if (connection.send(frameOf(body))) this.#deps.counts.messagesSent += 1;
      },
      refuse: () => {
        const sentence = "The server cannot reach its store; it takes reports again soon.";
        error(encodeError(uid, "unavailable", sentence, this.#deps.retryAfterMs()));
      },
      reject: (sentence) => error(encodeError(uid, "bad_request", sentence)),
      fail: () => error(encodeError(uid, "unknown", UNEXPECTED)),
    };
  }

  #postResponder(exchange: Exchange, uid: Uint8Array): FailingResponder {
    return {
      reply: (body) => {
        this.#deps.counts.messagesSent += 1;
        exchange.respond(200, body);
      },
      refuse: () => exchange.respond(503, NO_UID, Math.ceil(this.#deps.retryAfterMs() / 1_000)),
      reject: (sentence) => exchange.respond(200, encodeError(uid, "bad_request", sentence)),
      fail: () => exchange.respond(200, encodeError(uid, "unknown", UNEXPECTED)),
    };
  }
}

/** A responder that can also say that the message met a defect of ours. */
interface FailingResponder extends Responder {
  fail(): void;
}

const UNEXPECTED = "The server met an unexpected error with this message; its operators are told.";

/** Why a message cannot be taken in. */
class Malformed {
  readonly uid: Uint8Array;
  readonly sentence: string;
  readonly isDecoded: boolean;
  constructor(uid: Uint8Array, sentence: string, isDecoded: boolean) {
    this.uid = uid;
    this.sentence = sentence;
    this.isDecoded = isDecoded;
  }
}

function understand(body: Uint8Array, maxBytes: number): AgentToServer | Malformed {
  const message = decodeAgentBody(body, maxBytes);
  if (message instanceof ProtocolError) return new Malformed(NO_UID, message.message, false);
  const { instanceUid } = message;
  if (instanceUid.byteLength === UID_BYTES) return message;
  const sentence = `instance_uid has ${instanceUid.byteLength} bytes; the specification wants ${UID_BYTES}, preferably a UUIDv7.`;
  return new Malformed(instanceUid.slice(), sentence, true);
}

/** Of a body that cannot be read only the header says whose it was. */
function withClaimedUid(malformed: Malformed, claimedUid: string): Malformed {
  const claimed = malformed.isDecoded ? null : parseUid(claimedUid);
  if (claimed === null || claimed instanceof ProtocolError) return malformed;
  return new Malformed(claimed, malformed.sentence, false);
}

/** The header may say who it is early; it may not say something else (R23). */
function contradicts(message: AgentToServer, claimedUid: string): Malformed | null {
  if (claimedUid === "") return null;
  const claimed = parseUid(claimedUid);
  const isSame = !(claimed instanceof ProtocolError) && Buffer.compare(claimed, message.instanceUid) === 0;
  if (isSame) return null;
  const sentence =
    "The OpAMP-Instance-UID header and instance_uid differ; send the same in both, or leave the header out.";
  return new Malformed(message.instanceUid, sentence, true);
}
