// What a Collector's config consists of, read off its files with the place of everything: which components it defines, which
// pipelines name them. Pure; assess-structure.ts judges it. Files merge as Collectors merge them: maps by key, lists by the
// last. Only the Collector can resolve `${...}`: where one stands for a part, that part is open and nothing is said of it.

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  type ParsedNode,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { bodySyntax, type ConfigFile } from "./config.ts";

/** The sections of a Collector's config that define components. */
export const KINDS = ["receivers", "processors", "exporters", "connectors", "extensions"] as const;
/** One of them. */
export type ComponentKind = (typeof KINDS)[number];
/** The parts of a pipeline. */
export const PARTS = ["receivers", "processors", "exporters"] as const;
/** One of them. */
export type PipelinePart = (typeof PARTS)[number];

/** Where something stands. */
export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

/** A component that is named somewhere: `otlp`, `otlp/second`. */
export interface Reference {
  readonly id: string;
  readonly place: Place;
}

/** Names in their order; "open" where only the Collector can tell. */
export type References = readonly Reference[] | "open";

/** One pipeline. A part that is not there is absent. */
export interface Pipeline {
  readonly place: Place;
  readonly parts: Partial<Readonly<Record<PipelinePart, References>>>;
  /** Whether `${...}` stands for the whole of it. */
  readonly isOpen: boolean;
}

/** What a config consists of. */
export interface Structure {
  /** Whether it is a Collector's at all; other agents speak OpAMP, too. */
  readonly isCollector: boolean;
  readonly defined: Readonly<Record<ComponentKind, ReadonlyMap<string, Place>>>;
  /** Kinds of which there may be more than is written. */
  readonly open: ReadonlySet<ComponentKind>;
  readonly pipelines: ReadonlyMap<string, Pipeline>;
  /** Whether there may be more pipelines than are written. */
  readonly hasOpenPipelines: boolean;
  readonly extensions: References;
  /** Keys at the top that no Collector knows. */
  readonly unknown: readonly Reference[];
}

/** A structure while it is read. */
interface Draft {
  readonly defined: Record<ComponentKind, Map<string, Place>>;
  readonly open: Set<ComponentKind>;
  readonly pipelines: Map<string, Pipeline>;
  hasOpenPipelines: boolean;
  extensions: References;
  readonly unknown: Reference[];
}

/** Reads files in their order. Those that do not parse, and those of other content types, say nothing. */
export function readStructure(files: readonly ConfigFile[]): Structure {
  const draft: Draft = {
    defined: {
      receivers: new Map(),
      processors: new Map(),
      exporters: new Map(),
      connectors: new Map(),
      extensions: new Map(),
    },
    open: new Set(),
    pipelines: new Map(),
    hasOpenPipelines: false,
    extensions: [],
    unknown: [],
  };
  for (const file of files) readFile(file, draft);
  const { defined, open, pipelines, hasOpenPipelines } = draft;
  const kinds = ["receivers", "processors", "exporters", "connectors"] as const;
  const isCollector =
    kinds.some((kind) => defined[kind].size > 0 || open.has(kind)) || pipelines.size > 0 || hasOpenPipelines;
  return { ...draft, isCollector };
}

/** Reads nodes of one file. */
interface Reader {
  placeOf(node: unknown): Place;
  /** What a node stands for: that of an alias is elsewhere. */
  resolve(node: unknown): unknown;
}

function readFile({ name, contentType, body }: ConfigFile, draft: Draft): void {
  if (bodySyntax(contentType) === null) return;
  const lineCounter = new LineCounter();
  const text = new TextDecoder().decode(body);
  const document = parseDocument<ParsedNode>(text, { uniqueKeys: false, lineCounter, logLevel: "silent" });
  if (document.errors.length > 0) return;
  const reader: Reader = {
    placeOf(node) {
      const offset = (node as Node | null)?.range?.[0] ?? 0; // every node of a parsed document has a range
      const { line, col } = lineCounter.linePos(offset);
      return { file: name, line, column: col };
    },
    resolve: (node) => (isAlias(node) ? node.resolve(document) : node),
  };
  for (const [id, { key, value }] of entriesOf(document.contents, reader)) {
    const kind = KINDS.find((each) => each === id);
    if (kind !== undefined) readKind(kind, value, reader, draft);
    else if (id === "service") readService(value, reader, draft);
    else draft.unknown.push({ id, place: reader.placeOf(key) });
  }
}

