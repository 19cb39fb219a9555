// Writes the generated sections of docs/performance.md and the charts beside it, from loadtest/results. Run by `npm run
// generate`; a page that differs from the results fails the drift check.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { listFlames } from "../flame/save.ts";
import { loadResults } from "../results/record.ts";
import { scenarios } from "../scenarios/index.ts";
import { drawPage } from "./page.ts";
import { replaceSections } from "./sections.ts";

const docs = fileURLToPath(new URL("../../../docs/", import.meta.url));
const charts = `${docs}performance/`;

const page = drawPage(scenarios, loadResults(), listFlames());
const file = `${docs}performance.md`;
writeFileSync(file, replaceSections(readFileSync(file, "utf8"), page.sections));
mkdirSync(charts, { recursive: true });
for (const name of readdirSync(charts)) if (!page.charts.has(name)) rmSync(`${charts}${name}`);
for (const [name, svg] of page.charts) writeFileSync(`${charts}${name}`, svg);
