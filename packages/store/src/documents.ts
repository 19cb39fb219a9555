// Small things that operators keep under ids of their own: calendars, groups, policies. Control state, written by management
// only, on disk before it is answered. Few and small, so all of a kind are one hash. Knows what none of them means.

import { createHash } from "node:crypto";
import { FleetError } from "@muster/fleet";
import type { Redis } from "ioredis";
import { putDocument } from "./gen/scripts.ts";
import { run } from "./redis.ts";

/** A document with what stands for its content, for `put`. */
export interface Stored<Document> {
  readonly document: Document;
  /** Equal for equal documents; opaque to everybody else. */
  readonly etag: string;
}

/** Documents of one kind, by id. */
export interface Documents<Document> {
  /**
   * Writes a document. With `expectedEtag` only where that is what there is; "" is where there is none.
   * @throws FleetError `conflict` where something else is there, `exhausted` where there are too many
   */
  put(document: Document, expectedEtag?: string): Promise<Stored<Document>>;
  get(id: string): Promise<Stored<Document> | undefined>;
  /** All of them, by id. */
  list(): Promise<readonly Stored<Document>[]>;
  /**
   * Answers whether there was one. Who names it, such as a rollout, is not asked.
   * @throws FleetError `conflict` where another one than that of `expectedEtag` is there
   */
  delete(id: string, expectedEtag?: string): Promise<boolean>;
}

/** One kind of document. */
export interface Kind {
  readonly key: string;
  /** What sentences call one: `calendar`. */
  readonly noun: string;
}

const WHATEVER = "*";
/** Documents of one kind: all are read at once. */
const MAX_DOCUMENTS = 10_000;

/** @param settle resolves when what was written is on disk; no write is answered before */
export function createDocuments<Document extends { readonly id: string }>(
  control: Redis,
  { key, noun }: Kind,
  settle: () => Promise<void>,
): Documents<Document> {
  const decode = (text: string): Stored<Document> => {
    return { document: JSON.parse(text) as Document, etag: etagOf(text) }; // written by encode
  };
  const write = async (id: string, text: string, expectedEtag: string): Promise<boolean> => {
    const code = Number(await run(control, putDocument, [key], [id, text, expectedEtag, MAX_DOCUMENTS]));
    if (code === 0) {
      const present = await control.hget(key, id);
      throw etagConflict(noun, id, expectedEtag, present === null ? "" : etagOf(present));
    }
    if (code === 2) throw tooMany(noun);
    if (code === 3) return false;
    await settle();
    return true;
  };
  return {
    async put(document, expectedEtag = WHATEVER) {
      const text = encode(document);
      await write(document.id, text, expectedEtag);
      return decode(text);
    },
    async get(id) {
      const text = await control.hget(key, id);
      return text === null ? undefined : decode(text);
    },
    async list() {
      const found = Object.values(await control.hgetall(key)).map(decode);
      return found.sort((a, b) => (a.document.id < b.document.id ? -1 : 1));
    },
    delete: (id, expectedEtag = WHATEVER) => write(id, "", expectedEtag),
  };
}

/** With the fields of every part by name, so that equal documents have equal texts and with them equal etags. */
function encode(document: unknown): string {
  return JSON.stringify(document, (_, value: unknown) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** What the script compares with: it guards against mistakes, not against malice. */
function etagOf(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

/** The error for a change that rests on another document than the present one; "" is none. */
export function etagConflict(noun: string, id: string, expected: string, etag: string): FleetError {
  const details = { [`${noun}_id`]: id, expected_etag: expected, etag };
  return new FleetError("conflict", conflictMessage(noun, id, expected, etag), { reason: "ETAG_MISMATCH", details });
}

function conflictMessage(noun: string, id: string, expected: string, etag: string): string {
  const [what, What] = [`${noun} "${id}"`, `${noun.charAt(0).toUpperCase()}${noun.slice(1)} "${id}"`];
  if (expected === "") return `A ${what} exists; choose another id, or change that one.`;
  if (etag === "") return `${What} was deleted; create it again if it is still wanted.`;
  return `${What} has changed (etag ${etag}, not ${expected}); read it again and repeat the change.`;
}

function tooMany(noun: string): FleetError {
  const message = `There are ${MAX_DOCUMENTS} of the kind ${noun}, which is the most; delete one that is not needed.`;
  return new FleetError("exhausted", message, { reason: "TOO_MANY", details: { kind: noun } });
}
