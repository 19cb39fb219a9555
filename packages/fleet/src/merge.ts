// Files of configs as values, and what they merge to in a Collector: maps by key, anything else by the last. Pure. Whoever
// compares configs by content reads them here.

import { parse } from "yaml";
import type { ConfigFile } from "./config.ts";

/** A map of a config, by key. */
export type ConfigMap = Readonly<Record<string, unknown>>;

/** Whether a value is a map, rather than a list or a scalar. */
export function isConfigMap(value: unknown): value is ConfigMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Keys are not compared with each other: for one long mapping that takes minutes. Publishing refuses what is there twice. */
const READING = { merge: true, uniqueKeys: false, logLevel: "silent" } as const;

/** What a body holds, an empty map for nothing; undefined where it is no YAML or JSON map. */
export function contentOf({ body }: Pick<ConfigFile, "body">): ConfigMap | undefined {
  try {
    const content: unknown = parse(Buffer.from(body).toString(), READING) ?? {};
    return isConfigMap(content) ? content : undefined;
  } catch {
    return undefined;
  }
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
