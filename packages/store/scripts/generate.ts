// Embeds src/lua/*.lua into src/gen/scripts.ts, so that bundles carry them. The header of each script is its
// contract; a script whose header lacks a part, or that is too long to be read at a glance, does not generate. What several
// scripts share is in src/lua/lib; a line `--include name.lua` puts it in their place, without its comments.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const MAX_LINES = 60;
const source = new URL("../src/lua/", import.meta.url);
const target = new URL("../src/gen/scripts.ts", import.meta.url);

function camelCase(name: string): string {
  return name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function included(part: string): string {
  return withoutComments(readFileSync(new URL(`lib/${part}`, source), "utf8"));
}

function withoutComments(lua: string): string {
  const lines = lua.split("\n").filter((line) => !line.startsWith("--"));
  return lines.join("\n").trim();
}

function generate(file: string): string {
  const text = readFileSync(new URL(file, source), "utf8");
  const header = text.split("\n").filter((line) => line.startsWith("-- "));
  for (const part of [`-- ${file} — `, "-- KEYS[1", "-- ARGV[1", "-- Returns", "-- Why atomic"]) {
    if (!header.some((line) => line.startsWith(part))) throw new Error(`${file}: the header lacks a line "${part}"`);
  }
  if (text.split("\n").length > MAX_LINES) throw new Error(`${file} is longer than ${MAX_LINES} lines`);
  const doc = header.map((line) => ` * ${line.slice(3)}`.trimEnd()).join("\n");
  const name = file.replace(/\.lua$/, "");
  const body = withoutComments(text.replaceAll(/^--include (.*)$/gm, (_, part: string) => included(part)));
  return `/**\n${doc}\n */\nexport const ${camelCase(name)} = { name: "muster-${name}", lua: ${JSON.stringify(body)} } as const;\n`;
}

const files = readdirSync(source)
  .filter((file) => file.endsWith(".lua"))
  .sort();
const banner = "// Generated from src/lua by scripts/generate.ts (npm run generate). Do not edit.\n";
writeFileSync(target, [banner, ...files.map(generate)].join("\n"));
