// Which gateway holds which agent, and what a session is resumed from when the agent turns up at another one.
// Written by gateways only. The epoch that opening hands out orders everything that is ever said of the agent.

import { type AgentEvent, type DesiredRecord, FleetError, type GatewayId, type InstanceUid } from "@muster/fleet";
import type { Redis } from "ioredis";
import { createBatches } from "./batches.ts";
import { unpackDesired } from "./desired.ts";
import { appendEvents, editSession, endLost, openSessions } from "./gen/scripts.ts";
import { fleetKeys, type Partition, partitionOf } from "./keys.ts";
import { type Json, pack, unpack } from "./packed.ts";
import { runBinary } from "./redis.ts";

/** What a session is resumed from. */
export interface Checkpoint {
  /** OpAMP sequence number of the last message that was processed. */
  readonly seq: bigint;
  /** The rest; opaque to the store. */
  readonly state: Json;
}

/** A heartbeat in hand while a session opens. */
export interface OpeningHeartbeat {
  readonly seq: bigint;
}

/** What the store knows when a gateway takes an agent over. */
export interface OpenedSession {
  /** The uid belongs to another identity: nothing was opened, and nothing is told of it. */
  readonly isForeign: boolean;
  /** 0 when foreign. */
  readonly epoch: number;
  /** The session before, or null when the store knows of none. */
  readonly before: {
    readonly epoch: number;
    readonly gateway: GatewayId;
    readonly wasOpen: boolean;
    /** Something that says that the agent is connected was written; where not, it is to be told though it was open. */
    readonly wasTold: boolean;
    /** Its gateway left; whoever takes the agent goes on with the same connection. */
    readonly wasBetween: boolean;
    readonly checkpoint: Checkpoint | null;
  } | null;
  readonly desired: DesiredRecord | null;
  /** Something waits that the agent is to be asked once. */
  readonly hasActions: boolean;
  /** The uid that the agent goes on under; null unless it was given another. */
  readonly renamedTo: InstanceUid | null;
  /** The uid that the agent had before it was given this one. */
  readonly renamedFrom: InstanceUid | null;
}

/** One agent's share of a flush. */
export interface SessionFlush {
  readonly uid: InstanceUid;
  readonly epoch: number;
  /** `between`: the gateway leaves and another will go on; it still counts as connected for a while. */
  readonly state: "open" | "ended" | "between";
  readonly checkpoint: Checkpoint;
  readonly events: readonly AgentEvent[];
  /** How the session ended; counts only while no newer session took over. */
  readonly ending: AgentEvent | null;
}

/** What became of each session of a flush, in order. `unknown`: the fleet state was lost, or its gateway was taken for lost; open it again. */
export type FlushOutcome =
  | { readonly kind: "full" }
  | { readonly kind: "written"; readonly sessions: readonly ("kept" | "superseded" | "unknown")[] };

/** Sessions and the events they produce. */
export interface Sessions {
  /**
   * Takes an agent over. `minEpoch` is above any epoch the caller knows of; `heartbeat` is the message in hand if it
   * is one. `identity` names who authenticated ("": nobody, the default); the first one that opens a uid owns it.
   */
  open(
    uid: InstanceUid,
    gateway: GatewayId,
    minEpoch: number,
    heartbeat: OpeningHeartbeat | null,
    identity?: string,
  ): Promise<OpenedSession>;
  /**
   * Agent `from` is to go on as `proposed`. Answers the uid that counts: the one it was given before, if it was; null when
   * the agent is not `identity`'s.
   */
  rename(from: InstanceUid, proposed: InstanceUid, identity?: string): Promise<InstanceUid | null>;
  /** What the previous owner left behind after it was taken over, if it did; null until then. */
  readLeft(uid: InstanceUid, epoch: number): Promise<Checkpoint | null>;
  /** The gateway that has, or last had, the agent; null when none ever did. */
  owner(uid: InstanceUid): Promise<GatewayId | null>;
  /** The identity that owns the uid; "" when nobody authenticated for it. */
  ownerIdentity(uid: InstanceUid): Promise<string>;
  /** Forgets who owns the uid: the next identity that opens it does. */
  release(uid: InstanceUid): Promise<void>;
  /**
   * Ends the session that `gateway`, which is gone, had with an agent; with `evenBetween` also one that it left to the next
   * gateway. False, and nothing changed, when another gateway has taken the agent over or still may.
   */
  endLost(uid: InstanceUid, gateway: GatewayId, evenBetween: boolean): Promise<boolean>;
  /** Writes one partition's events and checkpoints. */
  flush(partition: Partition, batch: readonly SessionFlush[]): Promise<FlushOutcome>;
  partitionOf(uid: InstanceUid): Partition;
}

