// Times and ids of scenarios. Used by specs only.

import { type InstanceUid, parseInstanceUid, parseRolloutId, type RolloutId } from "@muster/fleet";

/** When scenarios begin: a Wednesday morning, later than the uids of `aUid` were made. */
export const START_MS = Date.UTC(2023, 10, 15, 8);
/** Spans of time. */
export const SECOND = 1_000;
export const MINUTE = 60_000;
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** The n-th rollout; later ones have higher ids. */
export function rolloutId(n: number): RolloutId {
  return parseRolloutId(`01890a5d-0000-7000-8000-${n.toString(16).padStart(12, "0")}`);
}

/** An agent that came to exist at a time. */
export function uidOf(bornAtMs: number, n: number): InstanceUid {
  const time = bornAtMs.toString(16).padStart(12, "0");
  return parseInstanceUid(`${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${n.toString(16).padStart(12, "0")}`);
}
