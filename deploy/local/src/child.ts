// One process of the stack: started, waited for, watched, ended. Knows nothing of what the process does; the caller
// says how to tell that it is ready.
//
// Invariants
//   C1. A child is ended only by the handle that started it, through the process it holds, never by a name.
//   C2. An end that was not asked for is reported exactly once: by a rejected start, or else by `onCrash`.
//   C3. A child does not outlive this process: its standard input is a pipe we hold, and the guard ends it otherwise.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createGuard } from "@muster/testkit";
import { shown } from "./paths.ts";
import { Remedy } from "./say.ts";

/** What to run and how to tell that it works. */
export interface ChildSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment, computed at each start. */
  readonly env: () => NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Receives standard output and error; kept below 16 MiB, the file of the run before stays as `<file>.1`. */
  readonly logFile: string;
  /** Whether it is ready now; called again and again until it is. A rejection means not yet. */
  readonly probe: (signal: AbortSignal) => Promise<boolean>;
  /** How long it may take to become ready; default 30 s. */
  readonly readyTimeoutMs?: number;
  /** How long it may take to end after SIGTERM before it is killed; default 11 s. */
  readonly stopTimeoutMs?: number;
}

/** A process that can be ended, killed and started again. */
export interface Child {
  readonly name: string;
  readonly logFile: string;
  /** Its process id, or null while it does not run. */
  pid(): number | null;
  /** Starts it and resolves when it is ready; rejects with one line that says why not. */
  start(signal?: AbortSignal): Promise<void>;
  /** Ends it with SIGTERM, after `stopTimeoutMs` with SIGKILL. Resolves whether it ended by itself with code 0. */
  stop(): Promise<boolean>;
  /** Kills it as a crash would, and waits until it is gone. Not reported as a crash. */
  kill9(): Promise<void>;
  /** Ends it if it runs, and starts it again with the same ports and folders. */
  restart(): Promise<void>;
}

/** An end that nobody asked for. */
export interface Crash {
  readonly child: Child;
  /** One line: who ended, how, its last words and where to read more. */
  readonly sentence: string;
}

type State = { readonly kind: "down" } | Alive;

interface Alive {
  readonly kind: "starting" | "running" | "ending";
  readonly process: ChildProcess;
  readonly exited: Promise<Exit>;
}

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const maxLogBytes = 16 * 1024 * 1024;
const logCheckMs = 30_000;
const probePauseMs = 40;

// Services end when their standard input closes; the guard is for those that do not, and for stores, which should
// outlive the services that flush into them.
const guard = createGuard(4);

/** A child that does not run yet. `onCrash` hears of an end that was not asked for, once it had become ready. */
export function createChild(spec: ChildSpec, onCrash: (crash: Crash) => void): Child {
  let state: State = { kind: "down" };
  rotate(spec.logFile);

  const launch = (): Alive => {
    const child = spawnChild(spec);
    const exited = exitOf(child);
    void exited.then((exit) => {
      const was = state;
      if (was.kind === "down" || was.process !== child) return;
      state = { kind: "down" };
      if (was.kind === "running") onCrash({ child: self, sentence: obituary(spec, exit) });
    });
    return { kind: "starting", process: child, exited };
  };
  const end = async (signal: NodeJS.Signals): Promise<Exit | null> => {
    if (state.kind === "down") return null;
    const { process: child, exited } = state;
    state = { kind: "ending", process: child, exited };
    child.kill(signal);
    const killer = setTimeout(() => child.kill("SIGKILL"), spec.stopTimeoutMs ?? 11_000);
    const exit = await exited;
    clearTimeout(killer);
    return exit;
  };

  const self: Child = {
    name: spec.name,
    logFile: spec.logFile,
    pid: () => (state.kind === "down" ? null : (state.process.pid ?? null)),
    async start(signal = new AbortController().signal) {
      if (state.kind !== "down") return;
      const launched = launch();
      state = launched;
      try {
        await becomeReady(spec, launched.exited, signal);
      } catch (error) {
        await end("SIGTERM");
        throw error;
      }
      // It may have ended, or been ended, between its answer and now.
      if (state.kind === "starting") state = { ...launched, kind: "running" };
    },
    async stop() {
      const exit = await end("SIGTERM");
      return exit === null || exit.code === 0;
    },
    async kill9() {
      await end("SIGKILL");
    },
    async restart() {
      await end("SIGTERM");
      await self.start();
    },
  };
  return self;
}

function spawnChild(spec: ChildSpec): ChildProcess {
  const log = openSync(spec.logFile, "a");
  try {
    const child = spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: { ...spec.env(), MUSTER_PARENT_WATCH: "1" },
      stdio: ["pipe", log, log],
      detached: true, // Ctrl-C in a terminal reaches the launcher only, which ends the stack in order
    });
    child.stdin?.on("error", () => {}); // it ended; `exit` tells
    guard(child);
    boundLog(spec.logFile, child);
    return child;
  } finally {
    closeSync(log);
  }
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: 127, signal: null })); // it could not be spawned
  });
}

async function becomeReady(spec: ChildSpec, exited: Promise<Exit>, signal: AbortSignal): Promise<void> {
  const timeoutMs = spec.readyTimeoutMs ?? 30_000;
  const over = new AbortController();
  const waiting = AbortSignal.any([signal, over.signal, AbortSignal.timeout(timeoutMs)]);
  let exit: Exit | undefined;
  void exited.then((it) => {
    exit = it;
    over.abort();
  });
  while (!waiting.aborted) {
    if (await spec.probe(waiting).catch(() => false)) return;
    await sleep(probePauseMs, undefined, { signal: waiting }).catch(() => {});
  }
  if (exit !== undefined) throw new Remedy(obituary(spec, exit));
  if (signal.aborted) throw signal.reason;
  throw new Remedy(`${spec.name} is not ready after ${timeoutMs / 1000} s; see ${shown(spec.logFile)}.`);
}

/** One line on how a process ended, its last words, and where to read more. */
function obituary(spec: ChildSpec, { code, signal }: Exit): string {
  const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
  // Who was killed had no last words: its last line is about something else.
  const words = signal === null ? lastWords(readTail(spec.logFile)) : "";
  return `${spec.name} ended ${how}${words === "" ? "" : `: ${words}`}; see ${shown(spec.logFile)}.`;
}

/** The last line that says something, shortened; of a JSON line its reason. */
export function lastWords(log: string): string {
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  // A stack trace is below the line that says what happened.
  const line = lines.findLast((each) => !/^\s/.test(each)) ?? "";
  const words = reasonOf(line) ?? line.trim();
  return words.length > 240 ? `${words.slice(0, 239)}…` : words;
}

function reasonOf(line: string): string | undefined {
  try {
    const { reason, error } = JSON.parse(line);
    const words = reason ?? error?.message;
    return typeof words === "string" ? words : undefined;
  } catch {
    return undefined; // not a JSON line
  }
}

function readTail(file: string): string {
  try {
    return readFileSync(file, "utf8").slice(-8192);
  } catch {
    return "";
  }
}

function rotate(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  try {
    renameSync(file, `${file}.1`);
  } catch {
    // the first run
  }
}

/** Empties the log when it grows too large, for as long as the child runs; it is opened for appending. */
function boundLog(file: string, child: ChildProcess): void {
  const timer = setInterval(() => {
    try {
      if (statSync(file).size > maxLogBytes) truncateSync(file);
    } catch {
      // somebody removed the file: nothing to bound
    }
  }, logCheckMs);
  timer.unref(); // bounding a log is no reason to stay
  child.once("exit", () => clearInterval(timer));
}