/** How long a session is remembered after it was last opened; one that is forgotten while it lives is told anew. */
export const SESSION_TTL_S = 90 * 86_400;
/** A stream this long means that no projector works; gateways keep what they have until one does. */
export const MAX_STREAM_ENTRIES = 100_000;

/** Agents of one command. */
const MAX_OPENED = 64;

/** An agent that a gateway takes over: what `open` is given. */
interface Takeover {
  readonly uid: InstanceUid;
  readonly gateway: GatewayId;
  readonly minEpoch: number;
  readonly heartbeat: OpeningHeartbeat | null;
  readonly identity: string;
}

/** Where the scripts keep what is asked for here (lua/lib/session.lua), and where in their answers it comes. */
const FIELD = {
  gateway: 2,
  identity: 6,
  to: 7,
  from: 8,
  leftEpoch: 9,
  leftSeq: 10,
  leftCheckpoint: 11,
} as const;

/** What is kept of a session, in the order of the scripts; empty when there is none. */
type Fields = readonly Buffer[];

/** A change of a field; `isDefault`: only where nothing is there. */
interface Edit {
  readonly field: keyof typeof FIELD;
  readonly text: string;
  readonly isDefault?: boolean;
}

/** Changes a session, and reads it. A new one is remembered for so many seconds; "": none is made up. */
type EditSession = (uid: InstanceUid, newTtlS: number | "", edits: readonly Edit[]) => Promise<Fields>;

/** How states are spelled in the session's field for it (lua/lib/session.lua); the scripts know them, too. */
const SESSION_CODES = { open: "1", ended: "0", between: "m" } as const satisfies Record<SessionFlush["state"], string>;
/** Opened, and nothing written yet. */
const UNTOLD = "o";

/** Sessions in `fleet`, spread over `partitions` as they were at install. Closes nothing: `fleet` is the caller's. */
export function createSessions(fleet: Redis, partitions: number): Sessions {
  const edit: EditSession = async (uid, newTtlS, edits) => {
    const args = edits.flatMap(({ field, text, isDefault = false }) => [FIELD[field], text, isDefault ? "1" : ""]);
    const key = fleetKeys.session(partitionOf(uid, partitions), uid);
    return (await runBinary(fleet, editSession, [key], [newTtlS, ...args])) as Fields; // the script's header
  };
  const read = (uid: InstanceUid): Promise<Fields> => edit(uid, "", []);
  const openAll = createBatches(async (p, takeovers: readonly Takeover[]) => {
    const keys = takeovers.flatMap(({ uid }) => [
      fleetKeys.session(p, uid),
      fleetKeys.desired(p, uid),
      fleetKeys.actions(p, uid),
    ]);
    const args = takeovers.flatMap(({ gateway, minEpoch, heartbeat, identity }) => {
      const seqs = heartbeat === null ? ["", ""] : [String(heartbeat.seq - 1n), String(heartbeat.seq)];
      return [gateway, minEpoch, ...seqs, identity];
    });
    const replies = await runBinary(fleet, openSessions, keys, [SESSION_TTL_S, ...args]);
    return replies as readonly (Fields | null)[]; // the script's header
  }, MAX_OPENED);
  return {
    partitionOf: (uid) => partitionOf(uid, partitions),
    async open(uid, gateway, minEpoch, heartbeat, identity = "") {
      const takeover = { uid, gateway, minEpoch, heartbeat, identity };
      return parseOpened(readable(uid, await openAll(partitionOf(uid, partitions), takeover)));
    },
    rename: (from, proposed, identity = "") => rename(edit, from, proposed, identity),
    async readLeft(uid, epoch) {
      const fields = await read(uid);
      if (textOf(fields, "leftEpoch") !== String(epoch)) return null;
      return parseCheckpoint(textOf(fields, "leftSeq"), fields[FIELD.leftCheckpoint - 1]);
    },
    async owner(uid) {
      const gateway = textOf(await read(uid), "gateway");
      return gateway === "" ? null : (gateway as GatewayId); // written by open
    },
    ownerIdentity: async (uid) => textOf(await read(uid), "identity"),
    async release(uid) {
      await edit(uid, "", [{ field: "identity", text: "" }]);
    },
    async endLost(uid, gateway, evenBetween) {
      const key = fleetKeys.session(partitionOf(uid, partitions), uid);
      return (await runBinary(fleet, endLost, [key], [gateway, evenBetween ? "1" : ""])) === 1;
    },
    async flush(partition, batch) {
      const events = batch.flatMap((session) => session.events);
      const keys = [fleetKeys.events(partition), ...batch.map(({ uid }) => fleetKeys.session(partition, uid))];
      const sessions = batch.flatMap(({ epoch, state, checkpoint, ending }) => [
        epoch,
        SESSION_CODES[state],
        String(checkpoint.seq),
        pack(checkpoint.state),
        ending === null ? "" : JSON.stringify(ending),
      ]);
      const payload = events.length === 0 ? "" : JSON.stringify(events);
      const reply = await runBinary(fleet, appendEvents, keys, [MAX_STREAM_ENTRIES, payload, ...sessions]);
      const [written, ...codes] = reply as readonly number[]; // the script's header
      if (written === 0) return { kind: "full" };
      return { kind: "written", sessions: codes.map(flushCode) };
    },
  };
}

