// What is read off the view of an agent: facts, labels, and what it refers to. Pure.

import { FACET_NAMES } from "./agent.ts";
import type { AttributeValue } from "./event.ts";
import type { InstanceUid } from "./ids.ts";
import type { OperatorLabels } from "./metadata.ts";
import type { Selectable } from "./selector.ts";
import type { AgentView, Description } from "./view.ts";

/** Whether a session of the agent is live. */
export function isConnected(agent: AgentView): boolean {
  return agent.connection !== null && agent.connection.value.ended === null;
}

/** Whether the agent says that it can do this; false while its capabilities are unknown. */
export function hasCapability(agent: AgentView, name: string): boolean {
  return agent.capabilities?.value.includes(name) ?? false;
}

/** Addresses of the bodies in the agent's partition that a view refers to. */
export function bodiesOf(agent: AgentView): ReadonlySet<string> {
  const parts = [...agent.customMessages, ...agent.unrecognized].map(({ body }) => body);
  const all = [agent.effectiveConfig?.value.body, ...parts];
  return new Set(all.filter((address) => typeof address === "string"));
}

/** The uid that an agent had first: what it was assigned by rank stays its own when it is given another. */
export function originOf(agent: AgentView): InstanceUid {
  return agent.previousUids[0] ?? agent.uid;
}

/** When anything last changed, milliseconds since 1970. */
export function updatedAtMs(agent: AgentView): number {
  const last = [agent.customMessages.at(-1)?.atMs ?? 0, agent.actions.at(-1)?.atMs ?? 0];
  return Math.max(agent.firstSeenAtMs, ...last, ...FACET_NAMES.map((name) => agent[name]?.atMs ?? 0));
}

/** When it was last there: now while a session is live; else when the session ended, or it was last heard of. */
export function lastSeenAtMs(agent: AgentView, nowMs: number): number {
  return isConnected(agent) ? nowMs : updatedAtMs(agent);
}

/**
 * What selectors see of an agent: every attribute that is a single value, as text, and what operators labelled it. Where a key
 * is several of these, the operators' label counts first, then the identifying attribute. `name` is the host's name where
 * nothing else is called so. Byte order marks in front are no part of a text.
 */
export function labelsOf({
  description,
  metadata,
}: Pick<AgentView, "description" | "metadata">): ReadonlyMap<string, string> {
  const reported =
    description === null ? UNLABELLED : remembered(known, description, () => labelsIn(description.value));
  if (metadata === null || metadata.labels.length === 0) return reported;
  const { labels, of } = remembered(labelled, metadata, () => labelledAs(reported, metadata));
  return of === reported ? labels : labelledAs(reported, metadata).labels;
}

function labelledAs(reported: ReadonlyMap<string, string>, { labels }: OperatorLabels): Labelled {
  return { of: reported, labels: new Map([...reported, ...labels]) };
}

function remembered<Key extends object, Value>(answers: WeakMap<Key, Value>, key: Key, answer: () => Value): Value {
  const before = answers.get(key);
  if (before !== undefined) return before;
  const value = answer();
  answers.set(key, value);
  return value;
}

/** The labels of an agent with those of operators, and without. */
interface Labelled {
  readonly of: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
}

const UNLABELLED: ReadonlyMap<string, string> = new Map();
/** A pass over a rollout asks several times, and descriptions hardly ever change. A pure function's answers. */
const known = new WeakMap<object, ReadonlyMap<string, string>>();
const labelled = new WeakMap<OperatorLabels, Labelled>();

function labelsIn({ identifying, nonIdentifying }: Description): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const [key, value] of [...nonIdentifying, ...identifying]) {
    const text = labelText(value);
    if (text !== null) labels.set(unmarked(key), unmarked(text));
  }
  const host = labels.get(HOST_KEY);
  if (host !== undefined && !labels.has(NAME_KEY)) labels.set(NAME_KEY, host);
  return labels;
}

/** What people call an agent by: an attribute or a label of this name, or else its host's name. */
const NAME_KEY = "name";
const HOST_KEY = "host.name";

/** What follows byte order marks: some decoders keep them and some do not, and an index must not depend on who read a view. */
function unmarked(text: string): string {
  return text.replace(/^\ufeff+/, "");
}

function labelText(value: AttributeValue): string | null {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : null;
}

/** The attribute that the fact `version` is. */
export const VERSION_KEY = "service.version";

/**
 * What queries see of an agent: its labels, and facts beside them, which hide attributes of the same name. Configs may not be
 * for agents by facts: a target must not flap with them. @param components that it says it has; empty: it does not say
 */
export function selectableOf(agent: AgentView, components: readonly string[]): Selectable {
  const labels = labelsOf(agent);
  const facts: readonly (readonly [string, string | readonly string[] | undefined])[] = [
    ["connected", String(isConnected(agent))],
    ["healthy", agent.health === null ? undefined : String(agent.health.value.healthy)],
    ["config.status", agent.acknowledgement?.value.state],
    ["config.drift", agent.drift === null ? undefined : String(agent.drift.isDrifted)],
    ["gateway", agent.connection?.value.gateway ?? undefined],
    ["version", labels.get(VERSION_KEY)],
    ["capability", agent.capabilities?.value],
    ["component", components],
  ];
  const all = new Map<string, string | readonly string[]>(labels);
  for (const [key, value] of facts) {
    if (value === undefined || (typeof value !== "string" && value.length === 0)) all.delete(key);
    else all.set(key, value);
  }
  return all;
}
