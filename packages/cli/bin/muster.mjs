#!/usr/bin/env node
// What `npx muster` runs, under whatever Node (18 or later) the machine has: hands over to src/main.ts under the
// runtime that this checkout is pinned to. Plain JavaScript on the standard library alone. Installs nothing.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const here = dirname(realpathSync(fileURLToPath(import.meta.url)));
const root = join(here, "../../..");
const pinned = readFileSync(join(root, ".nvmrc"), "utf8").trim();

/** The pinned Node: the running one, or the one that `npm start` and `npm test` install into the checkout. */
function findRuntime() {
  if (process.version === `v${pinned}`) return process.execPath;
  const platform = process.platform === "win32" ? "win" : process.platform;
  const node = join(root, `.muster/runtime/node_modules/node-${platform}-${process.arch}/bin/node`);
  if (!existsSync(node)) return null;
  return spawnSync(node, ["--version"], { encoding: "utf8" }).stdout?.trim() === `v${pinned}` ? node : null;
}

const node = findRuntime();
if (node === null || !existsSync(join(root, "node_modules/commander"))) {
  process.stderr.write(`muster: this checkout has no Node ${pinned} yet; run npm start or npm test once.\n`);
  process.exit(1);
}

const child = spawn(node, [join(here, "../src/main.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  // In a terminal Ctrl-C has reached the child already; being told twice does it no harm.
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  process.stderr.write(`muster: could not run ${node}: ${error.message}\n`);
  process.exit(127);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 1)));
