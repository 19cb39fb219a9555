// The first thing every command of this checkout runs: `node bootstrap.mjs <script.ts> [arguments]`.
// Makes the machine ready and hands over to the script: fetches the pinned Node runtime when the running
// one is another version, then installs the locked dependencies under it. Plain JavaScript on the standard
// library alone, because nothing else exists yet; must run under any Node from 18 on.
//
// Invariants
//   B1. One installation at a time in a checkout: a second command waits for the first.
//   B2. A half-finished installation is never taken for a finished one: its mark is written last.
//   B3. Whatever ends this process ends the script: signals are passed on, and our end closes the script's channel.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const stateDir = join(root, ".muster");
const pinned = readFileSync(join(root, ".nvmrc"), "utf8").trim();
const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Says what is going on, on stderr, so that the script's own output stays clean. */
function say(sentence) {
  process.stderr.write(`muster: ${sentence}\n`);
}

/** Ends with one line that names the remedy. */
function fail(sentence) {
  say(sentence);
  process.exit(1);
}

/** Runs a program in the foreground and passes signals on to it; resolves to its exit code. */
function run(command, args, options) {
  return new Promise((resolve) => {
    const child = spawn(command, args, options);
    const listeners = stopSignals.map((signal) => {
      // In a terminal Ctrl-C has reached the child already, with the whole group.
      const pass = () => (signal === "SIGINT" && process.stdin.isTTY ? undefined : child.kill(signal));
      process.on(signal, pass);
      return () => process.off(signal, pass);
    });
    const orphaned = watchNpm(() => child.kill("SIGTERM"));
    const end = (code) => {
      for (const remove of listeners) remove();
      clearInterval(orphaned);
      resolve(code);
    };
    child.on("error", (error) => {
      say(`could not run ${command}: ${error.message}`);
      end(127);
    });
    child.on("exit", (code, signal) => end(code ?? 128 + (constants.signals[signal] ?? 1)));
  });
}

/**
 * npm passes signals on, but when it is killed outright nobody tells us. Between npm and us there may be a shell, which
 * stays: so the parent's parent is watched too, where /proc shows it.
 */
function watchNpm(onGone) {
  if (process.env["npm_lifecycle_event"] === undefined) return undefined;
  const ancestors = () => `${process.ppid} ${parentOf(process.ppid)}`;
  const before = ancestors();
  const timer = setInterval(() => ancestors() === before || onGone(), 1000);
  timer.unref(); // the child is what we wait for
  return timer;
}

function parentOf(pid) {
  try {
    // The name in parentheses may hold anything; the state and the parent's id follow it.
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ")[1];
  } catch {
    return "";
  }
}

/** npm's own script, to be run under a Node of our choice; null when npm cannot be found. */
function findNpm() {
  const script = "node_modules/npm/bin/npm-cli.js";
  const inPath = (process.env["PATH"] ?? "").split(delimiter).map((dir) => join(dir, "npm"));
  const candidates = [
    process.env["npm_execpath"] ?? "",
    join(dirname(process.execPath), "../lib", script),
    join(dirname(process.execPath), script),
    "/usr/share/nodejs/npm/bin/npm-cli.js",
    ...inPath.filter(existsSync).map((path) => realpathSync(path)),
  ];
  return candidates.find((path) => path.endsWith("npm-cli.js") && existsSync(path)) ?? null;
}

