// Spans, numbers and choices of a request, with their defaults and limits. Pure; what is wrong is collected and told at once.

import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import type { Violation } from "@muster/fleet";

export const MINUTE_MS = 60_000;
/** Longest span of a rollout. */
const MAX_SPAN_MS = 30 * 86_400_000;

/** Reads spans, numbers and choices, and collects what is wrong with them. */
export interface Spans {
  /** A span in milliseconds; `missing` where there is none. */
  read<Missing>(field: string, span: Duration | undefined, missing: Missing, min?: number): number | Missing;
  /** A number from 0 on, 0 meaning none: null. */
  limit(field: string, value: bigint): number | null;
  /** A number within bounds; `missing` where there is none. */
  number<Missing>(
    field: string,
    value: number | undefined,
    missing: Missing,
    min: number,
    max: number,
  ): number | Missing;
  /** What an enum value stands for; newer clients may know values that we do not. */
  choice<Word>(field: string, words: Readonly<Record<number, Word>> & { readonly 0: Word }, value: number): Word;
}

/** A reader that adds to `violations`. */
export function createSpans(violations: Violation[]): Spans {
  return {
    read(field, span, missing, min = 0) {
      if (span === undefined) return missing;
      const ms = durationMs(span);
      if (ms >= min && ms <= MAX_SPAN_MS) return ms;
      violations.push({ field, description: `${ms / 1000} s is not from ${min / 1000} s to 30 days.` });
      return missing;
    },
    limit(field, value) {
      if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
        violations.push({ field, description: `${value} is not a number from 0 on.` });
      }
      return value === 0n ? null : Number(value);
    },
    number(field, value, missing, min, max) {
      if (value === undefined) return missing;
      if (value >= min && value <= max) return value;
      violations.push({ field, description: `${value} is not from ${min} to ${max}.` });
      return missing;
    },
    choice(field, words, value) {
      const word = words[value];
      if (word === undefined) violations.push({ field, description: `this server does not know the value ${value}.` });
      return word ?? words[0];
    },
  };
}
