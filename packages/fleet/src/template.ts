// Bodies with references: `${agent:host.name}` and `${secret:token}` stand for values that Muster puts in, where `${env:...}`
// and the like are the Collector's own. Pure. Publishing checks references (assessReferences), composing fills them in.
//
// Invariants
//   T1. A value never changes the structure of a file: it replaces a reference within one parsed scalar, and the scalar is
//       written anew as a double-quoted string. What surrounds it, comments among it, stays as it is, byte by byte.
//   T2. A value is never expanded by a Collector: its `$` is written `$$`.
//   T3. A reference without a value stays as it is written.
// `$${agent:...}` is no reference: the Collector makes `${agent:...}` of it, and for other agents this file does.

import { LineCounter, type ParsedNode, parseDocument, type Scalar, visit } from "yaml";
import { bodySyntax, type ConfigFile } from "./config.ts";
import type { Finding } from "./finding.ts";
import { contentOf } from "./merge.ts";

/** A reference in a body. */
export interface Reference {
  /** Whose value it is: an attribute of the agent, or a secret. */
  readonly kind: "agent" | "secret";
  readonly name: string;
  /** What stands for it where there is no value; null: nothing does. */
  readonly fallback: string | null;
}

/** What a reference stands for; undefined where that is its fallback, null where it is to stay as it is written. */
export type ValueOf = (reference: Reference) => string | undefined | null;

interface Parsed extends Reference {
  /** As it is written. */
  readonly text: string;
}

/** A scalar with references. */
interface Slot {
  readonly parts: readonly (string | Parsed)[];
  /** As it is written. */
  readonly source: string;
}

/** A file as what stays and what is filled in. */
type Template = readonly (string | Slot)[];

