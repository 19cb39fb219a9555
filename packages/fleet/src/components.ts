// Which components a config uses, by kind and type: what an agent must have to run it. Pure.

import { parse } from "yaml";
import type { ConfigFile } from "./config.ts";

/** The parts of a Collector's config that name components. */
const KINDS = ["receivers", "processors", "exporters", "connectors", "extensions"] as const;

/**
 * Components that files use, as `receivers/otlp`: the kind and the type, without the name that tells two of a type apart
 * (`otlp/second` is an `otlp`). Sorted. Files that are not YAML maps use none; publishing refused those that do not parse.
 */
export function componentsUsed(files: readonly ConfigFile[]): readonly string[] {
  const used = new Set<string>();
  for (const { body } of files) {
    const config = asMap(parsed(body));
    for (const kind of KINDS) {
      for (const id of Object.keys(asMap(config[kind]))) used.add(`${kind}/${id.split("/")[0]}`);
    }
  }
  return [...used].sort();
}

function parsed(body: Uint8Array): unknown {
  try {
    return parse(new TextDecoder().decode(body));
  } catch {
    return null;
  }
}

function asMap(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}; // checked
}
