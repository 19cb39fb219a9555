// What agents are to be asked once: a short sealed list per agent. Management adds, the gateway that holds the agent
// takes. At most once on purpose: what was taken is gone, and what waits for long is not worth sending any more.

import type { ActionKind, GatewayId, InstanceUid } from "@muster/fleet";
import type { Redis } from "ioredis";
import { enqueueAction } from "./gen/scripts.ts";
import { fleetKeys, partitionOf } from "./keys.ts";
import { run } from "./redis.ts";
import { createSeal } from "./seal.ts";

/** How long an action is worth sending; its list goes after that. */
export const ACTION_LIFE_MS = 5 * 60_000;
/** How much a custom message may carry. */
export const MAX_ACTION_BYTES = 1024 * 1024;
/** Most actions that wait for one agent. */
export const MAX_QUEUED_ACTIONS = 16;

/** Something that an agent is to be asked once. */
export interface QueuedAction {
  readonly actionId: string;
  readonly kind: ActionKind;
  /** Not worth sending from then on, milliseconds since 1970; whoever takes it checks. */
  readonly expiresAtMs: number;
  /** What a `custom_message` says; null for the other kinds. */
  readonly message: { readonly capability: string; readonly type: string; readonly data: Uint8Array } | null;
}

/** Actions on agents. */
export interface Actions {
  /** Leaves an action for a connected agent. Answers the gateway to hint, or why it was not left. */
  enqueue(uid: InstanceUid, action: QueuedAction): Promise<"not_connected" | "full" | GatewayId>;
  /** Takes the oldest that waits; it is gone then. Undefined when none does. */
  take(uid: InstanceUid): Promise<QueuedAction | undefined>;
}

/** @param secret the installation's 32-byte key */
export function createActions(fleet: Redis, secret: Uint8Array, partitions: number): Actions {
  const seal = createSeal(secret, "action seal");
  return {
    async enqueue(uid, action) {
      const p = partitionOf(uid, partitions);
      const keys = [fleetKeys.session(p, uid), fleetKeys.actions(p, uid)];
      const args = [seal.close(encode(action)), MAX_QUEUED_ACTIONS, ACTION_LIFE_MS / 1_000];
      const [code, gateway] = (await run(fleet, enqueueAction, keys, args)) as readonly [number, GatewayId]; // its header
      if (code === 0) return "not_connected";
      return code === 1 ? "full" : gateway;
    },
    async take(uid) {
      const key = fleetKeys.actions(partitionOf(uid, partitions), uid);
      const sealed = await fleet.lpopBuffer(key);
      return sealed === null ? undefined : decode(seal.open(sealed));
    },
  };
}

/** The data follows the rest as it is: base64 would make the longest a third longer. */
function encode({ message, ...rest }: QueuedAction): Buffer {
  const { data = new Uint8Array(), ...words } = message ?? {};
  const head = JSON.stringify({ ...rest, message: message === null ? null : words });
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(head));
  return Buffer.concat([length, Buffer.from(head), data]);
}

function decode(bytes: Buffer): QueuedAction {
  const end = 4 + bytes.readUInt32BE(0);
  // Written by encode.
  const { message, ...rest } = JSON.parse(bytes.toString("utf8", 4, end)) as Omit<QueuedAction, "message"> & {
    readonly message: { readonly capability: string; readonly type: string } | null;
  };
  return { ...rest, message: message === null ? null : { ...message, data: bytes.subarray(end) } };
}
