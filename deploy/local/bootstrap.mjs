// The first thing every command of this checkout runs: `node bootstrap.mjs <script.ts> [arguments]`.
// Makes the machine ready and hands over to the script: fetches the pinned Node runtime when the running
// one is another version, then installs the locked dependencies under it. Plain JavaScript on the standard
// library alone, because nothing else exists yet; must run under any Node from 18 on.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const stateDir = join(root, ".muster");
const pinned = readFileSync(join(root, ".nvmrc"), "utf8").trim();

/** Says what is going on, on stderr, so that the script's own output stays clean. */
function say(sentence) {
  process.stderr.write(`muster: ${sentence}\n`);
}

/** Ends with one line that names the remedy. */
function fail(sentence) {
  say(sentence);
  process.exit(1);
}

/** npm's own script, to be run under a Node of our choice; null when npm cannot be found beside this Node. */
function findNpm() {
  const candidates = [
    process.env["npm_execpath"],
    join(dirname(process.execPath), "../lib/node_modules/npm/bin/npm-cli.js"),
    "/usr/share/nodejs/npm/bin/npm-cli.js",
    "/usr/share/npm/bin/npm-cli.js",
  ];
  return candidates.find((path) => path !== undefined && path.endsWith("npm-cli.js") && existsSync(path)) ?? null;
}

function runNpm(node, args, cwd) {
  const npm = findNpm();
  if (npm === null) fail("npm was not found; install npm 10 or later and run the command again.");
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env["PATH"] ?? ""}` };
  // An `npm start` around us exports its own settings; they must not steer this inner npm.
  for (const name of Object.keys(env)) if (name.startsWith("npm_")) delete env[name];
  return spawnSync(node, [npm, ...args], { cwd, env, stdio: ["ignore", 2, 2] }).status === 0;
}

/** The pinned Node, installed under `.muster/runtime` from the package that ships its binary. */
function ensureRuntime() {
  if (process.version === `v${pinned}`) return process.execPath;
  const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const dir = join(stateDir, "runtime");
  const node = join(dir, "node_modules", name, "bin", "node");
  const version = () => spawnSync(node, ["--version"], { encoding: "utf8" }).stdout?.trim();
  if (existsSync(node) && version() === `v${pinned}`) return node;
  say(`this machine runs Node ${process.version.slice(1)}; fetching the pinned ${pinned} (once) ...`);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "package.json"), JSON.stringify({ private: true, dependencies: { [name]: pinned } }));
  const installed = runNpm(process.execPath, ["install", "--no-package-lock", "--no-audit", "--no-fund"], dir);
  if (!installed || version() !== `v${pinned}`) {
    fail(`could not install the package ${name}@${pinned}; check that npm reaches its registry, or put Node ${pinned} first in PATH.`);
  }
  return node;
}

/** `npm ci` when the lock file is not the one that was last installed. */
function ensureDependencies(node) {
  const lock = createHash("sha256").update(readFileSync(join(root, "package-lock.json"))).update(pinned).digest("hex");
  const stamp = join(root, "node_modules", ".muster-installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  say("installing dependencies (npm ci) ...");
  if (!runNpm(node, ["ci", "--no-audit", "--no-fund"], root)) {
    fail("npm ci failed; the lines above say why. Check that npm reaches its registry and run the command again.");
  }
  writeFileSync(stamp, lock);
}

const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail("usage: node deploy/local/bootstrap.mjs <script.ts> [arguments]");

const node = ensureRuntime();
ensureDependencies(node);

const child = spawn(node, [join(root, script), ...args], {
  stdio: "inherit",
  env: { ...process.env, PATH: `${dirname(node)}:${process.env["PATH"] ?? ""}` },
});
// A terminal sends Ctrl-C to the whole group; anything else (a supervisor, a test) signals only us.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on("error", (error) => fail(`could not run ${node}: ${error.message}`));
child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 1)));
