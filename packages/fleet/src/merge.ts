// Files of configs as values, and what they merge to in a Collector: maps by key, anything else by the last. Pure. Whoever
// compares configs by content reads them here. Agents write such files, too: nothing in one may take long or never end.

import { parse } from "yaml";
import type { ConfigFile } from "./config.ts";

/** A map of a config, by key. */
export type ConfigMap = Readonly<Record<string, unknown>>;

/** Whether a value is a map, rather than a list or a scalar. */
export function isConfigMap(value: unknown): value is ConfigMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Levels of a config; in a real one they are a dozen. */
const MAX_LEVELS = 100;

/** What a body holds, an empty map for nothing; undefined where it is no YAML or JSON map, or one without end. */
export function contentOf({ body }: Pick<ConfigFile, "body">): ConfigMap | undefined {
  try {
    // The library compares each key with all others, which takes minutes for one long mapping. Of a key that is there twice the
    // last counts; publishing refuses it (config.ts).
    const options = { merge: true, logLevel: "silent", uniqueKeys: false } as const;
    const content: unknown = parse(Buffer.from(body).toString(), options) ?? {};
    return isConfigMap(content) && hasEnd(content, MAX_LEVELS) ? content : undefined;
  } catch {
    return undefined;
  }
}

/** Whether it is no deeper than that: anchors can put a map into itself. */
function hasEnd(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((part) => hasEnd(part, levels - 1));
}

/** What two maps merge to. */
export function mergeMaps(a: ConfigMap, b: ConfigMap): ConfigMap {
  const all = new Map(Object.entries(a));
  for (const [key, value] of Object.entries(b)) {
    const before = all.get(key);
    all.set(key, isConfigMap(before) && isConfigMap(value) ? mergeMaps(before, value) : value);
  }
  return Object.fromEntries(all);
}

/** What files merge to in their order; null where one of them is no map. */
export function mergeFiles(files: readonly ConfigFile[]): ConfigMap | null {
  let all: ConfigMap = {};
  for (const file of files) {
    const content = contentOf(file);
    if (content === undefined) return null;
    all = mergeMaps(all, content);
  }
  return all;
}

/** How a place in a config is written: `exporters.otlp.endpoint`, keys of other characters in quotes. */
export function pathText(keys: readonly string[]): string {
  return keys.map((key) => (/^[\w/-]+$/.test(key) ? key : JSON.stringify(key))).join(".");
}

/** Whether two values are the same; the order of keys does not count. */
export function isSameValue(a: unknown, b: unknown): boolean {
  if (isConfigMap(a) && isConfigMap(b)) {
    const keys = Object.keys(a);
    if (keys.length !== Object.keys(b).length) return false;
    return keys.every((key) => Object.hasOwn(b, key) && isSameValue(a[key], b[key]));
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => isSameValue(item, b[i]));
  }
  return Object.is(a, b);
}
