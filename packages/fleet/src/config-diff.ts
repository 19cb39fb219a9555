// Where what an agent runs differs from what it was offered, by meaning: parsed YAML, merged as Collectors merge it. Pure.
//
// An effective config is what came of an offer, merged with configs of the agent's own, defaults filled in, secrets redacted
// (R81). So what was offered must be found in it and need not be all of it: order of keys, anchors, defaults, redacted values
// and what only the agent can resolve (`${...}`) are no differences. What is there beyond the offer, and is neither a default
// nor a supervisor's own, is told as `extra`; it is no drift, since agents merge configs of their own with what they are offered.

import type { ConfigFile } from "./config.ts";
import { type ConfigMap, isConfigMap, mergeFiles } from "./merge.ts";

/** One place where they differ. */
export interface ConfigDifference {
  /** Keys from the root, such as `exporters.otlp.endpoint`; a place in a list as `[0]`. */
  readonly path: string;
  /** `extra` is no drift. */
  readonly kind: "missing" | "different" | "extra";
  /** What was offered there, and what is there: short texts; "" for nothing. */
  readonly offered: string;
  readonly effective: string;
}

/** Every difference, in the order of what was offered, then what is extra. Null where nobody can tell: nothing was offered. */
export function diffConfigs(offered: ConfigMap, effective: ConfigMap): readonly ConfigDifference[] | null {
  if (Object.keys(offered).length === 0) return null;
  return [...differencesIn(effective, offered, []), ...extrasIn(effective, offered)];
}

/**
 * Whether an effective config has what was offered. Null where nobody can tell: one of them is no YAML map, or nothing was
 * offered.
 */
export function showsConfig(effective: readonly ConfigFile[], offered: readonly ConfigFile[]): boolean | null {
  const [shown, wanted] = [mergeFiles(effective), mergeFiles(offered)];
  if (shown === null || wanted === null) return null;
  const differences = diffConfigs(wanted, shown);
  return differences === null ? null : !isDrift(differences);
}

/** Whether differences mean that something that was offered is not there. */
export function isDrift(differences: readonly ConfigDifference[]): boolean {
  return differences.some(({ kind }) => kind !== "extra");
}

type Path = readonly (string | number)[];

