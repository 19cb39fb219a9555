// Opening a session in the store: what an earlier session left in the outbox comes first, then the claim, then what is
// wanted of the agent. An agent that comes under the uid it was given goes on with what was known under the old one.
// Called by hub.ts.

import type { DisconnectReason, InstanceUid } from "@muster/fleet";
import { FleetError } from "@muster/fleet";
import type { Checkpoint } from "@muster/store";
import type { Claim, Claimed, Claims } from "./claim.ts";
import type { Entry } from "./hub.ts";
import { encodeKnown, NOTHING_KNOWN } from "./known.ts";
import type { Outbox } from "./outbox.ts";
import { isBare } from "./report.ts";
import type { Opening } from "./session.ts";
import type { Wanted } from "./settings.ts";

/** What it needs of the world. */
export interface OpeningDeps {
  readonly claims: Claims;
  readonly outbox: Outbox;
  /** What an operator wants the agent to have beside its config. */
  loadWanted(uid: InstanceUid): Promise<Wanted>;
  /** Ends an agent's session at this gateway because it was renamed, and answers what it knew; null when it is not here. */
  endHere(uid: InstanceUid): Checkpoint | null;
  nowMs(): number;
}

/** Opens. Rejects when the store is away. */
export async function openEntry(entry: Entry, deps: OpeningDeps): Promise<Claimed> {
  const { uid } = entry;
  if (!(await deps.outbox.flushAgent(uid))) throw new FleetError("unavailable", "the store is away");
  const claim = claimOf(entry);
  const claimed = await deps.claims.claim(claim);
  if (claimed.kind !== "opened") return claimed;
  const { opening } = claimed;
  const from = opening.renamedFrom ?? null;
  const resumed = from === null ? opening : await resumeFormer(from, claim, opening, deps);
  return { kind: "opened", opening: { ...resumed, wanted: await deps.loadWanted(uid) } };
}

function claimOf({ uid, identity, connection, session }: Entry): Claim {
  const report = session.kind === "opening" ? session.held[0]?.report : undefined;
  return {
    uid,
    identity,
    transport: connection === null ? "http" : "websocket",
    minEpoch: session.kind === "active" ? session.epoch + 1 : 0,
    seq: report?.seq ?? null,
    isHeartbeat: report !== undefined && isBare(report),
    isFull: report?.facets.some((facet) => facet.kind === "description") ?? false,
  };
}

/** The counter and all that was told go on (R30). */
async function resumeFormer(from: InstanceUid, claim: Claim, opening: Opening, deps: OpeningDeps): Promise<Opening> {
  const here = deps.endHere(from);
  if (here !== null) {
    if (!(await deps.outbox.flushAgent(from))) throw new FleetError("unavailable", "the store is away");
    return { ...opening, checkpoint: here };
  }
  const claimed = await deps.claims.claim({ ...claim, uid: from, minEpoch: 0, isHeartbeat: false });
  // Somebody else still goes by the former uid: nothing of theirs is this agent's.
  if (claimed.kind !== "opened") return opening;
  const { epoch, checkpoint } = claimed.opening;
  endAbsent(from, "renamed", epoch, checkpoint, deps);
  if (!(await deps.outbox.flushAgent(from))) throw new FleetError("unavailable", "the store is away");
  // Everything that is said from here on must count as newer than that.
  const again = await deps.claims.claim({ ...claim, minEpoch: epoch + 1 });
  return again.kind === "opened" ? { ...again.opening, checkpoint, isMove: false, renamedFrom: from } : opening;
}

/** Writes the end of a session that this gateway was handed and does not have. */
export function endAbsent(
  uid: InstanceUid,
  reason: DisconnectReason,
  epoch: number,
  checkpoint: Checkpoint | null,
  { outbox, nowMs }: Pick<OpeningDeps, "outbox" | "nowMs">,
): void {
  const last = checkpoint ?? { seq: 0n, state: encodeKnown(NOTHING_KNOWN) };
  const event = { kind: "agent.disconnected", uid, epoch, n: 1, atMs: nowMs(), reason } as const;
  outbox.end({ uid, epoch, checkpoint: () => last }, event);
}
