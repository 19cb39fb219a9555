// Flame graphs of the services of a run, from the profiles that they left when they ended.

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderFlame } from "./graph.ts";
import { foldProfile } from "./profile.ts";

/** Where flame graphs are kept. */
export const flameDir = fileURLToPath(new URL("../../results/flame/", import.meta.url));

/** Draws a graph for each service that left a profile, of its longest one; the files that were written. `origin`: see there. */
export function saveFlames(profileDir: string, scenario: string, origin: string): readonly string[] {
  mkdirSync(flameDir, { recursive: true });
  return readdirSync(profileDir).flatMap((service) => {
    const profiles = readdirSync(join(profileDir, service)).map((name) => join(profileDir, service, name));
    const [longest] = profiles.sort((a, b) => statSync(b).size - statSync(a).size);
    if (longest === undefined) return [];
    const file = join(flameDir, `${scenario}-${service}.svg`);
    const frames = foldProfile(JSON.parse(readFileSync(longest, "utf8")));
    writeFileSync(file, renderFlame(`${service} in ${scenario}`, origin, frames));
    return [file];
  });
}

/** Names of the graphs that are kept. */
export function listFlames(): readonly string[] {
  return existsSync(flameDir)
    ? readdirSync(flameDir)
        .filter((name) => name.endsWith(".svg"))
        .sort()
    : [];
}
