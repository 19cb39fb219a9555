// How many elements a message holds, counted on its bytes: a body of a few kilobytes, once inflated, can hold millions of
// empty ones, and decoding makes an object of each. Pure; called before a large body is decoded.

import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Deeper than this, decoding fails anyway. */
const MAX_DEPTH = 100;

/**
 * Whether a message has more than `limit` fields, list items and map entries in all, at any depth. Stops counting there.
 * Bytes that are no message have as many as were read until that showed: decoding says what is wrong with them.
 */
export function hasMoreElementsThan(desc: DescMessage, bytes: Uint8Array, limit: number): boolean {
  const budget = { left: limit };
  try {
    count(desc, bytes, budget, MAX_DEPTH);
  } catch {
    return false;
  }
  return budget.left < 0;
}

function count(desc: DescMessage, bytes: Uint8Array, budget: { left: number }, depth: number): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    budget.left -= 1;
    if (budget.left < 0 || depth === 0) return;
    const [number, type] = reader.tag();
    const inner = type === WireType.LengthDelimited ? messageIn(fieldsOf(desc).get(number)) : undefined;
    if (inner === undefined) reader.skip(type, number);
    else if (inner.isEntry) countEntry(inner.desc, reader.bytes(), budget, depth - 1);
    else count(inner.desc, reader.bytes(), budget, depth - 1);
  }
}

/** A map's entry is a message of its own on the wire: the key in field 1, the value in field 2. */
function countEntry(desc: DescMessage, bytes: Uint8Array, budget: { left: number }, depth: number): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === 2 && type === WireType.LengthDelimited) count(desc, reader.bytes(), budget, depth);
    else reader.skip(type, number);
  }
}

interface Inner {
  readonly desc: DescMessage;
  readonly isEntry: boolean;
}

function messageIn(field: DescField | undefined): Inner | undefined {
  if (field?.message === undefined) return undefined;
  return { desc: field.message, isEntry: field.fieldKind === "map" };
}

const known = new WeakMap<DescMessage, ReadonlyMap<number, DescField>>();

function fieldsOf(desc: DescMessage): ReadonlyMap<number, DescField> {
  const cached = known.get(desc);
  if (cached !== undefined) return cached;
  const fields = new Map(desc.fields.map((field) => [field.number, field]));
  known.set(desc, fields);
  return fields;
}
