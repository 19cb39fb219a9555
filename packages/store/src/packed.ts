// Values of JSON in few bytes, for whatever is kept once per agent: MessagePack with records, by msgpackr. An object of a known
// shape does not name its fields. A name `__proto__` comes back as `__proto_`. Pure.

import { Packr } from "msgpackr";

/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * Fields of objects, in their order, that are packed as the place of their shape. Processes of other versions read what this
 * one wrote: the list only grows, at its end, and what is added is known to all before any writes it.
 */
export const SHAPES: readonly (readonly string[])[] = [
  ["epoch", "n", "atMs", "value"],
  ["epoch", "n", "atMs", "value", "sinceMs", "drops"],
  ["gateway", "transport", "remoteAddress", "connectedAtMs", "ended"],
  ["identifying", "nonIdentifying"],
  ["healthy", "status", "lastError", "startTimeUnixNano", "statusTimeUnixNano", "components"],
  ["hash", "state", "error"],
  ["body", "sizeBytes"],
  ["epoch", "n", "hash", "number", "offeredAtMs", "answer"],
  ["epoch", "n", "hash", "number", "offeredAtMs", "answer", "baseline"],
  ["epoch", "n", "state", "error", "atMs"],
  ["healthy", "unhealthy"],
  ["reason", "atMs"],
  ["inventory", "address"],
  ["packages", "allHash", "error"],
  ["settings", "state", "error"],
  ["epoch", "n", "part", "body"],
  ["hash", "isApplying"],
  ["hash", "epoch", "atMs"],
  ["hash", "atMs"],
  ["hash", "hasFailed"],
  ["configId", "revision", "hash", "order", "rolloutId"],
  ["hash", "contributions", "assignedAtMs"],
  ["generation", "labels", "hasAnnotations"],
  ["hash", "isDrifted"],
  ["restarts", "lastStart"],
];

/** The next field of a shape by its name; `END` where a shape may end. */
type Shape = Map<string, Shape>;
const END = "";
const FIRST: Shape = new Map();
for (const fields of SHAPES) {
  let at = FIRST;
  for (const field of [...fields, END]) {
    const next = at.get(field) ?? new Map();
    at.set(field, next);
    at = next;
  }
}

/** An object of any other shape is a map, names and all: msgpackr would remember the names, and agents make them up. */
function hasShape(value: object): boolean {
  let at: Shape | undefined = FIRST;
  for (const field in value) {
    at = at.get(field);
    if (at === undefined) return false;
  }
  return at.has(END);
}

const packr = new Packr({
  structures: SHAPES.map((fields) => [...fields]),
  maxSharedStructures: SHAPES.length,
  useRecords: hasShape,
  mapsAsObjects: true,
  moreTypes: false,
  useToJSON: false, // an agent's own attribute may have that name, and is none to be called
});

/** Packs a value. */
export function pack(value: Json): Buffer {
  return Buffer.from(packr.pack(value));
}

/** Reads what `pack` wrote. @throws Error when it is cut short */
export function unpack(bytes: Uint8Array): Json {
  return packr.unpack(bytes) as Json;
}

/** A list, packed: its values one after another behind their number. */
export interface PackedList {
  readonly bytes: Buffer;
  /** Where each value ends, and the next begins, after the head. */
  readonly ends: readonly number[];
}

export const EMPTY_LIST: PackedList = { bytes: headOf(0), ends: [] };

/** How MessagePack begins an array. */
function headOf(count: number): Buffer {
  return count < 16 ? Buffer.of(0x90 | count) : Buffer.of(0xdc, count >> 8, count & 255);
}

/** Bytes before the first value. */
function headLength(bytes: Buffer): number {
  return bytes[0] === 0xdc ? 3 : 1;
}

/** Reads a list that `pack` or `packList` wrote. @throws Error when its last value is cut short */
export function unpackList(bytes: Buffer): { readonly values: readonly Json[]; readonly packed: PackedList } {
  const values: Json[] = [];
  const ends: number[] = [];
  const rest = bytes.subarray(headLength(bytes));
  if (rest.length > 0) {
    packr.unpackMultiple(rest, (value: Json, _, end) => {
      values.push(value);
      ends.push(end ?? rest.length);
    });
  }
  return { values, packed: { bytes, ends } };
}

/** Packs a list of `count` values, as `pack` does. Those at which `base` has the same value are copied from there, as they are. */
export function packList(
  count: number,
  valueAt: (i: number) => Json,
  base: PackedList,
  isSame: (i: number) => boolean,
): PackedList {
  const parts: Uint8Array[] = [headOf(count)];
  const ends: number[] = [];
  const offset = headLength(base.bytes);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const from = i;
    while (i < count && i < base.ends.length && isSame(i)) i++;
    if (i > from) {
      const start = base.ends[from - 1] ?? 0;
      for (let kept = from; kept < i; kept++) ends.push(end + (base.ends[kept] ?? 0) - start);
      parts.push(base.bytes.subarray(offset + start, offset + (base.ends[i - 1] ?? 0)));
      end = ends.at(-1) ?? 0;
    }
    if (i === count) break;
    const part = packr.pack(valueAt(i));
    parts.push(part);
    end += part.length;
    ends.push(end);
  }
  return { bytes: Buffer.concat(parts), ends };
}
