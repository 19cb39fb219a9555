// The secrets that files refer to, as they are pinned when a revision is published.

import { type ConfigFile, parseSecretId, type SecretPin, secretNamesIn, type Violation } from "@muster/fleet";
import type { Secrets } from "@muster/store";

/** What it reads. */
export type FindSecret = Pick<Secrets, "get">;

/** The newest version of each secret that files refer to, and a violation for each name that there is no secret of. */
export async function pinSecrets(
  secrets: FindSecret,
  files: readonly ConfigFile[],
): Promise<{ readonly pins: readonly SecretPin[]; readonly unknown: readonly Violation[] }> {
  const pins: SecretPin[] = [];
  const unknown: Violation[] = [];
  for (const name of secretNamesIn(files)) {
    const stored = await find(secrets, name);
    if (stored !== undefined) {
      pins.push({ id: stored.id, version: stored.version });
      continue;
    }
    const index = files.findIndex((file) => secretNamesIn([file]).includes(name));
    const description = `there is no secret "${name}" for \${secret:${name}}; create it first.`;
    unknown.push({ field: `files[${index}].body`, description });
  }
  return { pins, unknown };
}

async function find(secrets: FindSecret, name: string): ReturnType<FindSecret["get"]> {
  try {
    return await secrets.get(parseSecretId(name));
  } catch {
    return undefined; // a name that no secret can have
  }
}
