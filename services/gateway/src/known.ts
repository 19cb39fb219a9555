// What a session knows of its agent, and nothing more than it needs to recognise changes and to decide offers. It is
// what a session is resumed from when the agent turns up at another gateway: the state part of a checkpoint.

import type { ConfigHash } from "@muster/fleet";
import type { Offered } from "./offer.ts";
import type { FacetKind } from "./report.ts";

/** What is known of an agent. */
export interface Known {
  readonly capabilities: bigint;
  /** Digest of each sub-message as last reported. */
  readonly digests: Readonly<Partial<Record<FacetKind, string>>>;
  readonly acknowledged: { readonly hash: ConfigHash; readonly isApplying: boolean } | null;
  /** What the agent said it failed, oldest first. */
  readonly failed: readonly Failure[];
  readonly offered: Offered | null;
}

/** A hash that the agent said it failed, and when. */
export interface Failure {
  readonly hash: ConfigHash;
  readonly atMs: number;
}

/** Nothing is known. */
export const NOTHING_KNOWN: Known = { capabilities: 0n, digests: {}, acknowledged: null, failed: [], offered: null };

/** Failed hashes that are remembered per agent; far more than are ever tried on one. */
const MAX_FAILED = 16;

/** Adds a failed hash. */
export function withFailed(failed: readonly Failure[], failure: Failure): readonly Failure[] {
  return [...failed.filter(({ hash }) => hash !== failure.hash), failure].slice(-MAX_FAILED);
}

/** The state part of a checkpoint. */
export function encodeKnown(known: Known): string {
  return JSON.stringify({ ...known, capabilities: known.capabilities.toString(16) });
}

/** Reads what encodeKnown wrote. */
export function decodeKnown(text: string): Known {
  const parsed = JSON.parse(text) as Omit<Known, "capabilities"> & { readonly capabilities: string };
  return { ...parsed, capabilities: BigInt(`0x${parsed.capabilities}`) };
}
