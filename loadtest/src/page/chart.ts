// A bar chart as SVG: one bar per subject, as long as the median, with a line from the least to the largest round, and a
// mark where a target stands. Pure. Colours suit light and dark pages alike; the numbers stand beside the bars, so
// that nothing is told by a colour alone.

import { formatValue, type Unit } from "../results/plan.ts";

/** One bar. */
export interface Bar {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** A chart. */
export interface Chart {
  readonly title: string;
  readonly unit: Unit;
  readonly bars: readonly Bar[];
  /** Where a target stands, on the scale of the bars; null for none. */
  readonly limit: { readonly value: number; readonly bound: "at most" | "at least" } | null;
}

const WIDTH = 720;
const NAME_WIDTH = 150;
const VALUE_WIDTH = 190;
const BAR_HEIGHT = 18;
const ROW_HEIGHT = 30;
const TOP = 40;
const BOTTOM = 26;
const TEXT = "#7a7a7a";
const COLOURS = ["#2f7ed8", "#8a8f98", "#b08a4a", "#6a9f58"];

/** Draws it. */
export function renderChart({ title, unit, bars, limit }: Chart): string {
  const height = TOP + bars.length * ROW_HEIGHT + (limit === null ? 8 : BOTTOM);
  const largest = Math.max(...bars.map(({ max }) => max), limit?.value ?? 0) || 1;
  const scale = (value: number): number =>
    NAME_WIDTH + (Math.max(0, value) / largest) * (WIDTH - NAME_WIDTH - VALUE_WIDTH);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="sans-serif" font-size="13">`,
    `<title>${escapeXml(title)}</title>`,
    `<text x="0" y="20" fill="${TEXT}" font-size="15" font-weight="bold">${escapeXml(title)}</text>`,
    ...bars.flatMap((bar, i) => renderBar(bar, TOP + i * ROW_HEIGHT, COLOURS[i % COLOURS.length] ?? TEXT, unit, scale)),
    ...(limit === null ? [] : renderLimit(limit, bars.length, unit, scale)),
    "</svg>",
    "",
  ].join("\n");
}

type Scale = (value: number) => number;

function renderBar(bar: Bar, y: number, colour: string, unit: Unit, scale: Scale): readonly string[] {
  const { name, median, min, max } = bar;
  const middle = y + BAR_HEIGHT / 2;
  const label =
    min === max
      ? formatValue(median, unit)
      : `${formatValue(median, unit)} (${formatValue(min, unit)} – ${formatValue(max, unit)})`;
  return [
    `<text x="${NAME_WIDTH - 8}" y="${middle + 4}" text-anchor="end" fill="${TEXT}">${escapeXml(name)}</text>`,
    `<rect x="${NAME_WIDTH}" y="${y}" width="${at(scale(median) - NAME_WIDTH)}" height="${BAR_HEIGHT}" fill="${colour}"/>`,
    `<line x1="${at(scale(min))}" x2="${at(scale(max))}" y1="${middle}" y2="${middle}" stroke="${TEXT}" stroke-width="2"/>`,
    `<text x="${at(scale(max) + 8)}" y="${middle + 4}" fill="${TEXT}">${escapeXml(label)}</text>`,
  ];
}

function renderLimit(
  { value, bound }: NonNullable<Chart["limit"]>,
  count: number,
  unit: Unit,
  scale: Scale,
): readonly string[] {
  const [x, bottom] = [at(scale(value)), TOP + count * ROW_HEIGHT];
  return [
    `<line x1="${x}" x2="${x}" y1="${TOP - 6}" y2="${bottom}" stroke="#d4541b" stroke-width="1.5" stroke-dasharray="4 3"/>`,
    `<text x="${x}" y="${bottom + 14}" text-anchor="middle" fill="#d4541b">target: ${bound} ${escapeXml(formatValue(value, unit))}</text>`,
  ];
}

function at(value: number): string {
  return value.toFixed(1);
}

/** Text for XML. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
