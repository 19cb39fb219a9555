// Groups: selectors under a name, and how a selector that names one is read: `group=web,healthy=false` asks for what the group
// web asks for, and for more. Pure. Whoever keeps such a selector for agents, as a rollout does, keeps what it was read as: a group
// that is changed later moves nobody.

import { FleetError, type Violation } from "./error.ts";
import { parseSelector, parseTargetSelector, type Requirement, type Selector } from "./selector.ts";

/** A saved selector. */
export interface Group {
  readonly id: string;
  readonly description: string;
  /** Names no other group. */
  readonly selector: string;
  /** Of the groups that an agent is in, the one with the highest stands for it; equal ones go by id. */
  readonly priority: number;
}

/** How rollouts are to go, under a name. */
export interface RolloutPolicy {
  readonly id: string;
  readonly description: string;
  /** The settings as the API keeps them; nobody else reads them. */
  readonly body: string;
}

/** The key that names a group in a selector. */
export const GROUP_KEY = "group";

/** The ids of the groups that a selector names. @throws FleetError `invalid` for anything but `group=<id>` */
export function groupsNamed({ requirements }: Selector): readonly string[] {
  return requirements
    .filter(({ key }) => key === GROUP_KEY)
    .map((requirement) => {
      const [id, ...more] = requirement.kind === "in" ? requirement.values : [];
      if (id !== undefined && more.length === 0 && !requirement.negated) return id;
      throw unsaid(`a group is named as group=<id>, once for each that an agent must be in`);
    });
}

/** Who something is for, as a selector's text. @throws FleetError `invalid`, also for what no rollout could make anything of */
export function parseTarget(text: string): string {
  const selector = parseTargetSelector(text);
  groupsNamed(selector);
  return selector.text;
}

/** A selector with what its groups ask for in their place. @throws FleetError `invalid` when a group is not there */
export function expandGroups(selector: Selector, groups: ReadonlyMap<string, Group>): Selector {
  const named = groupsNamed(selector);
  if (named.length === 0) return selector;
  const missing = named.filter((id) => !groups.has(id));
  if (missing.length > 0) throw unsaid(`there is no group ${missing.map((id) => `"${id}"`).join(", ")}`);
  const own = selector.requirements.filter(({ key }) => key !== GROUP_KEY);
  const theirs = named.flatMap((id) => parseSelector(groups.get(id)?.selector ?? "").requirements);
  const requirements = [...theirs, ...own];
  return { text: requirements.map(formatRequirement).join(","), requirements };
}

/** Everything that keeps a group from being kept, but for its id. */
export function assessGroup({ selector }: Pick<Group, "selector">): readonly Violation[] {
  try {
    const { requirements } = parseSelector(selector);
    if (requirements.every(({ key }) => key !== GROUP_KEY)) return [];
    return [{ field: "selector", description: "a group names no other group; write what that one asks for." }];
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    return error.violations;
  }
}

/** Groups in the order in which they stand for an agent that is in all of them. */
export function byPriority(groups: readonly Group[]): readonly Group[] {
  return [...groups].sort((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1));
}

/** A requirement in the language that it came from. */
export function formatRequirement(requirement: Requirement): string {
  const { key, negated } = requirement;
  const name = BARE.test(key) && key !== "in" && key !== "notin" ? key : quoted(key);
  switch (requirement.kind) {
    case "exists":
      return `${negated ? "!" : ""}${name}`;
    case "glob":
      return `${name}${negated ? "!=" : "="}${requirement.pattern}`;
    case "in": {
      const [value = "", ...more] = requirement.values;
      if (more.length === 0) return `${name}${negated ? "!=" : "="}${quoted(value)}`;
      return `${name} ${negated ? "notin" : "in"} (${requirement.values.map(quoted).join(",")})`;
    }
  }
}

/** Texts that mean themselves wherever they stand. */
const BARE = /^[^\s,()=!"*?]+$/;

function quoted(text: string): string {
  return BARE.test(text) ? text : `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

function unsaid(what: string): FleetError {
  return FleetError.invalid([{ field: "selector", description: `${what}.` }]);
}
