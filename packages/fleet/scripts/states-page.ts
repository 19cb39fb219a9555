// The page docs/rollout-states.md: the state machines of a rollout as diagrams and tables, from the very tables that decide
// (src/rollout-states.ts). Pure: a text; generate.ts writes it.

import {
  AGENT_STATES,
  AGENT_TRANSITIONS,
  ROLLOUT_PHASES,
  ROLLOUT_REASONS,
  ROLLOUT_TRANSITIONS,
  STAGE_STATES,
  STAGE_TRANSITIONS,
} from "../src/rollout-states.ts";

/** One state machine: what its states mean, in order, the first one being the beginning; and which may follow which. */
export interface Machine {
  readonly meanings: Readonly<Record<string, string>>;
  readonly transitions: Readonly<Record<string, readonly string[]>>;
}

/** The whole page. */
export function statesPage(): string {
  return `${[
    "<!-- Generated from packages/fleet/src/rollout-states.ts (npm run generate). Do not edit. -->",
    "# States of a rollout",
    "A rollout is in one phase, each of its stages in one state, and each agent that it is for in one state. Everything that \
moves takes a step of these tables, and a rollout always says why it is where it is.",
    "## Phases of a rollout",
    drawMachine({ meanings: ROLLOUT_PHASES, transitions: ROLLOUT_TRANSITIONS }),
    "## Why a rollout is where it is",
    "The status of a rollout holds its phase, one of these reasons, and a sentence about the case at hand.",
    drawTable(
      ["reason", "meaning"],
      Object.entries(ROLLOUT_REASONS).map(([reason, meaning]) => [code(reason), meaning]),
    ),
    "## States of a stage",
    drawMachine({ meanings: STAGE_STATES, transitions: STAGE_TRANSITIONS }),
    "## States of an agent",
    "An agent's state is judged afresh from what is known of it, so one that did much between two looks may seem to skip \
states. The counts of a rollout add up: every agent that it is for is in exactly one of these.",
    drawMachine({ meanings: AGENT_STATES, transitions: AGENT_TRANSITIONS }),
  ].join("\n\n")}\n`;
}

/** One step from a state to another. */
type Step = readonly [from: string, to: string];

/** A diagram of a machine, and its table, which has every step. */
export function drawMachine({ meanings, transitions }: Machine): string {
  const states = Object.keys(meanings);
  const steps = states.flatMap((from) => (transitions[from] ?? []).map((to): Step => [from, to]));
  const hidden = steps.filter((step) => isHidden(step, transitions));
  const names = [...new Set(hidden.map(([, to]) => code(to)))];
  const rows = states.map((state) => [
    code(state),
    meanings[state] ?? "",
    (transitions[state] ?? []).map(code).join(", ") || "nothing",
  ]);
  return [
    drawDiagram(
      states,
      steps.filter((step) => !hidden.includes(step)),
      transitions,
    ),
    ...(hidden.length === 0
      ? []
      : [`Most states may be followed by ${list(names)}; the table has the steps that the diagram leaves out.`]),
    drawTable(["state", "meaning", "may be followed by"], rows),
  ].join("\n\n");
}

function drawDiagram(states: readonly string[], steps: readonly Step[], transitions: Machine["transitions"]): string {
  const drawn = new Set(steps.flat());
  const ends = states.filter((state) => drawn.has(state) && transitions[state]?.length === 0);
  const lines = [...steps, ...ends.map((end): Step => [end, "[*]"])].map(([from, to]) => `  ${from} --> ${to}`);
  return ["```mermaid", "stateDiagram-v2", `  [*] --> ${states[0]}`, ...lines, "```"].join("\n");
}

/** Arrows to a state that more than half of the others lead to would hide all others; that of a state's first step stays. */
function isHidden([from, to]: Step, transitions: Machine["transitions"]): boolean {
  const others = Object.keys(transitions).filter((state) => state !== to);
  const leading = others.filter((state) => transitions[state]?.includes(to));
  return leading.length > others.length / 2 && transitions[from]?.[0] !== to;
}

function list(names: readonly string[]): string {
  return new Intl.ListFormat("en").format(names);
}

function drawTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows.map((cells) => cells.map(escapeCell))];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function code(name: string): string {
  return `\`${name}\``;
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|");
}
