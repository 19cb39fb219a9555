// What a session knows of its agent, and nothing more than it needs to recognise changes and to decide offers. It is
// what a session is resumed from when the agent turns up at another gateway: the state part of a checkpoint.

import type { ConfigHash, SettingsKind } from "@muster/fleet";
import type { Json } from "@muster/store";
import type { FacetKey } from "./report.ts";

/** What is known of an agent. */
export interface Known {
  readonly capabilities: bigint;
  /** Digest of each sub-message as last reported. */
  readonly digests: Readonly<Partial<Record<FacetKey, string>>>;
  readonly acknowledged: { readonly hash: ConfigHash; readonly isApplying: boolean } | null;
  /** What the agent said it failed, oldest first. */
  readonly failed: readonly Failure[];
  readonly offered: Offered | null;
  /** What the agent last said of connection settings and packages: which it received, and whether it failed them. */
  readonly received: Readonly<Partial<Record<SettingsKind, { readonly hash: string; readonly hasFailed: boolean }>>>;
  /** The last offer of connection settings and of packages. */
  readonly sent: Readonly<Partial<Record<SettingsKind, SentSettings>>>;
  /** Custom capabilities that the agent lists. */
  readonly custom: readonly string[];
  /** Set while the agent's full state is needed: when it was last asked for, and how often. */
  readonly lacking: { readonly askedAtMs: number; readonly asks: number } | null;
  /** When the agent was told another uid, and when it was asked for its components; neither is said with every poll. */
  readonly identifiedAtMs: number | null;
  readonly inventoryAskedAtMs: number | null;
  /** Whether our custom capabilities were told on this connection. */
  readonly isGreeted: boolean;
  /** The certificate that was signed last: what it was offered under, and the settings that it was joined to. */
  readonly certified: { readonly hash: string; readonly over: string } | null;
  /** Another counter that the sequence numbers jumped from, as decimal text, and how often they came back to it. */
  readonly rival: { readonly seq: string; readonly returns: number } | null;
}

/** An offer that was sent. */
export interface Offered<Hash extends string = ConfigHash> {
  readonly hash: Hash;
  readonly epoch: number;
  readonly atMs: number;
  /** Which try of the config it was; absent: the first. */
  readonly tries?: number;
}

/** Connection settings or packages that were sent. */
export interface SentSettings extends Offered<string> {
  /** How often they were sent again. */
  readonly repeats: number;
}

/** A hash that the agent said it failed, and when. */
export interface Failure {
  readonly hash: ConfigHash;
  readonly atMs: number;
}

/** Nothing is known. */
export const NOTHING_KNOWN: Known = {
  capabilities: 0n,
  digests: {},
  acknowledged: null,
  failed: [],
  offered: null,
  received: {},
  sent: {},
  custom: [],
  identifiedAtMs: null,
  inventoryAskedAtMs: null,
  isGreeted: false,
  certified: null,
  lacking: null,
  rival: null,
};

/** Failed hashes that are remembered per agent; far more than are ever tried on one. */
const MAX_FAILED = 16;

/** Adds a failed hash. */
export function withFailed(failed: readonly Failure[], failure: Failure): readonly Failure[] {
  return [...failed.filter(({ hash }) => hash !== failure.hash), failure].slice(-MAX_FAILED);
}

/** The state part of a checkpoint. What is as at first is left out: most agents have little to remember. */
export function encodeKnown(known: Known): Json {
  const kept: Record<string, Json> = { capabilities: known.capabilities.toString(16) };
  for (const name of NAMES) {
    // Everything that is known, but for the capabilities, is a value of JSON.
    if (!isNothing(name, known[name])) kept[name] = known[name] as Json;
  }
  return kept;
}

/** Everything but the capabilities, which JSON has no number for. */
const NAMES = Object.keys(NOTHING_KNOWN).filter((name) => name !== "capabilities") as readonly (keyof Known)[]; // its keys

function isNothing(name: keyof Known, value: unknown): boolean {
  if (value === NOTHING_KNOWN[name]) return true;
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value !== "object" || value === null) return false;
  for (const _ in value) return false;
  return true;
}

/** Reads what encodeKnown wrote, in this version or an earlier one. */
export function decodeKnown(state: Json): Known {
  const parsed = state as unknown as Omit<Partial<Known>, "capabilities"> & { readonly capabilities: string };
  return { ...NOTHING_KNOWN, ...parsed, capabilities: BigInt(`0x${parsed.capabilities}`) };
}
