// What differs between two configs by content: which values are new, gone or others, whatever their order, comments, anchors
// and manner of writing. Pure; beside it stands the difference of their texts.

import type { ConfigFile } from "./config.ts";
import { type ConfigMap, isConfigMap, isSameValue, mergeFiles, pathText } from "./merge.ts";

/** A value that differs. */
export interface ContentChange {
  /** Where it is (merge.ts, pathText). */
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
  /** The value before as JSON; "" when it is new. */
  readonly before: string;
  /** The value after as JSON; "" when it is gone. */
  readonly after: string;
}

/**
 * The changes from some files to others, each set merged, in the order of the config; lists count as one value. Null where
 * files are no YAML or JSON maps. Example: `{a: 1, b: {c: [1]}}` to `{b: {c: [1, 2]}}` is `a` removed and `b.c` changed.
 */
export function contentChanges(
  before: readonly ConfigFile[],
  after: readonly ConfigFile[],
): readonly ContentChange[] | null {
  const [old, now] = [mergeFiles(before), mergeFiles(after)];
  return old === null || now === null ? null : compare(old, now, []);
}

function compare(old: ConfigMap, now: ConfigMap, at: readonly string[]): readonly ContentChange[] {
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  return keys.flatMap((key) => {
    const [before, after] = [old[key], now[key]];
    const path = [...at, key];
    if (!Object.hasOwn(old, key)) return [change("added", path, undefined, after)];
    if (!Object.hasOwn(now, key)) return [change("removed", path, before, undefined)];
    if (isConfigMap(before) && isConfigMap(after)) return compare(before, after, path);
    return isSameValue(before, after) ? [] : [change("changed", path, before, after)];
  });
}

function change(kind: ContentChange["kind"], path: readonly string[], before: unknown, after: unknown): ContentChange {
  return { path: pathText(path), kind, before: jsonText(before), after: jsonText(after) };
}

function jsonText(value: unknown): string {
  return value === undefined ? "" : JSON.stringify(value);
}
