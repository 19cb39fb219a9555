// What a check finds in the files of a config: how bad, where, and what to do. Data only; config.ts and structure.ts find, the
// API and people read.

/** One thing that is wrong, or probably not meant. */
export interface Finding {
  /** An agent would not run what has an error. */
  readonly severity: "warning" | "error";
  /** Name of the file; "" for all of them. */
  readonly file: string;
  /** From 1; 0 for the file as a whole. */
  readonly line: number;
  /** From 1; 0 for the file as a whole. */
  readonly column: number;
  /** What is wrong and what to do, as a sentence. */
  readonly message: string;
}