function readable(uid: InstanceUid, reply: Fields | null): Fields {
  if (reply !== null) return reply;
  throw new FleetError(
    "internal",
    `What is kept of the session of agent ${uid} cannot be read; delete its session key.`,
  );
}

function flushCode(code: number): "kept" | "superseded" | "unknown" {
  if (code === 1) return "kept";
  return code === 0 ? "superseded" : "unknown";
}

/**
 * The new uid's session is written first, and with the same owner: whoever sees the old uid's pointer finds the way back,
 * and nobody else can take the new uid before the agent does. The two may live in different slots, so each step repeats.
 */
async function rename(
  edit: EditSession,
  from: InstanceUid,
  proposed: InstanceUid,
  asking: string,
): Promise<InstanceUid | null> {
  const before = await edit(from, "", []);
  const [given, identity] = [textOf(before, "to"), textOf(before, "identity")];
  if (identity !== "" && identity !== asking) return null;
  const to = (given === "" ? proposed : given) as InstanceUid; // written below
  await edit(to, SESSION_TTL_S, [
    { field: "from", text: from },
    { field: "identity", text: identity, isDefault: true },
  ]);
  if (given !== "") return to;
  const after = await edit(from, SESSION_TTL_S, [{ field: "to", text: to, isDefault: true }]);
  const first = textOf(after, "to") as InstanceUid; // written in the line before
  if (first === to) return to;
  const nobody = ["from", "identity"] as const; // was told of this one
  await edit(
    to,
    "",
    nobody.map((field) => ({ field, text: "" })),
  );
  return first;
}

function textOf(fields: Fields, field: keyof typeof FIELD): string {
  return fields[FIELD[field] - 1]?.toString() ?? "";
}

function parseOpened(reply: Fields): OpenedSession {
  const [epoch = "0", epochBefore = "", gateway = "", open = "", seq = ""] = reply.slice(0, 5).map(String);
  const [actionCount = "0", to = "", from = ""] = reply.slice(7).map(String);
  const before = {
    epoch: Number(epochBefore),
    gateway: gateway as GatewayId, // written by a gateway with its own id
    wasOpen: open === SESSION_CODES.open || open === UNTOLD,
    wasTold: open === SESSION_CODES.open,
    wasBetween: open === SESSION_CODES.between,
    checkpoint: parseCheckpoint(seq, reply[5]),
  };
  return {
    isForeign: reply.length === 0,
    epoch: Number(epoch),
    before: epochBefore === "" ? null : before,
    desired: unpackDesired(reply[6] ?? Buffer.alloc(0)),
    hasActions: actionCount !== "0",
    renamedTo: to === "" ? null : (to as InstanceUid), // both written by rename
    renamedFrom: from === "" ? null : (from as InstanceUid),
  };
}

function parseCheckpoint(seq: string, state: Buffer | undefined): Checkpoint | null {
  if (seq === "" || state === undefined || state.length === 0) return null;
  return { seq: BigInt(seq), state: unpack(state) };
}
