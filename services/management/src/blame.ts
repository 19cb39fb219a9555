// Which revision brought each line of a config's files. Pure: revisions are given from the newest to the oldest, one by one,
// until every line is told or there are no more.
//
// A line is carried from a revision to the one before it where the comparison of the two finds it in both; where it does not,
// the newer one brought it. A file of another name is another file.

import { diffArrays } from "diff";

/** A file with its lines, without their ends. */
export interface TextFile {
  readonly name: string;
  readonly lines: readonly string[];
}

/** What is too different to be compared in this time counts as all new. */
const DIFF_TIMEOUT_MS = 250;

/** One file, while its lines are traced back. */
interface Trace {
  readonly name: string;
  readonly lines: readonly string[];
  /** The revision that brought each line, as far as it is known. */
  readonly broughtBy: (number | null)[];
  /** Lines not told yet, by where they stand in the revision that was looked at last. */
  open: Map<number, number>;
  /** The file there. */
  last: readonly string[];
}

/** Traces the lines of one revision's files. */
export interface Blame {
  /** Looks at the revision before the one that was looked at last. */
  lookAt(revision: number, files: readonly TextFile[]): void;
  isDone(): boolean;
  /** Per file, the revision that brought each line; those not told yet came with the last one looked at, or before. */
  told(): readonly {
    readonly name: string;
    readonly lines: readonly { readonly text: string; readonly revision: number }[];
  }[];
}

/** Starts at a revision. */
export function createBlame(start: number, files: readonly TextFile[]): Blame {
  let last = start;
  const traces = files.map(
    ({ name, lines }): Trace => ({
      name,
      lines,
      broughtBy: lines.map(() => null),
      open: new Map(lines.map((_, i) => [i, i])),
      last: lines,
    }),
  );
  return {
    lookAt(revision, older) {
      for (const trace of traces) {
        if (trace.open.size > 0) step(trace, last, older.find(({ name }) => name === trace.name)?.lines ?? []);
      }
      last = revision;
    },
    isDone: () => traces.every(({ open }) => open.size === 0),
    told: () =>
      traces.map(({ name, lines, broughtBy }) => ({
        name,
        lines: lines.map((text, i) => ({ text, revision: broughtBy[i] ?? last })),
      })),
  };
}

/** Carries lines to an older file; those that are not in it were brought by the newer one. */
function step(trace: Trace, newer: number, older: readonly string[]): void {
  const places = placesIn(older, trace.last);
  const open = new Map<number, number>();
  for (const [at, line] of trace.open) {
    const place = places.get(at);
    if (place === undefined) trace.broughtBy[line] = newer;
    else open.set(place, line);
  }
  trace.open = open;
  trace.last = older;
}

/** Where lines of the newer file stand in the older one. */
function placesIn(older: readonly string[], newer: readonly string[]): ReadonlyMap<number, number> {
  const places = new Map<number, number>();
  let [at, place] = [0, 0];
  const changes = diffArrays([...older], [...newer], { timeout: DIFF_TIMEOUT_MS }) ?? [];
  for (const { added, removed, value } of changes) {
    if (!added && !removed) for (let i = 0; i < value.length; i++) places.set(at + i, place + i);
    if (!removed) at += value.length;
    if (!added) place += value.length;
  }
  return places;
}
