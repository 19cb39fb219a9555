// Everything that a check finds in the files of a config before they are published: what keeps them from being a revision,
// and what an agent would not run or was probably not meant. Pure; the API answers it, and refuses what is an error.

import { assessStructure } from "./assess-structure.ts";
import { assessBody, type ConfigFile, canonicalFiles } from "./config.ts";
import type { Finding } from "./finding.ts";
import { assessReferences } from "./template.ts";

/** How files are to be judged. */
export interface JudgeBy {
  /** Files without content are meant. */
  readonly allowEmpty: boolean;
  /** Other configs define what these files name. */
  readonly isFragment: boolean;
}

/** What is found in the bodies of files, in the order of their names. */
export function assessConfig(files: readonly ConfigFile[], { allowEmpty, isFragment }: JudgeBy): readonly Finding[] {
  const sorted = canonicalFiles(files);
  const broken = sorted.flatMap((file): readonly Finding[] => {
    const problem = assessBody(file, allowEmpty);
    return problem === null ? [] : [{ severity: "error", file: file.name, ...problem }];
  });
  // What is in a file that does not parse might define what seems to be missing.
  if (broken.length > 0) return broken;
  return [...assessReferences(sorted), ...assessStructure(sorted, isFragment)];
}