function differencesIn(shown: unknown, wanted: unknown, path: Path): readonly ConfigDifference[] {
  const other = [difference("different", path, wanted, shown)];
  if (isEmpty(wanted)) return typeof shown === "object" || shown === undefined ? [] : other; // null is an object, too
  if (isConfigMap(wanted)) {
    if (!isConfigMap(shown)) return other;
    return Object.entries(wanted).flatMap(([key, value]) =>
      Object.hasOwn(shown, key)
        ? differencesIn(shown[key], value, [...path, key])
        : [difference("missing", [...path, key], value, undefined)],
    );
  }
  if (!Array.isArray(wanted)) return isSameScalar(shown, wanted) ? [] : other;
  return Array.isArray(shown) ? differencesInList(shown, wanted, path) : other;
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** A list must have all of another, in its order where that means something: agents add extensions and processors of their own. */
function differencesInList(
  shown: readonly unknown[],
  wanted: readonly unknown[],
  path: Path,
): readonly ConfigDifference[] {
  if (isListIn(shown, wanted, path)) return [];
  const other = [difference("different", path, wanted, shown)];
  if (shown.length * wanted.length > MAX_PAIRS) return other;
  const lacking = [...wanted.keys()].filter((i) => !shown.some((item) => isIn(item, wanted[i], path)));
  if (lacking.length === 0) return other;
  // The same items changed, rather than others: told where they changed.
  if (shown.length === wanted.length) return lacking.flatMap((i) => differencesIn(shown[i], wanted[i], [...path, i]));
  return lacking.map((i) => difference("missing", [...path, i], wanted[i], undefined));
}

/** Items of two lists that are compared each with each; agents make lists as long as they like. */
const MAX_PAIRS = 100_000;

function isListIn(shown: readonly unknown[], wanted: readonly unknown[], path: Path): boolean {
  let at = 0;
  for (const item of shown) if (at < wanted.length && isIn(item, wanted[at], path)) at += 1;
  if (at === wanted.length) return true;
  if (!isUnordered(path) || shown.length * wanted.length > MAX_PAIRS) return false;
  return wanted.every((value) => shown.some((item) => isIn(item, value, path)));
}

/** Whether there are no differences. Tells it with one look at each part, where telling them takes several. */
function isIn(shown: unknown, wanted: unknown, path: Path): boolean {
  if (isEmpty(wanted)) return typeof shown === "object" || shown === undefined; // null is an object, too
  if (isConfigMap(wanted)) {
    if (!isConfigMap(shown)) return false;
    const keys = Object.entries(wanted);
    return keys.every(([key, value]) => Object.hasOwn(shown, key) && isIn(shown[key], value, [...path, key]));
  }
  if (!Array.isArray(wanted)) return isSameScalar(shown, wanted);
  return Array.isArray(shown) && isListIn(shown, wanted, path);
}

/** Lists whose order says nothing: extensions, and where a pipeline receives and exports. Processors work one after another. */
function isUnordered([first, second, , list]: Path): boolean {
  return first === "service" && (second === "extensions" || (second === "pipelines" && list !== "processors"));
}

const REDACTED = /^(\[redacted\]|\*+)$/i;

function isSameScalar(shown: unknown, wanted: unknown): boolean {
  if (shown === wanted) return true;
  const [a, b] = [String(shown), String(wanted)];
  if (REDACTED.test(a) || b.replaceAll("$$", "").includes("${")) return true;
  const plain = b.replaceAll("$$", "$");
  return a === b || a === plain || (a.trim() !== "" && Number(a) === Number(plain));
}

/** Where components are defined. */
const SECTIONS = ["receivers", "processors", "exporters", "connectors", "extensions"] as const;
/** Where pipelines name them. */
const LISTS = ["receivers", "processors", "exporters"] as const;
/** What a supervisor adds to every config: its own connection, its look at health, and the Collector's own telemetry. */
const SUPERVISORS_OWN = /^(opamp|health_check)$|\/own_(metrics|traces|logs)$/;

/** Components, pipelines and their parts that nobody offered. Anything else beyond the offer may be a default. */
function extrasIn(shown: ConfigMap, wanted: ConfigMap): readonly ConfigDifference[] {
  const defined = SECTIONS.flatMap((section) => extraKeys(shown, wanted, [section]));
  const pipelines = extraKeys(shown, wanted, ["service", "pipelines"]);
  const parts = Object.keys(mapAt(wanted, ["service", "pipelines"])).flatMap((pipeline) =>
    LISTS.flatMap((list) => extraItems(shown, wanted, ["service", "pipelines", pipeline, list])),
  );
  return [...defined, ...pipelines, ...parts, ...extraItems(shown, wanted, ["service", "extensions"])];
}

function extraKeys(shown: ConfigMap, wanted: ConfigMap, path: readonly string[]): readonly ConfigDifference[] {
  const offered = mapAt(wanted, path);
  return Object.entries(mapAt(shown, path))
    .filter(([key]) => !Object.hasOwn(offered, key) && !SUPERVISORS_OWN.test(key))
    .map(([key, value]) => difference("extra", [...path, key], undefined, value));
}

function extraItems(shown: ConfigMap, wanted: ConfigMap, path: readonly string[]): readonly ConfigDifference[] {
  const offered = listAt(wanted, path).map(String);
  return listAt(shown, path).flatMap((item, i) =>
    offered.includes(String(item)) || SUPERVISORS_OWN.test(String(item))
      ? []
      : [difference("extra", [...path, i], undefined, item)],
  );
}

function at(tree: ConfigMap, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (isConfigMap(value) && Object.hasOwn(value, key) ? value[key] : undefined),
    tree,
  );
}

function mapAt(tree: ConfigMap, path: readonly string[]): ConfigMap {
  const value = at(tree, path);
  return isConfigMap(value) ? value : {};
}

function listAt(tree: ConfigMap, path: readonly string[]): readonly unknown[] {
  const value = at(tree, path);
  return Array.isArray(value) ? value : [];
}

/** Characters of a value that are told. */
const MAX_VALUE_CHARS = 200;

function difference(
  kind: ConfigDifference["kind"],
  path: Path,
  offered: unknown,
  effective: unknown,
): ConfigDifference {
  return { path: pathText(path), kind, offered: valueText(offered), effective: valueText(effective) };
}

function pathText(path: Path): string {
  return path.map((step, i) => (typeof step === "number" ? `[${step}]` : `${i === 0 ? "" : "."}${step}`)).join("");
}

function valueText(value: unknown): string {
  if (value === undefined) return "";
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length <= MAX_VALUE_CHARS ? text : `${text.slice(0, MAX_VALUE_CHARS - 1)}…`;
}
