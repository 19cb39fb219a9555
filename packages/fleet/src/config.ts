// Config revisions: what a set of files is, when it may be stored, and when two are the same.
// Pure. The bodies are opaque to everyone but this file's check that they parse.

import { createHash } from "node:crypto";
import { type Document, isScalar, LineCounter, parseDocument, visit } from "yaml";
import type { Violation } from "./error.ts";
import type { Finding } from "./finding.ts";
import { type ConfigHash, type ConfigId, parseConfigHash } from "./ids.ts";
import type { SecretPin } from "./secrets.ts";
import type { Variable } from "./variables.ts";

/** One file of a config. */
export interface ConfigFile {
  /** Letters, digits, dot, dash, underscore; unique within its revision. */
  readonly name: string;
  /** MIME type. */
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** A named line of revisions, as operators wrote it. */
export interface Config {
  readonly id: ConfigId;
  readonly description: string;
  /** Who it is for, in the selector language. */
  readonly selector: string;
  /** Merge position, 0 to 999; a higher one wins. */
  readonly order: number;
  /** Whether it is a part of what agents run, which may name what other configs define. */
  readonly isFragment: boolean;
  /** Counts the changes of selector, order and description, from 1. */
  readonly generation: number;
  /** 0: no revision yet. */
  readonly latestRevision: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** One immutable version of a config. */
export interface Revision {
  readonly configId: ConfigId;
  /** From 1. */
  readonly number: number;
  readonly hash: ConfigHash;
  /** In the byte order of their names. */
  readonly files: readonly ConfigFile[];
  readonly message: string;
  /** Who published it; "" when nobody said. */
  readonly author: string;
  /** What of the agent its files refer to; in the order of the keys. */
  readonly variables: readonly Variable[];
  /** The secrets its files refer to; in the order of their ids. */
  readonly secrets: readonly SecretPin[];
  readonly createdAtMs: number;
}

/** Content type of a file that names none. */
export const DEFAULT_CONTENT_TYPE = "text/yaml";
/** Merge position of a config that names none. */
export const DEFAULT_ORDER = 100;
/** All bodies of a revision together, in bytes. */
export const MAX_REVISION_BYTES = 1024 * 1024;
/** Files of a revision. */
export const MAX_FILES = 64;

const FILE_NAME = /^[A-Za-z0-9._-]{1,100}$/;

/** Files in the byte order of their names, content types filled in: the form in which they are stored and hashed. */
export function canonicalFiles(files: readonly ConfigFile[]): readonly ConfigFile[] {
  return files
    .map((file) => ({ ...file, contentType: file.contentType === "" ? DEFAULT_CONTENT_TYPE : file.contentType }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

/** SHA-256 over the canonical files, every part preceded by its length, so that no two sets share an encoding. */
export function hashFiles(files: readonly ConfigFile[]): ConfigHash {
  const hash = createHash("sha256");
  for (const file of canonicalFiles(files)) {
    for (const part of [Buffer.from(file.name), Buffer.from(file.contentType), file.body]) {
      const length = Buffer.alloc(8);
      length.writeBigUInt64BE(BigInt(part.byteLength));
      hash.update(length).update(part);
    }
  }
  return parseConfigHash(hash.digest("hex"));
}

/**
 * Everything that keeps these files from being a revision; empty when they may be stored.
 * @param allowEmpty whether files may be without content; one that is would take away from agents what they run
 */
export function assessFiles(files: readonly ConfigFile[], allowEmpty = false): readonly Violation[] {
  if (files.length === 0) {
    return [
      { field: "files", description: "a revision needs at least one file; an empty config would stop a Collector." },
    ];
  }
  const violations: Violation[] = [];
  if (files.length > MAX_FILES) {
    violations.push({
      field: "files",
      description: `${files.length} files are more than the ${MAX_FILES} a revision may have.`,
    });
  }
  const totalBytes = files.reduce((sum, file) => sum + file.body.byteLength, 0);
  if (totalBytes > MAX_REVISION_BYTES) {
    const description = `the bodies hold ${totalBytes} bytes, more than the ${MAX_REVISION_BYTES} a revision may have.`;
    violations.push({ field: "files", description });
  }
  const names = files.map((file) => file.name);
  for (const [index, file] of files.entries()) {
    violations.push(...assessFile(file, `files[${index}]`, allowEmpty));
    if (names.indexOf(file.name) < index) {
      violations.push({
        field: `files[${index}].name`,
        description: `"${file.name}" is there twice; names must be unique.`,
      });
    }
  }
  return violations;
}

function assessFile(file: ConfigFile, field: string, allowEmpty: boolean): readonly Violation[] {
  const violations: Violation[] = [];
  if (!FILE_NAME.test(file.name)) {
    const description = `"${file.name}" is not a file name; use 1 to 100 letters, digits, dots, dashes or underscores.`;
    violations.push({ field: `${field}.name`, description });
  }
  const problem = assessBody(file, allowEmpty);
  if (problem !== null) violations.push({ field: `${field}.body`, description: problem.message });
  return violations;
}

/** What a body of this content type must be; types that are not here are stored unread. */
export function bodySyntax(contentType: string): "yaml" | "json" | null {
  const mediaType = contentType.split(";")[0]?.trim().toLowerCase() ?? "";
  if (mediaType === "" || /^(text|application)\/(x-)?yaml$/.test(mediaType)) return "yaml";
  return mediaType === "application/json" || mediaType.endsWith("+json") ? "json" : null;
}

/** What is wrong with a text, and where: lines and columns count from 1, 0 is the text as a whole. */
type Problem = Pick<Finding, "line" | "column" | "message">;

/** Why a body must not be offered to an agent, or null. A body without content means "your base config". */
export function assessBody(file: ConfigFile, allowEmpty: boolean): Problem | null {
  const syntax = bodySyntax(file.contentType);
  if (file.body.byteLength === 0) return allowEmpty ? null : EMPTY;
  if (syntax === null) return null;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(file.body);
  } catch {
    return whole(`is not UTF-8 text, as ${syntax.toUpperCase()} must be.`);
  }
  const parsed = syntax === "json" ? parseJson(text) : parseYaml(text);
  if ("message" in parsed) {
    return { ...parsed, message: `does not parse as ${syntax.toUpperCase()}: ${parsed.message}` };
  }
  if (parsed.value === null && syntax === "yaml" && isCommentary(text)) return allowEmpty ? null : EMPTY;
  if (parsed.value === null || typeof parsed.value !== "object" || Array.isArray(parsed.value)) {
    return whole(
      `is not a mapping; a config is one at its top level. To take a config away publish a file of zero bytes with allow_empty.`,
    );
  }
  return null;
}

const EMPTY = whole(
  "holds nothing, which takes away what agents run now; if that is meant, publish it with allow_empty.",
);

function whole(message: string): Problem {
  return { line: 0, column: 0, message };
}

function isCommentary(text: string): boolean {
  return text.split("\n").every((line) => /^\ufeff?\s*(#|---\s*$|$)/.test(line));
}

type Parsed = { readonly value: unknown } | Problem;

function parseJson(text: string): Parsed {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return whole(`${(error as Error).message}.`); // JSON.parse throws only SyntaxError
  }
}

function findRepeatedKey(document: Document.Parsed): { readonly key: string; readonly offset: number } | null {
  let twice: { readonly key: string; readonly offset: number } | null = null;
  visit(document, {
    Map(_, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        const value = isScalar(key) ? key.value : key;
        if (seen.has(value) && value !== "<<") {
          twice = { key: String(value), offset: isScalar(key) ? (key.range?.[0] ?? 0) : 0 };
        }
        seen.add(value);
      }
      return twice === null ? undefined : visit.BREAK;
    },
  });
  return twice;
}

function parseYaml(text: string): Parsed {
  const lineCounter = new LineCounter();
  try {
    // The library compares each key with all others, which takes minutes for a body of one long mapping; see below.
    const document = parseDocument(text, { uniqueKeys: false, lineCounter });
    const [error] = document.errors;
    if (error !== undefined) {
      const { line = 0, col = 0 } = error.linePos?.[0] ?? {};
      return { line, column: col, message: `${error.message.split("\n")[0]?.replace(/:$/, "")}.` };
    }
    const twice = findRepeatedKey(document);
    if (twice !== null) {
      const { line, col } = lineCounter.linePos(twice.offset);
      return { line, column: col, message: `the key "${twice.key}" is there twice in one mapping.` };
    }
    return { value: document.toJS({ maxAliasCount: 100 }) };
  } catch (error) {
    return whole(`${(error as Error).message}.`); // yaml throws Error subclasses only
  }
}
