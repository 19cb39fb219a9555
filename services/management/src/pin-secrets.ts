// The secrets that files refer to, as they are pinned when a revision is published.

import {
  type ConfigFile,
  MAX_REFERENCES,
  parseSecretId,
  type SecretPin,
  secretNamesIn,
  type Violation,
} from "@muster/fleet";
import type { Secrets } from "@muster/store";

/** What it reads. */
export type FindSecret = Pick<Secrets, "get">;

/** The newest version of each secret that files refer to, and a violation for each name that there is no secret of. */
export async function pinSecrets(
  secrets: FindSecret,
  files: readonly ConfigFile[],
): Promise<{ readonly pins: readonly SecretPin[]; readonly unknown: readonly Violation[] }> {
  const names = secretNamesIn(files);
  // Checked before: assess-config.ts refuses more.
  const found = await Promise.all(names.slice(0, MAX_REFERENCES).map((name) => find(secrets, name)));
  const pins = found.flatMap((stored) => (stored === undefined ? [] : [{ id: stored.id, version: stored.version }]));
  const missing = names.filter((_, i) => i < found.length && found[i] === undefined);
  if (missing.length === 0) return { pins, unknown: [] };
  const namesOf = files.map((file) => new Set(secretNamesIn([file])));
  const unknown = missing.map((name) => ({
    field: `files[${namesOf.findIndex((each) => each.has(name))}].body`,
    description: `there is no secret "${name}" for \${secret:${name}}; create it first.`,
  }));
  return { pins, unknown };
}

async function find(secrets: FindSecret, name: string): ReturnType<FindSecret["get"]> {
  try {
    return await secrets.get(parseSecretId(name));
  } catch {
    return undefined; // a name that no secret can have
  }
}
