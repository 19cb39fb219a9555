// What one agent should run, and how it is decided: one pure function for newcomers, rollouts, rollbacks and
// rebuilds alike, so that any worker gives the same answer at any time.
//
// Each config line has *layers*, newest first: the rollouts that still count. A layer reaches an agent when its
// selector matches and the agent's rank is within the layer's cutoff; the first layer that reaches it decides the
// revision. A succeeded rollout reaches everyone it is for, so it is always the last layer that counts.

import { createHash } from "node:crypto";
import { type ConfigFile, canonicalFiles, DEFAULT_CONTENT_TYPE, hashFiles } from "./config.ts";
import { type ConfigHash, type ConfigId, parseConfigHash, type RolloutId } from "./ids.ts";
import { matches, parseSelector, type Selector } from "./selector.ts";

/** An agent's place in a rollout: 16 hexadecimal digits, uniform over (seed, instance uid). Compared as text. */
export type Rank = string;

/** The cutoff that reaches every agent. */
export const EVERYONE: Rank = "ffffffffffffffff";
/** The cutoff that reaches none. */
export const NOBODY: Rank = "";

/** What one rollout contributes to one config line. */
export interface Layer {
  readonly rolloutId: RolloutId;
  readonly revision: number;
  readonly hash: ConfigHash;
  /** Who the rollout is for, as it was when the rollout started. */
  readonly selector: string;
  /** Merge position, as it was when the rollout started. */
  readonly order: number;
  /** Agents with a rank up to this one have the revision. */
  readonly cutoff: Rank;
  /** The rollout succeeded: its revision is what agents go back to when a later one fails them. */
  readonly isStable?: true;
  /** Counts only for agents that are excluded from the layers above it. */
  readonly isFallback?: true;
}

/**
 * A rollout that does not count for one agent any more, because what it brought failed there: the agent has what it
 * would have without that rollout.
 */
export interface Exclusion {
  readonly rolloutId: RolloutId;
  /** What failed: the hash that the agent was offered under. */
  readonly hash: ConfigHash;
  /** How. */
  readonly state: FailureState;
  /** In the agent's words or ours. */
  readonly error: string;
  readonly atMs: number;
}

/** How a config fails an agent. */
export type FailureState = "failed" | "self_rolled_back" | "timed_out" | "went_dark" | "unhealthy";

/** The layers of one config, newest first. */
export interface Assignment {
  readonly configId: ConfigId;
  readonly layers: readonly Layer[];
}

/** One config's part in what an agent should run. */
export interface Contribution {
  readonly configId: ConfigId;
  readonly revision: number;
  readonly hash: ConfigHash;
  readonly order: number;
  /** The rollout that brought it. */
  readonly rolloutId: RolloutId;
}

/** What an agent should run; what it is offered under. */
export interface Desired {
  readonly hash: ConfigHash;
  /** In merge order: by order, then by config id. None: the blank config. */
  readonly contributions: readonly Contribution[];
}

/**
 * What an agent is given that failed the first config it ever had: a file without content, on which a supervisor runs its
 * Collector's base config alone. An empty set of files would stop the Collector.
 */
const BLANK_FILES: readonly ConfigFile[] = [
  { name: "blank.yaml", contentType: DEFAULT_CONTENT_TYPE, body: new Uint8Array() },
];
/** The desired config with nothing in it. */
export const BLANK: Desired = { hash: hashFiles(BLANK_FILES), contributions: [] };

/** An agent's rank in the order that `seed` makes. Sticky: the same agent has the same rank at any time, on any worker. */
export function rankOf(seed: string, uid: string): Rank {
  return createHash("sha256").update(seed).update("\0").update(uid).digest("hex").slice(0, 16);
}

/**
 * Prepares the decision for many agents: parses every selector once.
 * @returns a function (uid, labels, excluded rollouts) → what this agent should run, or null when no config reaches it:
 *   absence means no opinion, and such an agent is offered nothing at all. Where a rollout is excluded, the next older
 *   layer counts, and where there is none, the blank config.
 */
