// What an agent is offered, put together from what each config contributes: its hash, and its files. Pure; desired.ts decides
// what each contributes.

import { createHash } from "node:crypto";
import { type ConfigFile, canonicalFiles, DEFAULT_CONTENT_TYPE, hashFiles } from "./config.ts";
import { type ConfigHash, type ConfigId, parseConfigHash, type RolloutId } from "./ids.ts";
import { fillFiles } from "./template.ts";
import type { VariableValues } from "./variables.ts";

/** One config's part in what an agent should run. */
export interface Contribution {
  readonly configId: ConfigId;
  readonly revision: number;
  readonly hash: ConfigHash;
  readonly order: number;
  /** The rollout that brought it. */
  readonly rolloutId: RolloutId;
  /** The values that its variables had for this agent when that was decided; absent where it uses none. */
  readonly variables?: VariableValues;
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

/**
 * The union of contributions. A single one keeps the hash of its revision, so that operators see on the agent the
 * very hash that they published; several are hashed over (order, config, revision hash). Where a revision uses variables,
 * their values count as a part of it.
 */
export function desiredOf(contributions: readonly Contribution[]): Desired {
  const sorted = [...contributions].sort((a, b) => a.order - b.order || (a.configId < b.configId ? -1 : 1));
  const [first] = sorted;
  if (first !== undefined && sorted.length === 1) return { hash: hashOf(first), contributions: sorted };
  const hash = createHash("sha256");
  for (const part of sorted) hash.update(`${part.order}\0${part.configId}\0${hashOf(part)}\0`);
  return { hash: parseConfigHash(hash.digest("hex")), contributions: sorted };
}

/** What a revision comes to with these values. */
function hashOf({ hash: revision, variables }: Contribution): ConfigHash {
  if (variables === undefined) return revision;
  const hash = createHash("sha256").update(revision);
  for (const text of variables.flat()) hash.update(`${Buffer.byteLength(text)}:${text}`);
  return parseConfigHash(hash.digest("hex"));
}

/**
 * The files an agent is offered, named `<order>-<config>-<file>` so that a supervisor, which merges files in the byte
 * order of their names, merges them as we mean it. `filesOf` answers the files of a revision. Variables have their values in
 * them; secrets do as far as `secretOf` tells them, and stay references else.
 */
export function composeFiles(
  desired: Desired,
  filesOf: (contribution: Contribution) => readonly ConfigFile[],
  secretOf: (contribution: Contribution, name: string) => string | undefined = () => undefined,
): readonly ConfigFile[] {
  if (desired.contributions.length === 0) return BLANK_FILES;
  const named = desired.contributions.flatMap((contribution) => {
    const order = String(contribution.order).padStart(3, "0");
    const values = new Map(contribution.variables);
    const filled = fillFiles(filesOf(contribution), ({ kind, name }) => {
      if (kind === "secret") return secretOf(contribution, name) ?? null;
      // What was published before there were variables means them nowhere.
      return contribution.variables === undefined ? null : values.get(name);
    });
    return filled.map((file) => ({ ...file, name: `${order}-${contribution.configId}-${file.name}` }));
  });
  return canonicalFiles(named);
}