/** Runs npm under `node`; resolves whether it succeeded. Ends this process if npm was interrupted. */
async function runNpm(node, args, cwd) {
  const npm = findNpm();
  if (npm === null) fail("npm was not found; install npm 10 or later and run the command again.");
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env["PATH"] ?? ""}` };
  // An `npm start` around us exports what it is doing; that must not steer this inner npm.
  const outer =
    /^npm_(package_|lifecycle_|command$|execpath$|node_execpath$|config_(local_prefix|global|prefix|workspace|omit|include|only|production|dry_run))/;
  for (const name of Object.keys(env)) if (outer.test(name)) delete env[name];
  // Optional and development packages carry the tools and the socket engine's binary.
  const flags = ["--include=dev", "--include=optional", "--no-audit", "--no-fund"];
  const code = await run(node, [npm, ...args, ...flags], {
    cwd,
    env: { ...env, NODE_ENV: "" },
    stdio: ["ignore", 2, 2],
  });
  if (code > 128) process.exit(code);
  return code === 0;
}

const runtimePackage = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
const runtimeDir = join(stateDir, "runtime");

/** The pinned Node if it is there: the running one, or the one installed under `.muster/runtime`. */
function findRuntime() {
  if (process.version === `v${pinned}`) return process.execPath;
  const node = join(runtimeDir, "node_modules", runtimePackage, "bin", "node");
  if (!existsSync(node)) return null;
  return spawnSync(node, ["--version"], { encoding: "utf8" }).stdout?.trim() === `v${pinned}` ? node : null;
}

/** Installs the pinned Node from the package that ships its binary. */
async function installRuntime() {
  say(`this machine runs Node ${process.version.slice(1)}; fetching the pinned ${pinned} (once) ...`);
  rmSync(runtimeDir, { recursive: true, force: true });
  mkdirSync(runtimeDir, { recursive: true });
  const manifest = { private: true, dependencies: { [runtimePackage]: pinned } };
  writeFileSync(join(runtimeDir, "package.json"), JSON.stringify(manifest));
  await runNpm(process.execPath, ["install", "--no-package-lock"], runtimeDir);
  const node = findRuntime();
  if (node !== null) return node;
  return fail(
    `could not install the package ${runtimePackage}@${pinned}; check that npm reaches its registry, or put Node ${pinned} first in PATH.`,
  );
}

const mark = join(root, "node_modules", ".muster-installed");

/** What an installation depends on; the mark of a finished one holds it. */
function fingerprint() {
  return createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .update(pinned)
    .digest("hex");
}

function isInstalled() {
  return existsSync(mark) && readFileSync(mark, "utf8") === fingerprint();
}

async function installDependencies(node) {
  say("installing dependencies (npm ci) ...");
  const wanted = fingerprint();
  if (!(await runNpm(node, ["ci"], root))) {
    fail("npm ci failed; the lines above say why. Check that npm reaches its registry and run the command again.");
  }
  writeFileSync(mark, wanted);
}

/** Runs `install` while no other command of this checkout installs (B1). */
async function alone(install) {
  const lock = join(stateDir, "installing.pid");
  mkdirSync(stateDir, { recursive: true });
  for (let waited = false; ; waited = true) {
    try {
      writeFileSync(lock, `${process.pid}`, { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") fail(`cannot write ${lock}: ${error.message}`);
    }
    if (isGone(lock)) rmSync(lock, { force: true });
    else {
      if (!waited) say("another command of this checkout is installing; waiting for it ...");
      await sleep(500);
    }
  }
  const release = () => rmSync(lock, { force: true });
  process.on("exit", release);
  try {
    return await install();
  } finally {
    process.off("exit", release);
    release();
  }
}

/** Whether the process that wrote this lock has ended without giving it back. */
function isGone(lock) {
  try {
    process.kill(Number(readFileSync(lock, "utf8")), 0);
    return false;
  } catch (error) {
    // Gone with its lock in the meantime, or another user's process, which is alive.
    return error.code === "ESRCH";
  }
}

const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail("usage: node deploy/local/bootstrap.mjs <script.ts> [arguments]");

let node = findRuntime();
if (node === null || !isInstalled()) {
  node = await alone(async () => {
    // Asked again: the command that we waited for may have done it.
    const runtime = findRuntime() ?? (await installRuntime());
    if (!isInstalled()) await installDependencies(runtime);
    return runtime;
  });
}

const code = await run(node, [join(root, script), ...args], {
  // The channel carries nothing: it closes when we end, however that happens, and the script ends too (B3).
  stdio: ["inherit", "inherit", "inherit", "ipc"],
  env: { ...process.env, PATH: `${dirname(node)}:${process.env["PATH"] ?? ""}` },
});
process.exit(code);
