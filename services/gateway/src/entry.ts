// One agent that a gateway serves: who it is, where, and its session. A heartbeat that changes nothing is counted here,
// in place, without a look at the session: sessions are made anew with every change, and in a large fleet neither they nor
// what they know are in a processor's cache. Made by hub.ts, asked by intake.ts.

import type { InstanceUid } from "@muster/fleet";
import { uidWordAt, uidWords } from "@muster/protocol";
import { afterBeats, nextBeat, type Session } from "./session.ts";
import type { Connection } from "./socket.ts";

/** One agent that this gateway serves. */
export class Entry {
  readonly uid: InstanceUid;
  /** Who it showed itself to be; "" when nobody is asked to. */
  readonly identity: string;
  /** null for an agent that polls. */
  readonly connection: Connection | null;
  /** When an agent that polls was last heard of; whether a WebSocket lives, its pings tell. */
  lastSeenAtMs = 0;
  /** The uid as it is compared with. No array: it would be as large as all the rest, and one more place to read. */
  readonly #uid0: number;
  readonly #uid1: number;
  readonly #uid2: number;
  readonly #uid3: number;
  #session: Session;
  /** Of the next heartbeat that would change nothing; -1 while every message needs a thought. */
  #seq: number;
  /** Those that it may carry. */
  #capabilities: number;
  #hasBeats = false;

  constructor(uid: InstanceUid, identity: string, connection: Connection | null, session: Session) {
    this.uid = uid;
    this.identity = identity;
    this.connection = connection;
    [this.#uid0, this.#uid1, this.#uid2, this.#uid3] = uidWords(uid);
    this.#session = session;
    ({ seq: this.#seq, capabilities: this.#capabilities } = nextBeat(session));
  }

  /** Whether the 16 bytes from `start` are its uid. The caller guarantees that 16 bytes are there. */
  hasUidAt(bytes: Uint8Array, start: number): boolean {
    return (
      uidWordAt(bytes, start) === this.#uid0 &&
      uidWordAt(bytes, start + 4) === this.#uid1 &&
      uidWordAt(bytes, start + 8) === this.#uid2 &&
      uidWordAt(bytes, start + 12) === this.#uid3
    );
  }

  /** The session, with every heartbeat that was counted. */
  get session(): Session {
    if (this.#hasBeats) {
      this.#session = afterBeats(this.#session, this.#seq - 1);
      this.#hasBeats = false;
    }
    return this.#session;
  }

  set session(session: Session) {
    this.#session = session;
    ({ seq: this.#seq, capabilities: this.#capabilities } = nextBeat(session));
    this.#hasBeats = false;
  }

  /** Counts a heartbeat if it follows exactly and changes nothing; false: it needs a thought. Both numbers are below 2^53. */
  beat(seq: number, capabilities: number): boolean {
    if (seq !== this.#seq || (capabilities !== 0 && capabilities !== this.#capabilities)) return false;
    this.#seq = seq + 1;
    this.#hasBeats = true;
    return true;
  }
}