function readKind(kind: ComponentKind, node: unknown, reader: Reader, draft: Draft): void {
  if (isOpen(node)) draft.open.add(kind);
  for (const [id, { key }] of entriesOf(node, reader)) draft.defined[kind].set(id, reader.placeOf(key));
}

function readService(node: unknown, reader: Reader, draft: Draft): void {
  if (isOpen(node)) {
    draft.hasOpenPipelines = true;
    draft.extensions = "open";
  }
  const service = entriesOf(node, reader);
  const extensions = service.get("extensions");
  if (extensions !== undefined) draft.extensions = referencesIn(extensions.value, reader);
  const pipelines = service.get("pipelines");
  if (pipelines === undefined) return;
  if (isOpen(pipelines.value)) draft.hasOpenPipelines = true;
  for (const [id, { key, value }] of entriesOf(pipelines.value, reader)) {
    const before = draft.pipelines.get(id);
    const own = entriesOf(value, reader);
    const parts = PARTS.flatMap((part) => {
      const found = own.get(part);
      return found === undefined ? [] : [[part, referencesIn(found.value, reader)] as const];
    });
    draft.pipelines.set(id, {
      place: reader.placeOf(key),
      parts: { ...before?.parts, ...Object.fromEntries(parts) },
      isOpen: (before?.isOpen ?? false) || isOpen(value),
    });
  }
}

function referencesIn(node: unknown, reader: Reader): References {
  if (isOpen(node)) return "open";
  if (!isSeq(node)) return [];
  const items = node.items.map((item) => ({ item, scalar: reader.resolve(item) }));
  if (items.some(({ scalar }) => isOpen(scalar))) return "open";
  return items.flatMap(({ item, scalar }) =>
    isScalar(scalar) && scalar.value !== null ? [{ id: String(scalar.value), place: reader.placeOf(item) }] : [],
  );
}

/** Whether `${...}` stands for it. */
function isOpen(node: unknown): boolean {
  return isScalar(node) && typeof node.value === "string" && node.value.replaceAll("$$", "").includes("${");
}

interface Entry {
  readonly key: unknown;
  /** Never an alias. */
  readonly value: unknown;
}

/** The entries of a map by key, those of maps that are merged in (`<<`) among them; none for anything but a map. */
function entriesOf(
  node: unknown,
  reader: Reader,
  within: ReadonlySet<unknown> = new Set(),
): ReadonlyMap<string, Entry> {
  const map = reader.resolve(node);
  const entries = new Map<string, Entry>();
  // A map that is merged into itself by an alias ends here.
  if (!isMap(map) || within.has(map)) return entries;
  const merged = map.items.filter(({ key }) => isMergeKey(key));
  for (const pair of merged) {
    for (const each of mergedMaps(pair, reader)) {
      for (const [id, entry] of entriesOf(each, reader, new Set([...within, map]))) {
        if (!entries.has(id)) entries.set(id, entry);
      }
    }
  }
  for (const { key, value } of (map as YAMLMap).items) {
    if (!isScalar(key) || isMergeKey(key)) continue;
    entries.set(String(key.value), { key, value: reader.resolve(value) });
  }
  return entries;
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === "<<" && (key.type === undefined || key.type === "PLAIN");
}

function mergedMaps({ value }: Pair, reader: Reader): readonly unknown[] {
  const resolved = reader.resolve(value);
  return isSeq(resolved) ? resolved.items : [resolved];
}
