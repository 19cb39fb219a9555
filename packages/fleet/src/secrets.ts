// Secrets in configs: which ones a revision refers to, pinned to a version each, and the hash that covers them. Pure; the values
// are put in by template.ts where an offer is made, and nowhere else.

import { createHash } from "node:crypto";
import { type ConfigFile, hashFiles } from "./config.ts";
import { type ConfigHash, parseConfigHash, type SecretId } from "./ids.ts";
import { referencesIn } from "./template.ts";

/** A secret that a revision refers to, and the version that agents are offered. */
export interface SecretPin {
  readonly id: SecretId;
  /** From 1. */
  readonly version: number;
}

/** Shortest value: a shorter one would be found, and hidden, in texts that have nothing to do with it. */
export const MIN_SECRET_CHARS = 4;
/** Longest value. */
export const MAX_SECRET_BYTES = 65_536;

/** The names of secrets that files refer to, in their order; not all of them need be names of secrets that exist, or can. */
export function secretNamesIn(files: readonly ConfigFile[]): readonly string[] {
  const names = referencesIn(files).flatMap(({ kind, name }) => (kind === "secret" ? [name] : []));
  return [...new Set(names)].sort();
}

/** The hash of a revision: of its files, and of the versions of secrets where there are any. `pins` in the order of their ids. */
export function hashRevision(files: readonly ConfigFile[], pins: readonly SecretPin[]): ConfigHash {
  const ofFiles = hashFiles(files);
  if (pins.length === 0) return ofFiles;
  const hash = createHash("sha256").update(ofFiles);
  for (const { id, version } of pins) hash.update(`\0${id}\0${version}`);
  return parseConfigHash(hash.digest("hex"));
}
