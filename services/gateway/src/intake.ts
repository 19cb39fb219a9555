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
import type { Hub, Responder } from "./hub.ts";
import type { Counts } from "./metrics.ts";
import { encodeError, encodeReply, heartbeatFrame } from "./replies.ts";
import { translate } from "./report.ts";
import { beat } from "./session.ts";
import type { Connection, Exchange } from "./socket.ts";

/** What it needs. */
export interface IntakeDeps {
  readonly hub: Hub;
  readonly counts: Counts;
  readonly maxMessageBytes: number;
  addressOf(body: Uint8Array): string;
  nowMs(): number;
  /** Jittered, so that those who are told to come back do not come back together. */
  retryAfterMs(): number;
}

/** From bytes to the hub. */
export interface Intake {
  frame(connection: Connection, frame: Uint8Array): void;
  post(exchange: Exchange, body: Uint8Array): void;
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
    if (this.#takeHeartbeat(frame, start, connection)) {
      connection.send(heartbeatFrame(frame, this.#scan.uidStart));
      return;
    }
    const message = understand(frame.subarray(start), this.#deps.maxMessageBytes);
    if (message instanceof Malformed) return this.#refuseFrame(connection, message.uid, message.sentence);
    this.#garbage.delete(connection);
    this.#takeIn(
      message,
      connection,
      connection.remoteAddress,
      this.#frameResponder(connection, message.instanceUid.slice()),
    );
  }

  post(exchange: Exchange, body: Uint8Array): void {
    this.#deps.counts.messagesReceived += 1;
    if (this.#takeHeartbeat(body, 0, null)) {
      const { uidStart } = this.#scan;
      exchange.respond(200, encodeReply(body.subarray(uidStart, uidStart + UID_BYTES), false, null));
      return;
    }
    const message = understand(body, this.#deps.maxMessageBytes);
    if (message instanceof Malformed) return this.#refusePost(exchange, message);
    const contradiction = contradicts(message, exchange.claimedUid);
    if (contradiction !== null) return this.#refusePost(exchange, contradiction);
    this.#takeIn(message, null, exchange.remoteAddress, this.#postResponder(exchange));
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
  #takeHeartbeat(bytes: Uint8Array, start: number, connection: Connection | null): boolean {
    const scan = this.#scan;
    if (!scanReport(bytes, start, scan) || !isBareHeartbeat(scan)) return false;
    const uid = formatUidAt(bytes, scan.uidStart) as InstanceUid; // canonical by construction
    const entry = this.#deps.hub.entries.get(uid);
    if (entry === undefined || entry.connection !== connection) return false;
    const session = beat(entry.session, scan.sequenceNum, scan.capabilities);
    if (session === null) return false;
    entry.session = session;
    entry.lastSeenAtMs = this.#deps.nowMs();
    this.#deps.counts.heartbeats += 1;
    this.#deps.counts.messagesSent += 1;
    return true;
  }

  #takeIn(message: AgentToServer, connection: Connection | null, remoteAddress: string, responder: Responder): void {
    const uid = formatUidAt(message.instanceUid, 0) as InstanceUid; // 16 bytes were checked
    const report = translate(message, this.#deps.addressOf);
    this.#deps.hub.receive({ uid, uidBytes: message.instanceUid, report, connection, remoteAddress, responder });
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

  #frameResponder(connection: Connection, uid: Uint8Array): Responder {
    return {
      reply: (body) => {
        if (connection.send(frameOf(body))) this.#deps.counts.messagesSent += 1;
      },
      refuse: () => {
        const sentence = "The server cannot reach its store; it takes reports again soon.";
        connection.send(frameOf(encodeError(uid, "unavailable", sentence, this.#deps.retryAfterMs())));
      },
    };
  }

  #postResponder(exchange: Exchange): Responder {
    return {
      reply: (body) => {
        this.#deps.counts.messagesSent += 1;
        exchange.respond(200, body);
      },
      refuse: () => exchange.respond(503, NO_UID, Math.ceil(this.#deps.retryAfterMs() / 1_000)),
    };
  }
}

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
