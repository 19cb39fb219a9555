// The generated sections of docs/performance.md and its charts, from recorded results and nothing else. Pure. What stands
// around the sections is written by hand.

import { formatValue, type Plan, type Unit } from "../results/plan.ts";
import { codeOf, type RecordedResult } from "../results/record.ts";
import { summarize, type TargetOutcome } from "../results/summary.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import { renderChart } from "./chart.ts";

/** Files to write: the page's sections by name, and charts by file name. */
export interface Page {
  readonly sections: Readonly<Record<"targets" | "measurements" | "flames" | "machines", string>>;
  readonly charts: ReadonlyMap<string, string>;
}

type Results = ReadonlyMap<string, RecordedResult>;

/** Draws the page; `flames` are the file names of flame graphs that are kept. Scenarios that were not recorded say so. */
export function drawPage(scenarios: readonly Scenario[], results: Results, flames: readonly string[]): Page {
  const charts = new Map<string, string>();
  const measurements = scenarios.map((scenario) => drawScenario(scenario, results.get(scenario.name), charts));
  return {
    sections: {
      targets: drawTargets(scenarios, results),
      measurements: measurements.join("\n"),
      flames: drawFlames(flames),
      machines: drawMachines(results),
    },
    charts,
  };
}

function drawTargets(scenarios: readonly Scenario[], results: Results): string {
  const rows = scenarios.flatMap(({ name, plan }) => {
    const result = results.get(name);
    const { targets } = plan([]);
    const outcomes = result === undefined ? targets.map(unrecorded) : judged(targets, result);
    return outcomes.map(
      (outcome) =>
        `| ${outcome.title} | ${boundOf(outcome)} | ${medianOf(outcome)} | ${verdictOf(outcome)} | [${name}](#${name}) |`,
    );
  });
  return ["| target | asked | median | | scenario |", "|---|---|---|---|---|", ...rows, ""].join("\n");
}

/** As today's targets have it, whatever was asked when the run was recorded. */
function judged(targets: Plan["targets"], { metrics, ratioPlans, readings, agents }: RecordedResult) {
  return summarize({ metrics, ratios: ratioPlans, targets }, readings, agents).targets;
}

function unrecorded(target: Plan["targets"][number]): TargetOutcome {
  return { ...target, value: null, rounds: 0, keptRounds: 0, verdict: "not judged", reason: "not recorded yet" };
}

function boundOf({ bound, limit, unit }: TargetOutcome): string {
  return `${bound} ${formatValue(limit, unit)}`;
}

function medianOf({ value, unit }: TargetOutcome): string {
  return value === null ? "–" : formatValue(value, unit);
}

/** A missed target says by how much, a met one in how many rounds it was, unless in all. Exported for its specs. */
export function verdictOf({ verdict, value, limit, unit, reason, rounds, keptRounds }: TargetOutcome): string {
  switch (verdict) {
    case "met":
      return keptRounds === rounds ? "met" : `met, in ${keptRounds} rounds of ${rounds}`;
    case "not judged":
      return reason;
    case "missed": {
      const difference = Math.abs((value ?? limit) - limit);
      const share = limit === 0 ? "" : ` (${Math.round((difference / limit) * 100)} %)`;
      return `**missed** by ${formatValue(difference, unit)}${share}`;
    }
  }
}

function drawScenario(
  { name, summary }: Scenario,
  result: RecordedResult | undefined,
  charts: Map<string, string>,
): string {
  const head = `### ${name}\n\n${summary}\n`;
  if (result === undefined) return `${head}\nNot recorded yet.\n`;
  const { agents, rounds, command } = result;
  const drawn = drawCharts(result);
  for (const { file, svg } of drawn) charts.set(file, svg);
  const figures = drawn.map(({ file, title }) => `![${title}](performance/${file})`);
  const origin = `${agents.toLocaleString("en")} agents, rounds: ${rounds}, ${originOf(result)}:\n\`${command}\``;
  return [head, `${origin}\n`, ...figures.map((figure) => `${figure}\n`), drawTable(result)].join("\n");
}

function originOf(result: RecordedResult): string {
  return `${codeOf(result)}${result.isPinned ? "" : "; nothing was kept to a core"}`;
}

/** A chart for each metric that has several subjects, or a target. */
function drawCharts({ scenario, metrics, summary }: RecordedResult) {
  return metrics.flatMap(({ id, title, unit }) => {
    const bars = summary.figures
      .filter(({ metric }) => metric === id)
      .map(({ subject, ...spread }) => ({ name: subject, ...spread }));
    const limit = limitOf(summary.targets, id);
    if (bars.length < 2 && limit === null) return [];
    const file = `${scenario}-${id.toLowerCase()}.svg`;
    return [{ file, title, svg: renderChart({ title: `${title} (${scenario})`, unit, bars, limit }) }];
  });
}

function limitOf(targets: readonly TargetOutcome[], id: string) {
  const target = targets.find(({ measured }) => measured.kind === "metric" && measured.metric === id);
  return target === undefined ? null : { value: target.limit, bound: target.bound };
}

function drawTable({ metrics, ratioPlans, summary }: RecordedResult): string {
  const figures = metrics.flatMap(({ id, title, unit }) =>
    summary.figures
      .filter(({ metric }) => metric === id)
      .map(({ subject, median, min, max }) => row(`${title}, ${subject}`, median, min, max, unit)),
  );
  const ratios = summary.ratios.map(({ id, median, min, max }) =>
    row(ratioPlans.find((ratio) => ratio.id === id)?.title ?? id, median, min, max, "ratio"),
  );
  return ["| | median | least | largest |", "|---|---|---|---|", ...figures, ...ratios, ""].join("\n");
}

function row(name: string, median: number, min: number, max: number, unit: Unit): string {
  return `| ${name} | ${[median, min, max].map((value) => formatValue(value, unit)).join(" | ")} |`;
}

function drawFlames(flames: readonly string[]): string {
  if (flames.length === 0) return "None is kept yet.\n";
  return flames.map((name) => `* [${name.replace(".svg", "")}](../loadtest/results/flame/${name})\n`).join("");
}

function drawMachines(results: Results): string {
  if (results.size === 0) return "Nothing is recorded yet.\n";
  const lines = [...results.values()].map(({ machine }) => {
    const { cpu, coreCount, memoryBytes, kernel, architecture, node, allocator = "" } = machine;
    const memoryOf = allocator === "" ? "" : `, services with ${allocator}`;
    return `* ${coreCount} x ${cpu} (${architecture}), ${Math.round(memoryBytes / 1024 ** 3)} GiB, Linux ${kernel}, Node ${node}${memoryOf}`;
  });
  return `${[...new Set(lines)].join("\n")}\n`;
}
