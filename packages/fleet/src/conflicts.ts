// Where the configs of one agent contradict each other: values that more than one of them sets, and not to the same. Pure.
// The last one wins, and a list replaces the list before it, so somebody's setting is silently lost there.

import type { ConfigFile } from "./config.ts";
import type { ConfigId } from "./ids.ts";
import { type ConfigMap, contentOf, isConfigMap, isSameValue, mergeMaps, pathText } from "./merge.ts";

/** A file with the config that brings it. */
export interface OwnedFile {
  readonly configId: ConfigId;
  readonly file: ConfigFile;
}

/** A value that several configs set differently. */
export interface Conflict {
  /** Where it is (merge.ts, pathText). */
  readonly path: string;
  /** Who sets it to what, in the order of the merge; the last one wins. */
  readonly values: readonly { readonly configId: ConfigId; readonly value: unknown }[];
  /** Whether a list replaces another. */
  readonly replacesList: boolean;
}

/** One place of the merged config: what configs set it to, and where that is maps, the places in them. */
interface Place {
  readonly path: readonly string[];
  /** In the order of the merge, the last one of each config. */
  readonly settings: { readonly configId: ConfigId; readonly value: unknown }[];
  readonly below: Map<string, Place>;
}

/** The conflicts among files in the order of their merge, in the order of the config. Files that are no maps take no part. */
export function findConflicts(files: readonly OwnedFile[]): readonly Conflict[] {
  const root: Place = { path: [], settings: [], below: new Map() };
  for (const { configId, file } of files) {
    const content = contentOf(file);
    if (content !== undefined) setMap(root, configId, content);
  }
  return conflictsIn(root);
}

function setMap(place: Place, configId: ConfigId, content: ConfigMap): void {
  for (const [key, value] of Object.entries(content)) {
    const below = place.below.get(key) ?? { path: [...place.path, key], settings: [], below: new Map() };
    place.below.set(key, below);
    set(below, configId, value);
  }
}

function set(place: Place, configId: ConfigId, value: unknown): void {
  if (isConfigMap(value)) setMap(place, configId, value);
  const own = place.settings.findIndex((each) => each.configId === configId);
  const [before] = own < 0 ? [] : place.settings.splice(own, 1);
  const isMerged = isConfigMap(before?.value) && isConfigMap(value);
  place.settings.push({ configId, value: isMerged ? mergeMaps(before.value as ConfigMap, value) : value }); // checked
}

function conflictsIn(place: Place): readonly Conflict[] {
  const { path, settings, below } = place;
  const isLost = settings.some(({ value }, i) => i > 0 && loses(settings[i - 1]?.value, value));
  if (!isLost) return [...below.values()].flatMap(conflictsIn);
  const replacesList = settings.every(({ value }) => Array.isArray(value));
  return [{ path: pathText(path), values: settings, replacesList }];
}

/** Whether a value is lost when another comes after it. Nothing loses nothing, and maps merge. */
function loses(before: unknown, after: unknown): boolean {
  if (before === null || isSameValue(before, after)) return false;
  if (!isConfigMap(before)) return true;
  return !isConfigMap(after) && Object.keys(before).length > 0;
}
