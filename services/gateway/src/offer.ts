// Whether an agent is offered its desired config now. Pure, one decision with its reason; session.ts asks it after
// everything that could change the answer.
//
// The rule of the specification is R64: offer when the agent's hash is not ours. Everything else here is what
// deployed agents taught: a hash that failed is never repeated (R65), an offer that was sent is not repeated while it
// may still be at work (R69), and agents that never tell a status are offered a config once per process (R75).

import { CLOCK_SKEW_MS, type ConfigHash, type DesiredRecord, type Transport } from "@muster/fleet";
import { hasCapability, mayOffer } from "@muster/protocol";
import type { Offered } from "./known.ts";

/** What the decision rests on. */
export interface OfferInput {
  readonly capabilities: bigint;
  readonly transport: Transport;
  readonly desired: DesiredRecord | null;
  /** What the agent last said about a remote config. */
  readonly acknowledged: { readonly hash: ConfigHash; readonly isApplying: boolean } | null;
  /** What this agent said it failed, and when. */
  readonly failed: readonly { readonly hash: ConfigHash; readonly atMs: number }[];
  /** The last offer, in whichever session it was sent. */
  readonly offered: Offered | null;
  readonly epoch: number;
  /** Whether the agent's process is newer than its last offer: its sequence numbers began anew. */
  readonly hasRestarted: boolean;
  readonly nowMs: number;
}

/** The decision, with why not. */
export type OfferDecision =
  | { readonly kind: "offer"; readonly hash: ConfigHash }
  | {
      readonly kind: "none";
      readonly why: "no_opinion" | "incapable" | "quarantined" | "current" | "already_offered";
    };

/** A poll's answer can be lost on the way; after this long without a word it is sent again. */
const HTTP_REPEAT_MS = 30_000;

/** Decides. */
export function decideOffer(input: OfferInput): OfferDecision {
  const { desired, acknowledged, offered, capabilities } = input;
  if (desired === null) return { kind: "none", why: "no_opinion" };
  const { hash } = desired;
  if (!mayOffer(capabilities, "remoteConfig")) return { kind: "none", why: "incapable" };
  if (hasFailed(input, desired)) return { kind: "none", why: "quarantined" };
  // A rollout that tries again says so by the number of the try.
  const isLastOffer = offered?.hash === hash && (offered.tries ?? 1) >= (desired.tries ?? 1);
  if (acknowledged?.hash === hash) {
    // A supervisor that died while applying says APPLYING for ever; the same offer once more frees it.
    const isStuck = acknowledged.isApplying && input.hasRestarted && !(isLastOffer && offered.epoch === input.epoch);
    return isStuck ? { kind: "offer", hash } : { kind: "none", why: "current" };
  }
  if (isLastOffer && !mayRepeat(input, offered)) return { kind: "none", why: "already_offered" };
  return { kind: "offer", hash };
}

/** A failure counts against the assignment under which it happened: assigning the hash anew is to try it again. */
function hasFailed({ failed }: OfferInput, { hash, assignedAtMs }: DesiredRecord): boolean {
  return failed.some((failure) => failure.hash === hash && failure.atMs >= assignedAtMs - CLOCK_SKEW_MS);
}

function mayRepeat(input: OfferInput, offered: Offered): boolean {
  if (!hasCapability(input.capabilities, "ReportsRemoteConfig"))
    return input.hasRestarted && offered.epoch !== input.epoch;
  return mayBeLost(offered, input);
}

/** Whether what was sent may not have arrived: it went out on another connection, or long ago with a poll's answer. */
export function mayBeLost(
  sent: Pick<Offered, "epoch" | "atMs">,
  now: Pick<OfferInput, "transport" | "epoch" | "nowMs">,
): boolean {
  switch (now.transport) {
    case "websocket":
      return sent.epoch !== now.epoch;
    case "http":
      return now.nowMs >= sent.atMs + HTTP_REPEAT_MS;
  }
}
