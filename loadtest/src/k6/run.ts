// One k6 as a process: what it prints goes through, what it exits with comes back, and it does not outlive this process.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "@muster/local";
import { guard } from "@muster/testkit";
import type { Script } from "./arguments.ts";
import { k6Arguments, type Run, secretEnv, settingsOf, withoutSettings } from "./command.ts";

/** The exit code of a command that a signal ended, as shells have it. */
const INTERRUPTED = 130;

/** Runs a script to its end; resolves with k6's exit code. An abort makes k6 end its agents in good order first. */
export function runScript(script: Script, what: Omit<Run, "file">, signal: AbortSignal): Promise<number> {
  const run = { file: fileOf(script), ...what };
  const settings = settingsOfScript(script);
  // A group of its own: Ctrl-C in a terminal would reach k6 a second time, and the second one makes it drop everything.
  const child = spawn(join(root, ".muster", "tools", "k6"), k6Arguments(run), {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...withoutSettings(process.env, settings), ...secretEnv(run) },
    detached: true,
  });
  guard(child);
  const interrupt = (): unknown => child.kill("SIGINT");
  signal.addEventListener("abort", interrupt, { once: true });
  if (signal.aborted) interrupt();
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      signal.removeEventListener("abort", interrupt);
      resolve(code ?? INTERRUPTED);
    });
  });
}

/** Settings among these that the script does not have. */
export function unknownSettings(script: Script, env: Readonly<Record<string, string>>): readonly string[] {
  const settings = settingsOfScript(script);
  return Object.keys(env).filter((name) => !settings.has(name));
}

function settingsOfScript(script: Script): ReadonlySet<string> {
  return settingsOf(readFileSync(fileOf(script), "utf8"));
}

function fileOf(script: Script): string {
  return join(root, "loadtest", "k6", `${script}.js`);
}

/** Builds k6 unless it is there; resolves whether it is there now. */
export function ensureK6(signal: AbortSignal): Promise<boolean> {
  const child = spawn(join(root, "loadtest", "setup"), ["k6"], { stdio: ["ignore", "ignore", "inherit"], signal });
  return new Promise((resolve) => {
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
  });
}
