// What agents are found by: labels, and the rows of a partition that have them. Every agent of a partition has a row, a
// small number that it keeps for as long as it is there; who has a label is then a bitmap, or a few rows (how they are kept
// is known to lua/lib/labels.lua alone). A row that is found may have another agent by the time it is read, and two labels
// may share a hash: whoever is found is looked at before it counts. Pure.

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
  const labels = new Set<Label>();
  for (const [key, value] of labelsOf(view)) {
    if (value.length <= MAX_INDEXED_VALUE) labels.add(attributeLabel(key, value));
  }
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

/** Bytes of a row. */
const ROW_BYTES = 3;

/** Who has a label, as a bitmap: the first bit for row 0. @param reply of load-labels.lua */
export function bitmapIn(reply: Buffer): Uint8Array {
  if (reply[0] === "b".charCodeAt(0)) return reply.subarray(1);
  const rows: number[] = [];
  for (let at = 1; at < reply.length; at += ROW_BYTES) rows.push(reply.readUIntBE(at, ROW_BYTES));
  return bitmapOf(rows);
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