const TOKEN = /\$\$|\$\{(agent|secret):([^}]*)\}/g;
const HINT = /\$\{(agent|secret):/;
const NAME = /^[\w./-]{1,256}$/;
/** Keys at the top of a Collector's config. */
const SECTIONS = ["receivers", "processors", "exporters", "connectors", "extensions", "service"];

/** The references in files, each kind and name once for each fallback. Files of types that are not read have none. */
export function referencesIn(files: readonly ConfigFile[]): readonly Reference[] {
  const found = new Map<string, Reference>();
  for (const template of templatesOf(files).values()) {
    for (const part of template.flatMap((each) => (typeof each === "string" ? [] : each.parts))) {
      if (typeof part !== "string") found.set(part.text, { kind: part.kind, name: part.name, fallback: part.fallback });
    }
  }
  return [...found.values()];
}

/** Files with the values of their references in place (T1-T3). What names none comes back as it is. */
export function fillFiles(files: readonly ConfigFile[], resolve: ValueOf): readonly ConfigFile[] {
  const templates = templatesOf(files);
  if (templates.size === 0) return files;
  const doubles = isForCollector(files);
  return files.map((file) => {
    const template = templates.get(file.name);
    if (template === undefined) return file;
    const texts = template.map((each) => (typeof each === "string" ? each : fillSlot(each, resolve, doubles)));
    return { ...file, body: Buffer.from(texts.join("")) };
  });
}

function fillSlot({ parts, source }: Slot, resolve: ValueOf, doubles: boolean): string {
  let isChanged = false;
  const filled = parts.map((part) => {
    if (typeof part !== "string") {
      const value = resolve(part);
      const text = value === undefined ? part.fallback : doubles ? (value?.replaceAll("$", "$$$$") ?? null) : value;
      isChanged ||= text !== null;
      return text ?? part.text;
    }
    const plain = doubles ? part : part.replaceAll(/\$\$\{(agent|secret):/g, "${$1:");
    isChanged ||= plain !== part;
    return plain;
  });
  return isChanged ? quoted(filled.join("")) : source;
}

/** A string that YAML and JSON read back as it is. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A pure function's answers: files are immutable, and every agent that is offered them asks again. */
const known = new WeakMap<readonly ConfigFile[], ReadonlyMap<string, Template>>();

function templatesOf(files: readonly ConfigFile[]): ReadonlyMap<string, Template> {
  const before = known.get(files);
  if (before !== undefined) return before;
  const templates = new Map<string, Template>();
  for (const file of files) {
    const text = textWithHints(file);
    if (text === null) continue;
    const scalars = scalarsIn(text).filter(({ isKey }) => !isKey);
    if (scalars.length > 0) templates.set(file.name, templateOf(text, scalars));
  }
  known.set(files, templates);
  return templates;
}

function textWithHints({ contentType, body }: ConfigFile): string | null {
  if (bodySyntax(contentType) === null) return null;
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(body);
  return HINT.test(text) ? text : null;
}

interface Found {
  readonly node: Scalar;
  readonly value: string;
  readonly start: number;
  readonly end: number;
  readonly isKey: boolean;
  readonly line: number;
  readonly column: number;
}

/** Scalars with something in them that looks like a reference, in their order. */
function scalarsIn(text: string): readonly Found[] {
  const lineCounter = new LineCounter();
  const document = parseDocument<ParsedNode>(text, { uniqueKeys: false, lineCounter, logLevel: "silent" });
  const found: Found[] = [];
  if (document.errors.length > 0) return found;
  visit(document, {
    Scalar(key, node) {
      const { value, range } = node;
      if (typeof value !== "string" || !HINT.test(value) || range === undefined || range === null) return;
      const { line, col } = lineCounter.linePos(range[0]);
      found.push({ node, value, start: range[0], end: range[1], isKey: key === "key", line, column: col });
    },
  });
  return found.sort((a, b) => a.start - b.start);
}

function templateOf(text: string, scalars: readonly Found[]): Template {
  const segments: (string | Slot)[] = [];
  let at = 0;
  for (const { value, start, end } of scalars) {
    const source = text.slice(start, end);
    // A block scalar has the line end after it.
    const lineEnd = source.endsWith("\n") ? "\n" : "";
    segments.push(text.slice(at, start), {
      parts: partsOf(value),
      source: source.slice(0, source.length - lineEnd.length),
    });
    segments.push(lineEnd);
    at = end;
  }
  segments.push(text.slice(at));
  return segments;
}

function partsOf(value: string): readonly (string | Parsed)[] {
  const parts: (string | Parsed)[] = [];
  let at = 0;
  for (const match of value.matchAll(TOKEN)) {
    const [text, kind, inner = ""] = match;
    if (kind === undefined) continue;
    const [name = "", ...rest] = inner.split(":-");
    const fallback = rest.length === 0 ? null : rest.join(":-");
    parts.push(value.slice(at, match.index), { kind: kind === "agent" ? "agent" : "secret", name, fallback, text });
    at = match.index + text.length;
  }
  parts.push(value.slice(at));
  return parts;
}

function isForCollector(files: readonly ConfigFile[]): boolean {
  return files.some((file) => Object.keys(contentOf(file) ?? {}).some((key) => SECTIONS.includes(key)));
}

/** Attributes, and secrets, that the files of a revision may refer to: each agent's record has a value for each. */
export const MAX_REFERENCES = 200;

/** What is wrong with the references in files. */
export function assessReferences(files: readonly ConfigFile[]): readonly Finding[] {
  const all = referencesIn(files);
  const crowds = (["agent", "secret"] as const).flatMap((kind): readonly Finding[] => {
    const count = new Set(all.flatMap((each) => (each.kind === kind ? [each.name] : []))).size;
    if (count <= MAX_REFERENCES) return [];
    const message = `refers to ${count} names as \${${kind}:...}, more than the ${MAX_REFERENCES} a revision may.`;
    return [{ severity: "error", file: "", line: 0, column: 0, message }];
  });
  if (crowds.length > 0) return crowds;
  return files.flatMap((file) => {
    const text = textWithHints(file);
    if (text === null) return [];
    return scalarsIn(text).flatMap((scalar) => {
      const problem = problemOf(scalar);
      const { line, column } = scalar;
      return problem === null ? [] : [{ severity: "error", file: file.name, line, column, message: problem } as const];
    });
  });
}

function problemOf({ node, value, isKey }: Found): string | null {
  const references = partsOf(value).filter((part) => typeof part !== "string");
  if (references.length === 0) return value.replaceAll(TOKEN, "").match(HINT) === null ? null : UNCLOSED;
  if (isKey) return "a key cannot have references; put them into values.";
  if (node.tag !== undefined) return `a value with references is a text; take the tag ${node.tag} away.`;
  for (const { kind, name, fallback, text } of references) {
    if (!NAME.test(name)) return `"${text}" names nothing; write \${${kind}:name}.`;
    if (fallback?.includes("${")) return `"${text}" has a reference in its fallback, which is to be a plain text.`;
    if (kind === "secret" && fallback !== null) return `"${text}" has a fallback, which secrets have not.`;
  }
  return null;
}

const UNCLOSED = "a reference is not closed; write ${agent:name} or ${secret:name}.";
