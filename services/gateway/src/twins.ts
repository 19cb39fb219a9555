// The younger of two agents that share a uid and both live (R143): it is told a uid of its own, and what it says under
// the shared one is answered and forgotten, so that the elder's record is not spoilt. Judged anew after a while, for an
// agent that will not take another uid is served when the elder has gone. Called by hub.ts, one per gateway.

import type { InstanceUid } from "@muster/fleet";
import type { Incoming } from "./hub.ts";
import type { Counts } from "./metrics.ts";
import { NOTHING_TO_SAY } from "./outgoing.ts";
import type { Connection } from "./socket.ts";
import type { Voice } from "./voice.ts";

/** What it needs. */
export interface TwinDeps {
  readonly voice: Voice;
  readonly counts: Counts;
  freshUid(): InstanceUid;
  nowMs(): number;
}

/** Of a message, what is needed to answer it. */
export type Addressed = Pick<Incoming, "uid" | "connection" | "responder">;

/** The twins that were found. */
export interface Twins {
  /** Answers a message of a younger twin with its new uid. */
  tell(message: Addressed): void;
  /** Answers a message if its sender was told a new uid a moment ago; false: it is to be judged. */
  answer(message: Addressed): boolean;
}

interface Told {
  readonly newUid: InstanceUid;
  readonly atMs: number;
}

/** For how long a verdict holds. */
const VERDICT_MS = 60_000;

export function createTwins({ voice, counts, freshUid, nowMs }: TwinDeps): Twins {
  const told = new WeakMap<Connection, Map<InstanceUid, Told>>();
  return {
    tell({ uid, connection, responder }) {
      const ofConnection = (connection === null ? undefined : told.get(connection)) ?? new Map<InstanceUid, Told>();
      const newUid = ofConnection.get(uid)?.newUid ?? freshUid();
      if (connection !== null) told.set(connection, ofConnection.set(uid, { newUid, atMs: nowMs() }));
      counts.twins += 1;
      responder.reply(voice.encode(uid, { ...NOTHING_TO_SAY, identify: newUid, config: null }));
    },
    answer({ uid, connection, responder }) {
      const last = connection === null ? undefined : told.get(connection)?.get(uid);
      if (last === undefined || nowMs() >= last.atMs + VERDICT_MS) return false;
      responder.reply(voice.encode(uid, { ...NOTHING_TO_SAY, identify: null, config: null }));
      return true;
    },
  };
}
