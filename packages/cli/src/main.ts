// The process around the command line: signals in, exit code out.

import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { CommanderError } from "commander";
import type { Run } from "./action.ts";
import { EXIT, formatFailure } from "./failure.ts";
import { createProgram } from "./program.ts";
import { type Outside, openSession } from "./session.ts";

/** What hears the signal ends at once; only a read of standard input may not. */
const GRACE_MS = 1_000;

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    interrupted.abort();
    setTimeout(() => process.exit(EXIT.interrupted), GRACE_MS).unref();
  });
}
// `muster agents list | head` closes our output; there is nobody left to tell.
process.stdout.on("error", () => process.exit(EXIT.ok));

const outside: Outside = {
  signal: interrupted.signal,
  // A terminal without a size cannot be drawn on.
  isTerminal: process.stdout.isTTY === true && process.stdout.rows > 0,
  nowMs: () => Date.now(),
  write: (text) => void process.stdout.write(text),
  writeError: (text) => void process.stderr.write(text),
  readStdin: () => buffer(process.stdin),
  exitWith: (code) => {
    process.exitCode = code;
  },
  delay: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
};

const run: Run = async (options, work) => {
  const session = openSession(outside, options);
  try {
    await work(session);
  } catch (error) {
    process.exitCode = EXIT.failed;
    if (!interrupted.signal.aborted) outside.writeError(formatFailure(error, options.server));
  } finally {
    session.close();
  }
  if (interrupted.signal.aborted) process.exitCode = EXIT.interrupted;
};

try {
  await createProgram(run, outside.write, outside.writeError).parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage; // help and version are no errors
}
