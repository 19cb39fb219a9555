// What agents are found by: labels, and the rows of a partition that have them. Every agent of a partition has a row, a
// small number that it keeps for as long as it is there; who has a label is then a bitmap, or a few entries of a bucket that
// many labels share (lua/lib/labels.lua, which writes both). A row that is found may have another agent by the time it is
// read, and two labels may share a hash: whoever is found is looked at before it counts. Pure.

import { createHash } from "node:crypto";
import { type AgentView, FACT_KEYS, isConnected, labelsOf, type Selector } from "@muster/fleet";

/** What is indexed: an attribute with its value, or another thing that agents are found by. */
export type Label = string;

/** A value longer than this is not indexed, and so not looked up by index either. */
export const MAX_INDEXED_VALUE = 256;

/** The label of an attribute. The length keeps `a=b` with value `c` apart from `a` with value `b=c`. */
export function attributeLabel(key: string, value: string): Label {
  return `${key.length}:${key}=${value}`;
}

/** The label of those that are connected at a gateway. */
export function gatewayLabel(gateway: string): Label {
  return `at ${gateway}`;
}

/** Everything that an agent is found by. */
export function indexedLabels(view: AgentView): ReadonlySet<Label> {
  const attributes = [...labelsOf(view)].filter(([, value]) => value.length <= MAX_INDEXED_VALUE);
  const labels = new Set(attributes.map(([key, value]) => attributeLabel(key, value)));
  const gateway = view.connection?.value.gateway;
  if (isConnected(view) && typeof gateway === "string") labels.add(gatewayLabel(gateway));
  return labels;
}

/** An index that holds at least every agent a selector matches: those with one of the labels of each group. */
export type Candidates = readonly (readonly Label[])[];

/** What narrows a selector, if anything does. */
export function candidatesFor(selector: Selector): Candidates | undefined {
  const groups: Label[][] = [];
  for (const requirement of selector.requirements) {
    if (requirement.kind !== "in" || requirement.negated) continue;
    const { key, values } = requirement;
    if (key === "gateway" && wantsConnected(selector)) groups.push(values.map(gatewayLabel)); // it forgets those that left
    if (FACT_KEYS.has(key) || values.some((value) => value.length > MAX_INDEXED_VALUE)) continue;
    groups.push(values.map((value) => attributeLabel(key, value)));
  }
  return groups.length === 0 ? undefined : groups;
}

function wantsConnected({ requirements }: Selector): boolean {
  return requirements.some(
    (r) => r.key === "connected" && r.kind === "in" && !r.negated && !r.values.includes("false"),
  );
}

/** Fields of the index that tell who has a label: its own, and the bucket that has its entries otherwise. */
export function fieldsOf(label: Label): readonly [own: string, bucket: string] {
  return [label, `#${digestOf(label).toString("hex", 0, 1)}`];
}

/** Bytes of an entry, and of the part that tells whose it is; the row is the rest. */
const [ENTRY, PRINT] = [9, 6];

/** Who has a label, as a bitmap: the first bit for row 0. @param fields the values of its fields, null where there is none */
export function rowsWith(label: Label, [own, bucket]: readonly (Buffer | null)[]): Uint8Array {
  if (own) return own;
  const print = digestOf(label).subarray(1, 1 + PRINT);
  const rows: number[] = [];
  for (let at = bucket?.indexOf(print) ?? -1; bucket && at >= 0; at = bucket.indexOf(print, at + 1)) {
    if (at % ENTRY === 0) rows.push(bucket.readUIntBE(at + PRINT, ENTRY - PRINT));
  }
  return bitmapOf(rows);
}

function digestOf(label: Label): Buffer {
  return createHash("sha1").update(label).digest(); // what scripts have; nothing is trusted to it
}

/** A bitmap of some rows. */
export function bitmapOf(rows: readonly number[]): Uint8Array {
  const bitmap = new Uint8Array(rows.reduce((length, row) => Math.max(length, (row >> 3) + 1), 0));
  for (const row of rows) bitmap[row >> 3] = (bitmap[row >> 3] ?? 0) | (128 >> (row & 7));
  return bitmap;
}

/** Rows that are in any of them. */
export function union(bitmaps: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(Math.max(0, ...bitmaps.map(({ length }) => length)));
  for (const bitmap of bitmaps) {
    for (let i = 0; i < bitmap.length; i++) all[i] = (all[i] ?? 0) | (bitmap[i] ?? 0);
  }
  return all;
}

/** Rows that are in all of them; of none, none. */
export function intersection(bitmaps: readonly Uint8Array[]): Uint8Array {
  const [first = new Uint8Array(), ...others] = bitmaps.toSorted((a, b) => a.length - b.length);
  const common = Uint8Array.from(first);
  for (const bitmap of others) {
    for (let i = 0; i < common.length; i++) common[i] = (common[i] ?? 0) & (bitmap[i] ?? 0);
  }
  return common;
}

/** Whether a row is in it. */
export function hasRow(bitmap: Uint8Array, row: number): boolean {
  return ((bitmap[row >> 3] ?? 0) & (128 >> (row & 7))) !== 0;
}

/** Its rows, lowest first, but no more than `limit`. */
export function rowsIn(bitmap: Uint8Array, limit = Number.POSITIVE_INFINITY): number[] {
  const rows: number[] = [];
  for (let i = 0; i < bitmap.length && rows.length < limit; i++) {
    const byte = bitmap[i] ?? 0;
    for (let bit = 0; byte !== 0 && bit < 8; bit++) {
      if ((byte & (128 >> bit)) !== 0) rows.push(8 * i + bit);
    }
  }
  return rows.slice(0, limit);
}

/** How many rows are in it. */
export function countOf(bitmap: Uint8Array): number {
  let count = 0;
  for (const byte of bitmap) count += BITS[byte] ?? 0;
  return count;
}

const BITS = Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);
