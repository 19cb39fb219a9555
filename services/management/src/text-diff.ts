// Differences of texts as `diff -u` writes them. Pure. The one place that knows the library.

import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";

/** What takes longer to compare than this is not compared: it would hold up everybody else. */
const DIFF_TIMEOUT_MS = 250;
const PATCH = { context: 3, headerOptions: FILE_HEADERS_ONLY, timeout: DIFF_TIMEOUT_MS };

/** The unified diff of two texts; "" when they are the same. */
export function diffTexts(name: string, before: string, after: string): string {
  if (before === after) return "";
  return (
    createTwoFilesPatch(name, name, before, after, "", "", PATCH) ?? `${name}: too different to be shown line by line\n`
  );
}
