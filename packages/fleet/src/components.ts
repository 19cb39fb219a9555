// Which components a config uses, by kind and type: what an agent must have to run it. Pure.

import type { ConfigFile } from "./config.ts";
import { contentOf, isConfigMap } from "./merge.ts";

/** The parts of a Collector's config that name components. */
const KINDS = ["receivers", "processors", "exporters", "connectors", "extensions"] as const;

/**
 * Components that files use, as `receivers/otlp`: the kind and the type, without the name that tells two of a type apart
 * (`otlp/second` is an `otlp`). Sorted. Files that are not YAML maps use none; publishing refused those that do not parse.
 */
export function componentsUsed(files: readonly ConfigFile[]): readonly string[] {
  const used = new Set<string>();
  for (const file of files) {
    const config = contentOf(file) ?? {};
    for (const kind of KINDS) {
      const named = config[kind];
      if (!isConfigMap(named)) continue;
      for (const id of Object.keys(named)) used.add(`${kind}/${id.split("/")[0]}`);
    }
  }
  return [...used].sort();
}
