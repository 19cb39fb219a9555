// A tree of time as a flame graph: SVG, callers below, what they call above, as wide as it took. Pure. Ours, because the
// packages that draw one bring a web page and its scripts, and this is a picture in a repository; the full name of a
// frame and its share show when one points at it.

import { escapeXml } from "../page/chart.ts";
import type { Frame } from "./profile.ts";

const WIDTH = 1200;
const ROW = 17;
const TOP = 44;
const CHARACTER = 6.6;
/** Narrower frames would be dust. */
const MIN_WIDTH = 1;
/** Deeper calls are cut off. */
const MAX_DEPTH = 60;

/** Draws it; `origin` says where the profile comes from. */
export function renderFlame(title: string, origin: string, root: Frame): string {
  const rows: string[] = [];
  const depth = placeChildren(root, 0, 0, root.micros || 1, rows);
  const height = TOP + (depth + 1) * ROW + 8;
  // Rows are placed from the bottom: the transformation turns them over.
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="monospace" font-size="11">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="8" y="20" font-size="15" font-family="sans-serif" fill="#333333">${escapeXml(title)}</text>`,
    `<text x="8" y="36" font-family="sans-serif" fill="#666666">${(root.micros / 1_000_000).toFixed(2)} s of processor time; ${escapeXml(origin)}</text>`,
    `<g transform="translate(0 ${height - 8})">`,
    ...rows,
    "</g></svg>",
    "",
  ].join("\n");
}

/** Places what a frame called side by side, widest first; answers how deep it goes. */
function placeChildren(parent: Frame, x: number, depth: number, total: number, rows: string[]): number {
  let deepest = depth;
  let at = x;
  for (const frame of [...parent.children.values()].sort((a, b) => b.micros - a.micros)) {
    const width = (frame.micros / total) * WIDTH;
    if (width < MIN_WIDTH || depth >= MAX_DEPTH) break;
    rows.push(renderFrame(frame, at, depth, width, total));
    deepest = Math.max(deepest, placeChildren(frame, at, depth + 1, total, rows));
    at += width;
  }
  return deepest;
}

function renderFrame({ name, micros }: Frame, x: number, depth: number, width: number, total: number): string {
  const y = -(depth + 1) * ROW;
  const room = Math.floor((width - 4) / CHARACTER);
  const label =
    room < 3 ? "" : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escapeXml(name.slice(0, room))}</text>`;
  const share = `${((micros / total) * 100).toFixed(1)} %`;
  const box = `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colourOf(name)}"/>`;
  return `<g><title>${escapeXml(`${name}: ${share}`)}</title>${box}${label}</g>`;
}

/** Ours, packages', the runtime's own: three families of colours, told apart also in grey. */
function colourOf(name: string): string {
  if (/ (services|packages)\//.test(name)) return "#f2b36b";
  return / node_modules\//.test(name) ? "#a9c7ea" : "#d5d8dc";
}
