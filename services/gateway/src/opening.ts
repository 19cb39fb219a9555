// Opening a session in the store: what an earlier session left in the outbox comes first, then the claim, then what is
// wanted of the agent. An agent that comes under the uid it was given goes on with what was known under the old one.
// Called by hub.ts.

import type { DisconnectReason, InstanceUid } from "@muster/fleet";
import { FleetError } from "@muster/fleet";
import type { Checkpoint } from "@muster/store";
import type { Claim, Claimed, Claims } from "./claim.ts";
import type { Entry } from "./entry.ts";
import { decodeKnown, encodeKnown, NOTHING_KNOWN } from "./known.ts";
import type { Outbox } from "./outbox.ts";
import { nextAction, type PrepareDeps } from "./prepare.ts";
import { isBare, type Report } from "./report.ts";
import { inventoryAddress } from "./report-parts.ts";
import type { Opening } from "./session.ts";
import { NOTHING_WANTED, type Wanted } from "./settings.ts";

/** What it needs of the world. */
export interface OpeningDeps extends Pick<PrepareDeps, "takeAction" | "rename"> {
  readonly claims: Claims;
  readonly outbox: Outbox;
  /** Inventories of components, told once for all agents that have them. */
  readonly inventories: {
    has(address: string): Promise<boolean>;
    put(address: string, inventory: Uint8Array): Promise<void>;
  };
  /** Gives what was kept under one uid to another. */
  moveWanted(from: InstanceUid, to: InstanceUid): Promise<void>;
  /** What an operator wants the agent to have beside its config. */
  loadWanted(uid: InstanceUid): Promise<Wanted>;
  /** Ends an agent's session at this gateway because it was renamed, and answers what it knew; null when it is not here. */
  endHere(uid: InstanceUid): EndedHere | null;
  nowMs(): number;
}

/** A session that ended at this gateway, and what it knew. */
export interface EndedHere {
  readonly epoch: number;
  readonly checkpoint: Checkpoint;
}

/** A claim that opened, and whether what an operator wants could not be read. */
export type Opened = Claimed & { readonly isUnread?: boolean };

/** Opens. Rejects when the fleet state cannot be asked; what an operator wants can wait. */
export async function openEntry(entry: Entry, deps: OpeningDeps): Promise<Opened> {
  const { uid } = entry;
  if (!(await deps.outbox.flushAgent(uid))) throw new FleetError("unavailable", "the store is away");
  const claim = claimOf(entry);
  const [claimed, wanted] = await Promise.all([deps.claims.claim(claim), deps.loadWanted(uid).catch(() => null)]);
  if (claimed.kind !== "opened") return claimed;
  const { opening } = claimed;
  const from = opening.renamedFrom ?? null;
  const resumed = from === null ? opening : await resumeFormer(from, claim, opening, deps);
  // Back under a uid that it was to leave: what it says from here on goes on under the other once it takes that.
  if ((opening.renamedTo ?? null) !== null) await deps.rename(uid, entry.identity);
  const found = await findOut(entry, resumed, deps);
  return {
    kind: "opened",
    opening: { ...resumed, ...found, wanted: wanted ?? NOTHING_WANTED },
    isUnread: wanted === null,
  };
}

/** What the reply to the first message needs to know. */
async function findOut(
  entry: Entry,
  opening: Opening,
  deps: OpeningDeps,
): Promise<Pick<Opening, "action" | "lacksInventory">> {
  const report = entry.session.kind === "opening" ? entry.session.held[0]?.report : undefined;
  const address = inventoryOf(report, entry, opening);
  // Also keeps the inventory from being forgotten while agents come with it.
  const lacksInventory = address !== null && !(await deps.inventories.has(address));
  const isPoll = entry.connection === null && report?.isGoodbye === false;
  if (!isPoll || opening.hasActions !== true) return { lacksInventory };
  const { action } = await nextAction(entry.uid, deps);
  return { lacksInventory, ...(action !== undefined && { action }) };
}

/** Where the inventory is that the agent named and did not tell itself; null when there is none. */
function inventoryOf(report: Report | undefined, { session }: Entry, { checkpoint }: Opening): string | null {
  const facet = report?.facets.find((one) => one.kind === "components");
  if (facet !== undefined) return facet.body === null ? facet.address : null;
  const known =
    session.kind === "active" ? session.known : decodeKnown(checkpoint?.state ?? encodeKnown(NOTHING_KNOWN));
  const digest = known.digests.components;
  return digest === undefined ? null : inventoryAddress(digest);
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
  };
}

/** The counter and all that was told go on (R30). */
async function resumeFormer(from: InstanceUid, claim: Claim, opening: Opening, deps: OpeningDeps): Promise<Opening> {
  // Whatever was wanted of the former uid since it was given the new one.
  await deps.moveWanted(from, claim.uid);
  const here = deps.endHere(from);
  if (here !== null) {
    if (!(await deps.outbox.flushAgent(from))) throw new FleetError("unavailable", "the store is away");
    return await openAbove(here.epoch, here.checkpoint);
  }
  const claimed = await deps.claims.claim({ ...claim, uid: from, minEpoch: 0, isHeartbeat: false });
  // Somebody else still goes by the former uid: nothing of theirs is this agent's.
  if (claimed.kind !== "opened") return opening;
  const { epoch, checkpoint } = claimed.opening;
  endAbsent(from, "renamed", epoch, checkpoint, deps);
  if (!(await deps.outbox.flushAgent(from))) throw new FleetError("unavailable", "the store is away");
  return await openAbove(epoch, checkpoint);

  /** Everything that is said from here on must count as newer than what was said under the former uid; it is told anew. */
  async function openAbove(formerEpoch: number, checkpoint: Checkpoint | null): Promise<Opening> {
    const told = { checkpoint, isMove: false, renamedFrom: from };
    if (opening.epoch > formerEpoch) return { ...opening, ...told };
    const again = await deps.claims.claim({ ...claim, minEpoch: formerEpoch + 1 });
    return again.kind === "opened" ? { ...again.opening, ...told } : opening;
  }
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
