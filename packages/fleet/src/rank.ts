// Where an agent stands in a rollout: a rank that is the same at any time and on any worker, so that no list of members
// is kept and a newcomer has its place without a race. Pure.

import { hash } from "node:crypto";
import type { InstanceUid } from "./ids.ts";
import type { StageOrder } from "./rollout.ts";

/** An agent's place in an order, as text that sorts. */
export type Rank = string;

/** The cutoff that reaches every agent: above every rank, since ranks are hexadecimal. */
export const EVERYONE: Rank = "~";
/** The cutoff that reaches none. */
export const NOBODY: Rank = "";

/** The attribute that `risk_low_first` goes by. */
export const RISK_KEY = "muster.risk";

/** What a rank is made from. */
export interface Place {
  /** The uid that the agent had first. */
  readonly uid: InstanceUid;
  readonly labels: ReadonlyMap<string, string>;
}

/** Ranks that were worked out: every pass asks for those of the whole fleet again. A pure function's answers. */
const known = new Map<string, Rank>();
const MAX_KNOWN = 200_000;

/** An agent's rank in the order that `seed` makes: 16 hexadecimal digits, uniform over (seed, instance uid). */
export function rankOf(seed: string, uid: string): Rank {
  const key = `${seed}\0${uid}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const rank = hash("sha256", key).slice(0, 16);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, rank);
  return rank;
}

/** An agent's rank in an order. Those that are alike to it are ranked by the seed. */
export function placeIn(order: StageOrder, seed: string, { uid, labels }: Place): Rank {
  switch (order) {
    case "sticky_hash":
      return rankOf(seed, uid);
    case "oldest_first":
      return `${(bornAtMs(uid) ?? 0xffffffffffff).toString(16).padStart(12, "0")}${rankOf(seed, uid)}`;
    case "risk_low_first":
      return `${RISKS[labels.get(RISK_KEY) ?? ""] ?? "1"}${rankOf(seed, uid)}`;
  }
}

const RISKS: Readonly<Record<string, string>> = { low: "0", medium: "1", high: "2" };

/** When an agent came to be, milliseconds since 1970: a UUIDv7 says so; null for any other uid. */
export function bornAtMs(uid: InstanceUid): number | null {
  return uid[14] === "7" ? Number.parseInt(`${uid.slice(0, 8)}${uid.slice(9, 13)}`, 16) : null;
}

/** Whether an agent came to be after a time. One whose uid does not tell is never new. */
export function isNewcomer(uid: InstanceUid, sinceMs: number): boolean {
  return (bornAtMs(uid) ?? 0) > sinceMs;
}
