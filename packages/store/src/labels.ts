// What agents are found by: labels, and the rows of a partition that have them. Every agent of a partition has a row, a
// small number that it keeps for as long as it is there; who has a label is then a bitmap, or a few rows (how they are kept
// is known to lua/lib/labels.lua alone). A row that is found may have another agent by the time it is read: whoever is found
// is looked at before it is told. Pure.

import { type AgentView, FACT_KEYS, isConnected, labelsOf } from "@muster/fleet";
import { shortCapabilities } from "./capability-places.ts";

/** What is indexed: a key that selectors may name, with a value that an agent has of it. */
export type Label = string;

/** A longer value is not indexed by itself, but with all others of its key that are too long. */
export const MAX_INDEXED_VALUE = 256;

/** The label of a value of a key. The length, in bytes, keeps `a=b` with value `c` apart from `a` with value `b=c`. */
export function labelOf(key: string, value: string): Label {
  return value.length > MAX_INDEXED_VALUE ? longLabel(key) : `${Buffer.byteLength(key)}:${key}=${value}`;
}

/** The label of all values of a key that are too long to be indexed one by one. */
export function longLabel(key: string): Label {
  return `${Buffer.byteLength(key)}:${key}`;
}

/** Something that agents are found by. */
interface Indexed {
  /** What of a view it is read off. */
  readonly facets: readonly (keyof AgentView)[];
  readonly labels: (view: AgentView) => readonly Label[];
}

const INDEXED: readonly Indexed[] = [
  {
    facets: ["connection"],
    labels({ connection }) {
      const gateway = connection?.value.gateway ?? null;
      return gateway === null ? [] : [labelOf("gateway", gateway)];
    },
  },
  {
    facets: ["description", "metadata"],
    // A fact hides an attribute of the same name.
    labels: (view) => [...labelsOf(view)].flatMap(([key, value]) => (FACT_KEYS.has(key) ? [] : [labelOf(key, value)])),
  },
  {
    facets: ["health"],
    labels: ({ health }) => (health === null ? [] : [labelOf("healthy", String(health.value.healthy))]),
  },
  {
    facets: ["acknowledgement"],
    labels: ({ acknowledgement }) =>
      acknowledgement === null ? [] : [labelOf("config.status", acknowledgement.value.state)],
  },
  {
    facets: ["drift"],
    labels: ({ drift }) => (drift === null ? [] : [labelOf("config.drift", String(drift.isDrifted))]),
  },
  {
    // All together are one value: agents of a kind have the same.
    facets: ["capabilities"],
    labels({ capabilities }) {
      const short = shortCapabilities(capabilities?.value ?? []);
      return short.length === 0 ? [] : [labelOf("capability", JSON.stringify(short))];
    },
  },
  {
    // Components are indexed by where their inventory is: many agents share one, and it may be told later.
    facets: ["components"],
    labels({ components }) {
      const address = components?.value.address;
      return typeof address === "string" ? [labelOf("component", address)] : [];
    },
  },
];

/** Of everybody: every agent has one of these. */
export const EVERYBODY: readonly Label[] = [labelOf("connected", "true"), labelOf("connected", "false")];

/** Whether it is there: of every agent, whatever else is known of it. */
export function presenceOf(view: AgentView): Label {
  return labelOf("connected", String(isConnected(view)));
}

/** Everything that an agent is found by. */
export function indexedLabels(view: AgentView): ReadonlySet<Label> {
  return new Set([presenceOf(view), ...INDEXED.flatMap(({ labels }) => labels(view))]);
}

/** What a view is found by that it was not found by before, and the other way round. Most changes touch nothing of it. */
export function changedLabels(before: AgentView | null, after: AgentView): readonly [joins: Label[], leaves: Label[]] {
  if (before === null) return [[...indexedLabels(after)], []];
  const changed = INDEXED.filter(({ facets }) => facets.some((facet) => before[facet] !== after[facet]));
  const read = (view: AgentView) => new Set([presenceOf(view), ...changed.flatMap(({ labels }) => labels(view))]);
  return comingAndGoing(read(before), read(after));
}

/** What only the second has, and what only the first has. */
export function comingAndGoing(old: ReadonlySet<string>, now: ReadonlySet<string>): readonly [string[], string[]] {
  return [[...now].filter((each) => !old.has(each)), [...old].filter((each) => !now.has(each))];
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

/** Rows of the first that are not in the second. */
export function difference(from: Uint8Array, taken: Uint8Array): Uint8Array {
  return from.map((byte, i) => byte & ~(taken[i] ?? 0));
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
