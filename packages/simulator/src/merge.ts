// Config files of an offer to one document, merged as the supervisor merges them.
//
// Named files in byte order of their names, the file with the empty name last; later files win. Maps merge
// key by key, everything else is replaced, only `service.extensions` lists are joined. Pure.
//
// Documents are Maps all the way down, so that hostile keys stay data.

import { parseDocument } from "yaml";

/** One file of an offer. */
export interface ConfigFile {
  readonly name: string;
  readonly body: Uint8Array;
}

/** A merged document, or the parser's sentence about the first file that is not a YAML map. */
export type Merged =
  | { readonly kind: "merged"; readonly document: YamlMap }
  | { readonly kind: "invalid"; readonly sentence: string };

/** A YAML map. */
export type YamlMap = Map<unknown, unknown>;

/** Orders files as the supervisor merges them: byte order, the empty name last. */
export function mergeOrder(files: readonly ConfigFile[]): readonly ConfigFile[] {
  return files.toSorted((a, b) => {
    if (a.name === "" || b.name === "") return Number(a.name === "") - Number(b.name === "");
    return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
  });
}

/** Merges the files over `base`, which stays as it is. A file of zero bytes or of comments adds nothing. */
export function mergeFiles(base: YamlMap, files: readonly ConfigFile[]): Merged {
  let document = base;
  for (const file of mergeOrder(files)) {
    const parsed = parseFile(file);
    if (typeof parsed === "string") return { kind: "invalid", sentence: parsed };
    document = mergeMaps(document, parsed, "");
  }
  return { kind: "merged", document };
}

function parseFile(file: ConfigFile): YamlMap | string {
  const parsed = parseDocument(new TextDecoder().decode(file.body), { prettyErrors: true });
  const error = parsed.errors[0];
  if (error !== undefined) {
    const line = error.linePos?.[0].line ?? 1;
    return `yaml: line ${line}: ${(error.message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, "")}`;
  }
  try {
    const value: unknown = parsed.toJS({ mapAsMap: true });
    if (value === null || value === undefined) return new Map();
    return value instanceof Map ? value : `yaml: unmarshal errors: cannot unmarshal ${typeof value} into a map`;
  } catch (cause) {
    // Aliases are resolved only now: too many of them, or one without an anchor.
    return `yaml: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
}

function mergeMaps(under: YamlMap, over: YamlMap, path: string): YamlMap {
  const merged = new Map(under);
  for (const [key, value] of over) merged.set(key, mergeValues(merged.get(key), value, `${path}.${String(key)}`));
  return merged;
}

function mergeValues(under: unknown, over: unknown, path: string): unknown {
  if (under instanceof Map && over instanceof Map) return mergeMaps(under, over, path);
  if (path === ".service.extensions" && Array.isArray(under) && Array.isArray(over)) {
    return [...new Set<unknown>([...under, ...over])];
  }
  return over;
}
