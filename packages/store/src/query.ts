// Whom a selector matches, by the index of a partition: each requirement becomes a bitmap of rows, and those of all are cut
// with each other. Where a requirement says more than is indexed, the rows are candidates, and each is looked at by the
// evaluator (fleet's matches), which has the last word about whom a list tells.

import { isMetBy, type Requirement, type Selector, VERSION_KEY } from "@muster/fleet";
import type { Redis } from "ioredis";
import { fullCapabilities, type ShortCapability } from "./capability-places.ts";
import type { ComponentsAt } from "./components.ts";
import { loadLabels } from "./gen/scripts.ts";
import { fleetKeys, type Partition } from "./keys.ts";
import { bitmapIn, difference, EVERYBODY, intersection, type Label, labelOf, longLabel, union } from "./labels.ts";
import { runBinary } from "./redis.ts";

/** Rows of a partition that a selector may match. */
export interface Matching {
  readonly rows: Uint8Array;
  /** Whether it matches every one of them; if not, each is to be looked at. */
  readonly isExact: boolean;
}

/** Values of keys that agents of a partition have; null: too many to be kept. */
export type Values = ReadonlyMap<string, readonly string[] | null>;

/** What a requirement asks of the index: rows with one of some labels, or without any of them. */
interface Clause {
  readonly labels: readonly Label[];
  /** Rows with these may meet it, too, or may not. */
  readonly unsure: readonly Label[];
  readonly isNegated: boolean;
}

/** Looks a selector up; null: it may match anybody, and each is to be looked at. */
export async function findRows(
  fleet: Redis,
  p: Partition,
  { requirements }: Selector,
  componentsAt: ComponentsAt,
): Promise<Matching | null> {
  const values = await loadValues(fleet, p, [
    ...new Set(requirements.filter(needsValues).map(({ key }) => indexKeyOf(key))),
  ]);
  const clauses = await Promise.all(requirements.map((each) => clauseOf(each, values, componentsAt)));
  const known = clauses.filter((clause) => clause !== null);
  if (known.length === 0 && requirements.length > 0) return null;
  const [without, having] = [known.filter(({ isNegated }) => isNegated), known.filter(({ isNegated }) => !isNegated)];
  const all = having.length === 0 ? EVERYBODY : [];
  const rowsOf = await loadRowsOf(fleet, p, [...all, ...known.flatMap(({ labels, unsure }) => [...labels, ...unsure])]);
  const among = having.map(({ labels, unsure }) => rowsOf([...labels, ...unsure]));
  const rows = intersection(having.length === 0 ? [rowsOf(EVERYBODY)] : among);
  const isSure = known.every(({ unsure }) => rowsOf(unsure).every((byte) => byte === 0));
  return {
    rows: without.reduce((left, { labels }) => difference(left, rowsOf(labels)), rows),
    isExact: isSure && known.length === clauses.length,
  };
}

/** Rows by value of a key, of a partition; null where there are too many values. */
export async function loadRowsByValue(
  fleet: Redis,
  p: Partition,
  key: string,
  componentsAt: ComponentsAt,
): Promise<ReadonlyMap<string, Uint8Array> | null> {
  const indexed = indexKeyOf(key);
  const values = (await loadValues(fleet, p, [indexed])).get(indexed) ?? null;
  if (values === null) return null;
  const rowsOf = await loadRowsOf(fleet, p, [longLabel(indexed), ...values.map((value) => labelOf(indexed, value))]);
  if (rowsOf([longLabel(indexed)]).some((byte) => byte !== 0)) return null;
  const all = new Map<string, Uint8Array>();
  for (const value of values) {
    const rows = rowsOf([labelOf(indexed, value)]);
    for (const name of await namesIn(key, value, componentsAt))
      all.set(name, union([all.get(name) ?? new Uint8Array(), rows]));
  }
  return all;
}

/** What a key of selectors is indexed under. */
function indexKeyOf(key: string): string {
  return key === "version" ? VERSION_KEY : key;
}

/** Whether it takes the values that there are to know which labels it means. */
function needsValues({ kind, key }: Requirement): boolean {
  return kind !== "in" || key === "component" || key === "capability";
}

/** What an agent has of a key that has this value in the index: several components and capabilities are one value there. */
async function namesIn(key: string, value: string, componentsAt: ComponentsAt): Promise<Iterable<string>> {
  if (key === "component") return (await componentsAt(value)) ?? [];
  if (key === "capability") return fullCapabilities(JSON.parse(value) as readonly ShortCapability[]); // as labels.ts wrote it
  return [value];
}

/** null: the index knows nothing of it. */
async function clauseOf(requirement: Requirement, values: Values, componentsAt: ComponentsAt): Promise<Clause | null> {
  const key = indexKeyOf(requirement.key);
  const isNegated = requirement.negated;
  if (!needsValues(requirement) && requirement.kind === "in") {
    const labels = requirement.values.map((value) => labelOf(key, value));
    const long = labels.filter((label) => label === longLabel(key));
    return { labels: labels.filter((label) => label !== longLabel(key)), unsure: long, isNegated };
  }
  const known = values.get(key) ?? null;
  if (known === null) return null;
  const isMet = await Promise.all(
    known.map(async (value) => {
      const names = await namesIn(key, value, componentsAt);
      return [...names].some((name) => isMetBy(requirement, name));
    }),
  );
  const labels = known.filter((_, i) => isMet[i]).map((value) => labelOf(key, value));
  // To have a key at all, a long value is as good as any.
  return requirement.kind === "exists"
    ? { labels: [...labels, longLabel(key)], unsure: [], isNegated }
    : { labels, unsure: [longLabel(key)], isNegated };
}

/** Values that lua/lib/labels.lua keeps of keys. */
async function loadValues(fleet: Redis, p: Partition, keys: readonly string[]): Promise<Values> {
  if (keys.length === 0) return new Map();
  const lists = await fleet.hmgetBuffer(fleetKeys.labels(p), ...keys.map((key) => `=${key}`));
  return new Map(keys.map((key, i) => [key, valuesIn(lists[i] ?? Buffer.alloc(0))]));
}

function valuesIn(list: Buffer): readonly string[] | null {
  if (list.equals(TOO_MANY)) return null;
  const values: string[] = [];
  for (let at = 2; at < list.length; ) {
    const size = list.readUInt16BE(at) + 1;
    values.push(list.toString("utf8", at + 2, at + size));
    at += size;
  }
  return values;
}

const TOO_MANY = Buffer.from("*");
/** Bitmaps that one command answers: Redis serves nobody else for some milliseconds. */
const MAX_LABELS = 100;

/** Rows with one of some of these labels. */
async function loadRowsOf(fleet: Redis, p: Partition, asked: readonly Label[]) {
  const labels = [...new Set(asked)];
  const found = new Map<Label, Uint8Array>();
  for (let from = 0; from < labels.length; from += MAX_LABELS) {
    const some = labels.slice(from, from + MAX_LABELS);
    const replies = await runBinary(fleet, loadLabels, [fleetKeys.labels(p), fleetKeys.rows(p)], some);
    for (const [i, reply] of (replies as readonly Buffer[]).entries()) found.set(some[i] ?? "", bitmapIn(reply)); // its header
  }
  return (some: readonly Label[]): Uint8Array => {
    const [first = NOBODY, ...others] = some.map((label) => found.get(label) ?? NOBODY);
    return others.length === 0 ? first : union([first, ...others]);
  };
}

const NOBODY = new Uint8Array();
