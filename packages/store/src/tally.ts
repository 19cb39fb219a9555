// Counts of agents, off the index alone where that says all: a count over a million agents is a few hundred kilobytes of
// bitmaps. Where the index says less than the selector, each agent that it leaves is looked at, up to a bound.

import { FleetError, parseSelector, type Selectable, type Selector } from "@muster/fleet";
import type { Redis } from "ioredis";
import type { ComponentsAt } from "./components.ts";
import type { Partition } from "./keys.ts";
import { countOf, difference, intersection } from "./labels.ts";
import { findRows, loadRowsByValue } from "./query.ts";

/** Agents by what they have of a key. */
export interface Summary {
  /** How many have each value, most first; an agent with several values counts for each. */
  readonly groups: readonly { readonly value: string; readonly count: number }[];
  /** Agents that have no value of the key. */
  readonly withoutCount: number;
  /** All agents that the selector matches. */
  readonly totalCount: number;
}

/** What it reads. */
export interface TallyDeps {
  readonly fleet: Redis;
  readonly partitions: number;
  readonly componentsAt: ComponentsAt;
  /** What there is to select of every agent that the selector matches, some at a time. */
  readonly lookAt: (selector: Selector, signal: AbortSignal) => AsyncIterable<readonly Selectable[]>;
}

/** Counts of agents. */
export interface Tally {
  /**
   * How many agents a selector matches.
   * @throws FleetError `failed_precondition` when more than 100,000 agents would have to be looked at one by one
   */
  count(selector: Selector, signal: AbortSignal): Promise<number>;
  /** The same by what they have of a key: an attribute or a fact. @throws as `count` */
  summarize(selector: Selector, key: string, signal: AbortSignal): Promise<Summary>;
}

/** Agents that are looked at one by one for one answer: some seconds. */
const MAX_LOOKED_AT = 100_000;

export function createTally(deps: TallyDeps): Tally {
  const all = Array.from({ length: deps.partitions }, (_, p) => p);
  const ofEach = <T>(ask: (p: Partition) => Promise<T>): Promise<readonly T[]> => Promise.all(all.map(ask));

  /** Refuses to look at a whole large fleet. */
  async function* lookAt(selector: Selector, signal: AbortSignal): AsyncIterable<readonly Selectable[]> {
    const counts = await ofEach(async (p) => {
      const found = await findRows(deps.fleet, p, selector, deps.componentsAt);
      return countOf((found ?? (await findRows(deps.fleet, p, EVERYBODY, deps.componentsAt)))?.rows ?? NOBODY);
    });
    const count = sum(counts);
    if (count > MAX_LOOKED_AT) throw tooMany(selector, count);
    yield* deps.lookAt(selector, signal);
  }

  return {
    async count(selector, signal) {
      const counts = await ofEach((p) => countRows(deps, p, selector));
      if (!counts.includes(null)) return sum(counts.map(Number));
      let count = 0;
      for await (const some of lookAt(selector, signal)) count += some.length;
      return count;
    },
    async summarize(selector, key, signal) {
      const told = await ofEach((p) => summarizeRows(deps, p, selector, key));
      if (!told.includes(null)) return merged(told.flatMap((each) => each ?? []));
      const parts: Part[] = [];
      for await (const some of lookAt(selector, signal)) parts.push(summarizeValues(some.map((each) => each.get(key))));
      return merged(parts);
    },
  };
}

const EVERYBODY = parseSelector("");
const NOBODY = new Uint8Array();

async function countRows({ fleet, componentsAt }: TallyDeps, p: Partition, selector: Selector): Promise<number | null> {
  const found = await findRows(fleet, p, selector, componentsAt);
  return found?.isExact === true ? countOf(found.rows) : null;
}

/** A summary of some of the agents. */
interface Part {
  readonly counts: ReadonlyMap<string, number>;
  readonly withoutCount: number;
  readonly totalCount: number;
}

async function summarizeRows(
  { fleet, componentsAt }: TallyDeps,
  p: Partition,
  selector: Selector,
  key: string,
): Promise<Part | null> {
  const [found, byValue] = await Promise.all([
    findRows(fleet, p, selector, componentsAt),
    loadRowsByValue(fleet, p, key, componentsAt),
  ]);
  if (found?.isExact !== true || byValue === null) return null;
  const counts = new Map([...byValue].map(([value, rows]) => [value, countOf(intersection([found.rows, rows]))]));
  const without = [...byValue.values()].reduce(difference, found.rows);
  return { counts, withoutCount: countOf(without), totalCount: countOf(found.rows) };
}

function summarizeValues(all: readonly (string | readonly string[] | undefined)[]): Part {
  const counts = new Map<string, number>();
  for (const value of all.flatMap((each) => each ?? [])) counts.set(value, (counts.get(value) ?? 0) + 1);
  return { counts, withoutCount: all.filter((each) => each === undefined).length, totalCount: all.length };
}

function merged(parts: readonly Part[]): Summary {
  const counts = new Map<string, number>();
  for (const [value, count] of parts.flatMap((part) => [...part.counts]))
    counts.set(value, (counts.get(value) ?? 0) + count);
  const groups = [...counts].filter(([, count]) => count > 0).map(([value, count]) => ({ value, count }));
  return {
    groups: groups.sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1)),
    withoutCount: sum(parts.map(({ withoutCount }) => withoutCount)),
    totalCount: sum(parts.map(({ totalCount }) => totalCount)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}

function tooMany({ text }: Selector, count: number): FleetError {
  const message =
    `"${text}" asks for more than the index knows, and each of ${count} agents would have to be looked at; the most is ` +
    `${MAX_LOOKED_AT}. Narrow it with a key that has few values, such as env=prod.`;
  return new FleetError("failed_precondition", message, { reason: "TOO_MANY_TO_LOOK_AT" });
}
