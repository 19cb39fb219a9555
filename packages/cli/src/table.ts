// Tables for people: columns without lines, as wide as what they hold. Pure.

import Table from "cli-table3";

const BARE = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "",
};
const STYLE = { "padding-left": 0, "padding-right": 3, head: [], border: [] };

/** A table with a head line; ends with a newline. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({ head: [...head], chars: BARE, style: STYLE });
  for (const row of rows) table.push([...row]);
  return `${trimLines(table.toString())}\n`;
}

/** Names and values below each other, `indent` spaces in; ends with a newline unless there are none. */
export function formatPairs(pairs: readonly (readonly [string, string])[], indent = 0): string {
  if (pairs.length === 0) return "";
  const table = new Table({ chars: BARE, style: STYLE });
  for (const [name, value] of pairs) table.push([" ".repeat(indent) + name, value]);
  return `${trimLines(table.toString())}\n`;
}

function trimLines(text: string): string {
  return text
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}
