// What every command of the command line shares: it runs with an open session, and exits as this says.

import type { Command } from "commander";
import type { GlobalOptions, Session } from "./session.ts";

/** Runs a command with an open session. */
export type Run = (options: GlobalOptions, work: (session: Session) => Promise<void>) => Promise<void>;

/** What the command exits with. */
export const EXIT_CODES =
  "Exit codes: 0 done, 1 failed, 2 the watched rollout ended without success or something differs, 64 wrong usage, 130 interrupted.";

/** What the commands that compare exit with. */
export const DIFF_EXIT_CODES = "Exit codes: 0 nothing differs, 2 something does, 1 failed, 64 wrong usage.";

/** An action that is given its session, then what commander gives: the arguments and the options. */
export function action<Given extends readonly unknown[]>(
  run: Run,
  work: (session: Session, ...given: Given) => Promise<void>,
) {
  return async (...all: unknown[]): Promise<void> => {
    const command = all.at(-1) as Command; // commander's last word
    const given = all.slice(0, -1) as unknown as Given; // as declared beside the action
    await run(command.optsWithGlobals<GlobalOptions>(), (session) => work(session, ...given));
  };
}
