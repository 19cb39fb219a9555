// Variables: attributes of the agent that bodies refer to, such as `${agent:host.name}`. Which ones a revision uses, what
// they are for one agent, and what an agent lacks that has no value for one. Pure. template.ts puts the values in.

import type { ConfigFile } from "./config.ts";
import type { InstanceUid } from "./ids.ts";
import { referencesIn } from "./template.ts";

/** A variable that a revision uses. */
export interface Variable {
  /** The attribute, or `instance_uid`. */
  readonly key: string;
  /** Whether an agent needs a value for it: somewhere it has no fallback. */
  readonly isRequired: boolean;
}

/** The variable that every agent has: its instance uid. */
export const UID_VARIABLE = "instance_uid";

/** Values by key, in the order of the keys; those that have none are left out. */
export type VariableValues = readonly (readonly [key: string, value: string])[];

/** The variables that files use, in the order of their keys. */
export function variablesIn(files: readonly ConfigFile[]): readonly Variable[] {
  const required = new Map<string, boolean>();
  for (const { kind, name, fallback } of referencesIn(files)) {
    if (kind === "agent") required.set(name, (required.get(name) ?? false) || fallback === null);
  }
  const variables = [...required].map(([key, isRequired]) => ({ key, isRequired }));
  return variables.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** What an agent must have for a variable, beside the components that it must have: `${agent:host.name}`. */
export function requirementOf({ key }: Pick<Variable, "key">): string {
  return `\${agent:${key}}`;
}

/** The variable that a requirement is about; null where it is about a component. */
export function variableIn(requirement: string): string | null {
  return requirement.startsWith("${agent:") ? requirement.slice("${agent:".length, -1) : null;
}

/** The values that variables have for one agent. @param labels its attributes and the operators' labels */
export function valuesFor(
  keys: readonly string[],
  labels: ReadonlyMap<string, string>,
  uid: InstanceUid,
): VariableValues {
  return keys.flatMap((key) => {
    const value = key === UID_VARIABLE ? uid : labels.get(key);
    return value === undefined ? [] : [[key, value] as const];
  });
}
