// A run's summary as a table for a terminal. Pure.

import { formatValue, type Plan } from "./results/plan.ts";
import type { Summary } from "./results/summary.ts";

/** Figures with their spread, ratios, then targets. */
export function renderTable(plan: Plan, { figures, ratios, targets }: Summary): string {
  const lines: [name: string, figure: string][] = [];
  for (const { id, title, unit } of plan.metrics) {
    for (const { subject, metric, median, min, max } of figures) {
      if (metric !== id) continue;
      const spread = min === max ? "" : `   (${formatValue(min, unit)} to ${formatValue(max, unit)})`;
      lines.push([`${title}, ${subject}`, `${formatValue(median, unit)}${spread}`]);
    }
  }
  for (const { id, median, min, max } of ratios) {
    const title = plan.ratios.find((ratio) => ratio.id === id)?.title ?? id;
    lines.push([title, `${formatValue(median, "ratio")}   (${min.toFixed(2)} to ${max.toFixed(2)})`]);
  }
  for (const { title, bound, limit, unit, value, verdict, reason } of targets) {
    const measured = value === null ? "" : `${formatValue(value, unit)}, `;
    const why = reason === "" ? "" : `: ${reason}`;
    lines.push([`target: ${title}`, `${measured}${bound} ${formatValue(limit, unit)}: ${verdict}${why}`]);
  }
  const width = Math.max(0, ...lines.map(([name]) => name.length)) + 2;
  return lines.map(([name, figure]) => `${name.padEnd(width)}${figure}\n`).join("");
}