export function createWanted(
  assignments: readonly Assignment[],
): (uid: string, labels: ReadonlyMap<string, string>, without?: ReadonlySet<RolloutId>) => Desired | null {
  const lines = assignments.map(({ configId, layers }) => ({
    configId,
    layers: layers.map((layer) => ({ layer, selector: parseSelector(layer.selector) })),
  }));
  return (uid, labels, without = NONE) => {
    const contributions: Contribution[] = [];
    let wasExcluded = false;
    for (const { configId, layers } of lines) {
      let isExcluded = false;
      const reached = layers.find(({ layer, selector }) => {
        if (layer.isFallback === true && !isExcluded) return false;
        if (!reaches(layer, selector, uid, labels)) return false;
        if (!without.has(layer.rolloutId)) return true;
        isExcluded = true;
        return false;
      });
      wasExcluded ||= isExcluded;
      if (reached === undefined) continue;
      const { revision, hash, order, rolloutId } = reached.layer;
      contributions.push({ configId, revision, hash, order, rolloutId });
    }
    if (contributions.length > 0) return desiredOf(contributions);
    // It may still run what failed it; no opinion would leave it there.
    return wasExcluded ? BLANK : null;
  };
}

const NONE: ReadonlySet<RolloutId> = new Set();

function reaches(layer: Layer, selector: Selector, uid: string, labels: ReadonlyMap<string, string>): boolean {
  // Stable layers reach everyone: most agents' ranks need never be worked out.
  return matches(selector, labels) && (layer.cutoff === EVERYONE || rankOf(layer.rolloutId, uid) <= layer.cutoff);
}

/**
 * The union of contributions. A single one keeps the hash of its revision, so that operators see on the agent the
 * very hash that they published; several are hashed over (order, config, revision hash).
 */
export function desiredOf(contributions: readonly Contribution[]): Desired {
  const sorted = [...contributions].sort((a, b) => a.order - b.order || (a.configId < b.configId ? -1 : 1));
  const [first] = sorted;
  if (first !== undefined && sorted.length === 1) return { hash: first.hash, contributions: sorted };
  const hash = createHash("sha256");
  for (const part of sorted) hash.update(`${part.order}\0${part.configId}\0${part.hash}\0`);
  return { hash: parseConfigHash(hash.digest("hex")), contributions: sorted };
}

/**
 * The files an agent is offered, named `<order>-<config>-<file>` so that a supervisor, which merges files in the byte
 * order of their names, merges them as we mean it. `filesOf` answers the files of a revision.
 */
export function composeFiles(
  desired: Desired,
  filesOf: (contribution: Contribution) => readonly ConfigFile[],
): readonly ConfigFile[] {
  if (desired.contributions.length === 0) return BLANK_FILES;
  const named = desired.contributions.flatMap((contribution) => {
    const order = String(contribution.order).padStart(3, "0");
    return filesOf(contribution).map((file) => ({ ...file, name: `${order}-${contribution.configId}-${file.name}` }));
  });
  return canonicalFiles(named);
}

type DesiredAndExclusions = Desired & { readonly exclusions?: readonly Exclusion[] };

/** Whether both say the same, down to the rollouts that brought it and those that do not count any more. */
export function isSameDesired(a: DesiredAndExclusions | null, b: DesiredAndExclusions | null): boolean {
  if (a === null || b === null) return a === b;
  if ((a.exclusions?.length ?? 0) !== (b.exclusions?.length ?? 0)) return false;
  if (a.hash !== b.hash || a.contributions.length !== b.contributions.length) return false;
  return a.contributions.every((part, i) => {
    const other = b.contributions[i];
    return (
      other !== undefined &&
      part.configId === other.configId &&
      part.revision === other.revision &&
      part.rolloutId === other.rolloutId
    );
  });
}
