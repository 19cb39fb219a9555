// Taking an agent over: the store hands out the epoch, and where the last gateway knows more than the store (the
// heartbeats it answered from memory), that gateway is asked for it, so that an agent that merely moved is never
// asked to tell everything again. That gateway also says whether the agent lives there still: then this is another one
// with the same uid (R143-R145), and the agent stays where it is.

import type { GatewayId, InstanceUid, Transport } from "@muster/fleet";
import type { Checkpoint, Hint, OpenedSession, OpeningHeartbeat } from "@muster/store";
import type { Opening } from "./session.ts";

/** What it needs of the store. */
export interface ClaimDeps {
  readonly self: GatewayId;
  open(
    uid: InstanceUid,
    self: GatewayId,
    minEpoch: number,
    heartbeat: OpeningHeartbeat | null,
    identity: string,
  ): Promise<OpenedSession>;
  readLeft(uid: InstanceUid, epoch: number): Promise<Checkpoint | null>;
  isAlive(gateway: GatewayId): Promise<boolean>;
  hint(to: GatewayId, hint: Hint): Promise<void>;
  onHandOver(): void;
  nowMs(): number;
  /** Told of hints that could not be sent; the claim goes on without. */
  onError(error: unknown): void;
}

/** The message for which the session is opened. */
export interface Claim {
  readonly uid: InstanceUid;
  /** Who the agent showed itself to be; "" when nobody is asked to. */
  readonly identity: string;
  readonly transport: Transport;
  /** Above any epoch this gateway had for the agent. */
  readonly minEpoch: number;
  /** Its sequence number; null when the agent is only opened anew. */
  readonly seq: bigint | null;
  readonly isHeartbeat: boolean;
}

/** How a claim ended. */
export type Claimed =
  | { readonly kind: "opened"; readonly opening: Opening }
  /** The uid belongs to another identity. */
  | { readonly kind: "foreign" }
  /** An agent with this uid answers at another gateway. */
  | { readonly kind: "twin" };

/** Takes agents over. */
export interface Claims {
  /** Rejects when the store is away. */
  claim(claim: Claim): Promise<Claimed>;
  /** Another gateway has handed this agent over, or still has it. */
  handedOver(uid: InstanceUid, isAlive: boolean): void;
  /** Another gateway asks the agent whether it is still there: its answer takes a little longer. */
  pinging(uid: InstanceUid): void;
}

/** A claim that waits for another gateway. */
interface Wait {
  settle(isAlive: boolean): void;
  extend(): void;
}

/** How long a gateway may take to hand over; then the sequence number decides alone. */
const HAND_OVER_TIMEOUT_MS = 1_000;
/** A gateway that holds a WebSocket pings it first, and says so. */
const PING_TIMEOUT_MS = 3_000;

/** For how long an answer about another gateway's life holds; a lease holds three times as long. */
const ALIVE_MS = 3_000;

/** Opens the claims of one gateway. */
export function createClaims(deps: ClaimDeps): Claims {
  const waiting = new Map<InstanceUid, Wait>();
  const alive = new Map<GatewayId, { readonly answer: Promise<boolean>; readonly untilMs: number }>();

  /** Whether a gateway lives. Polls that wander ask for every one of them, so an answer is kept for a moment. */
  function isAlive(gateway: GatewayId): Promise<boolean> {
    const nowMs = deps.nowMs();
    const known = alive.get(gateway);
    if (known !== undefined && nowMs < known.untilMs) return known.answer;
    const answer = deps.isAlive(gateway);
    alive.set(gateway, { answer, untilMs: nowMs + ALIVE_MS });
    answer.catch(() => alive.delete(gateway));
    return answer;
  }

  /** Waits until the other gateway wrote what it knows; null when it does not in time, `twin` when the agent lives there. */
  async function askBefore(claim: Claim, epoch: number, gateway: GatewayId): Promise<Checkpoint | null | "twin"> {
    const { uid, transport } = claim;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const giveUp = (): void => resolve(false);
    let timer = setTimeout(giveUp, HAND_OVER_TIMEOUT_MS);
    const wait: Wait = {
      settle: resolve,
      extend() {
        clearTimeout(timer);
        timer = setTimeout(giveUp, PING_TIMEOUT_MS);
      },
    };
    waiting.set(uid, wait);
    try {
      deps.onHandOver();
      await deps.hint(gateway, { kind: "hand-over", uid, epoch, to: deps.self, transport });
      if (await promise) return "twin";
    } finally {
      clearTimeout(timer);
      if (waiting.get(uid) === wait) waiting.delete(uid);
    }
    return await deps.readLeft(uid, epoch);
  }

  async function resumeFrom(
    claim: Claim,
    before: NonNullable<OpenedSession["before"]>,
  ): Promise<Checkpoint | null | "twin"> {
    const { checkpoint, gateway, epoch } = before;
    if (gateway === deps.self) return checkpoint;
    const follows = claim.seq === null || (checkpoint !== null && claim.seq === checkpoint.seq + 1n);
    // A poll that follows what is known needs nothing; a WebSocket may be a twin's. Also of an agent that tells everything
    // the other gateway knows more: what it was offered a moment ago.
    const mustAsk = claim.transport === "websocket" ? claim.seq !== null : !follows;
    if (mustAsk) return (await askBefore(claim, epoch, gateway)) ?? checkpoint;
    deps.hint(gateway, { kind: "superseded", uid: claim.uid, epoch }).catch(deps.onError);
    return checkpoint;
  }

  return {
    handedOver: (uid, isStillThere) => waiting.get(uid)?.settle(isStillThere),
    pinging: (uid) => waiting.get(uid)?.extend(),
    async claim(claim) {
      const heartbeat = claim.isHeartbeat && claim.seq !== null ? { seq: claim.seq } : null;
      const opened = await deps.open(claim.uid, deps.self, claim.minEpoch, heartbeat, claim.identity);
      if (opened.isForeign) return { kind: "foreign" };
      const { epoch, before, desired, hasActions, renamedTo, renamedFrom } = opened;
      const told = { epoch, desired, hasActions, renamedTo, renamedFrom };
      if (before === null) return { kind: "opened", opening: { ...told, checkpoint: null, isMove: false } };
      // A gateway that left wrote all it knew; one that lives may know more; one that died is asked no more.
      if (before.wasBetween)
        return { kind: "opened", opening: { ...told, checkpoint: before.checkpoint, isMove: true } };
      const isHeld = before.wasOpen && (before.gateway === deps.self || (await isAlive(before.gateway)));
      const checkpoint = isHeld ? await resumeFrom(claim, before) : before.checkpoint;
      if (checkpoint === "twin") return { kind: "twin" };
      return { kind: "opened", opening: { ...told, checkpoint, isMove: isHeld && before.wasTold } };
    },
  };
}
