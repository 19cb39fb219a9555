// Which gateway holds which agent, and what a session is resumed from when the agent turns up at another one.
// Written by gateways only. The epoch that opening hands out orders everything that is ever said of the agent.

import type { AgentEvent, DesiredRecord, GatewayId, InstanceUid } from "@muster/fleet";
import type { Redis } from "ioredis";
import { appendEvents, openSession } from "./gen/scripts.ts";
import { fleetKeys, type Partition, partitionOf } from "./keys.ts";
import { run } from "./redis.ts";

/** What a session is resumed from. */
export interface Checkpoint {
  /** OpAMP sequence number of the last message that was processed. */
  readonly seq: bigint;
  /** The rest; opaque to the store. JSON. */
  readonly state: string;
}

/** A heartbeat in hand while a session opens. */
export interface OpeningHeartbeat {
  readonly seq: bigint;
}

/** What the store knows when a gateway takes an agent over. */
export interface OpenedSession {
  readonly epoch: number;
  /** The session before, or null when the store knows of none. */
  readonly before: {
    readonly epoch: number;
    readonly gateway: GatewayId;
    readonly wasOpen: boolean;
    /** Its gateway left; whoever takes the agent goes on with the same connection. */
    readonly wasBetween: boolean;
    readonly checkpoint: Checkpoint | null;
  } | null;
  readonly desired: DesiredRecord | null;
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

/** What became of each session of a flush, in order. `unknown`: the fleet state was lost, open it again. */
export type FlushOutcome =
  | { readonly kind: "full" }
  | { readonly kind: "written"; readonly sessions: readonly ("kept" | "superseded" | "unknown")[] };

/** Sessions and the events they produce. */
export interface Sessions {
  /** Takes an agent over. `minEpoch` is above any epoch the caller knows of; `heartbeat` is the message in hand if it is one. */
  open(
    uid: InstanceUid,
    gateway: GatewayId,
    minEpoch: number,
    heartbeat: OpeningHeartbeat | null,
  ): Promise<OpenedSession>;
  /** What the previous owner left behind after it was taken over, if it did; null until then. */
  readLeft(uid: InstanceUid, epoch: number): Promise<Checkpoint | null>;
  /** The gateway that has, or last had, the agent; null when none ever did. */
  owner(uid: InstanceUid): Promise<GatewayId | null>;
  /** Whether the agent's gateway left and none has taken it over yet. */
  isBetween(uid: InstanceUid): Promise<boolean>;
  /** Writes one partition's events and checkpoints. */
  flush(partition: Partition, batch: readonly SessionFlush[]): Promise<FlushOutcome>;
  partitionOf(uid: InstanceUid): Partition;
}

/** A stream this long means that no projector works; gateways keep what they have until one does. */
const MAX_STREAM_ENTRIES = 100_000;

/** How states are spelled in the session's field `open`; the scripts know "1". */
const SESSION_CODES = { open: "1", ended: "0", between: "m" } as const satisfies Record<SessionFlush["state"], string>;

export function createSessions(fleet: Redis, partitions: number): Sessions {
  return {
    partitionOf: (uid) => partitionOf(uid, partitions),
    async open(uid, gateway, minEpoch, heartbeat) {
      const p = partitionOf(uid, partitions);
      const keys = [fleetKeys.session(p, uid), fleetKeys.desired(p, uid)];
      const seqs = heartbeat === null ? ["", ""] : [String(heartbeat.seq - 1n), String(heartbeat.seq)];
      // The script's header fixes seven strings.
      const reply = (await run(fleet, openSession, keys, [gateway, minEpoch, ...seqs])) as readonly string[];
      return parseOpened(reply);
    },
    async readLeft(uid, epoch) {
      const p = partitionOf(uid, partitions);
      const fields = await fleet.hmget(fleetKeys.session(p, uid), "leftEpoch", "leftSeq", "leftCheckpoint");
      const [leftEpoch, seq, state] = fields;
      return leftEpoch === String(epoch) ? parseCheckpoint(seq ?? "", state ?? "") : null;
    },
    async owner(uid) {
      const p = partitionOf(uid, partitions);
      return (await fleet.hget(fleetKeys.session(p, uid), "gateway")) as GatewayId | null; // written by open
    },
    async isBetween(uid) {
      const p = partitionOf(uid, partitions);
      return (await fleet.hget(fleetKeys.session(p, uid), "open")) === SESSION_CODES.between;
    },
    async flush(partition, batch) {
      const events = batch.flatMap((session) => session.events);
      const keys = [fleetKeys.events(partition), ...batch.map(({ uid }) => fleetKeys.session(partition, uid))];
      const sessions = batch.flatMap(({ epoch, state, checkpoint, ending }) => [
        epoch,
        SESSION_CODES[state],
        String(checkpoint.seq),
        checkpoint.state,
        ending === null ? "" : JSON.stringify(ending),
      ]);
      const payload = events.length === 0 ? "" : JSON.stringify(events);
      const reply = await run(fleet, appendEvents, keys, [MAX_STREAM_ENTRIES, payload, ...sessions]);
      const [written, ...codes] = reply as readonly number[]; // the script's header
      if (written === 0) return { kind: "full" };
      return { kind: "written", sessions: codes.map(flushCode) };
    },
  };
}

function flushCode(code: number): "kept" | "superseded" | "unknown" {
  if (code === 1) return "kept";
  return code === 0 ? "superseded" : "unknown";
}

function parseOpened(reply: readonly string[]): OpenedSession {
  const [epoch = "0", epochBefore = "", gateway = "", open = "", seq = "", state = "", desired = ""] = reply;
  const before = {
    epoch: Number(epochBefore),
    gateway: gateway as GatewayId, // written by a gateway with its own id
    wasOpen: open === SESSION_CODES.open,
    wasBetween: open === SESSION_CODES.between,
    checkpoint: parseCheckpoint(seq, state),
  };
  return {
    epoch: Number(epoch),
    before: epochBefore === "" ? null : before,
    desired: desired === "" ? null : (JSON.parse(desired) as DesiredRecord), // written by desired.ts
  };
}

function parseCheckpoint(seq: string, state: string): Checkpoint | null {
  return seq === "" || state === "" ? null : { seq: BigInt(seq), state };
}
