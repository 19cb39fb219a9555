// Observations of real supervisors as a table: what is done to an agent, and the transcript that follows. Used by
// the specs of the state machine.
//
// A transcript line is one message: the fields it carries. `@<ms>` lines say when the next ones came. `effective`
// names the marker in the effective config, `base` for a config without one, `empty` for none at all.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Drive, OfferedFiles } from "./drive.ts";
import { createDrive, GOOD_1 } from "./drive.ts";
import type { BehaviourOptions } from "./profile.ts";

/** One observation. */
export interface Observation {
  readonly name: string;
  readonly options?: BehaviourOptions;
  /** What is done; good-1 (hash h-1) has been applied before unless `fresh`. */
  readonly act: (drive: Drive) => void;
  readonly fresh?: true;
  /** How long to listen after the act; default 6000, past one apply timeout. */
  readonly watchMs?: number;
  readonly want: readonly string[];
  readonly after?: (drive: Drive) => void;
}

/** What a server is told when a Collector ends on its own. */
export const CRASHED = "Agent process exited unexpectedly, exit code=1. Will restart in a bit...";
/** Why a config failed whose Collector ended. */
export const CRASH_FAILED = "Agent exited unexpectedly with exit code 1 while applying configuration";
/** What the parser says about BAD_SYNTAX. */
export const SYNTAX = "yaml: line 3: Flow map in block collection must be sufficiently indented and end with a }";

/** An act: offers files under a hash. */
export const offer =
  (hash: string, files: OfferedFiles) =>
  (drive: Drive): void =>
    drive.offer(hash, files);

/** Lines: the offer of a hash is taken up while good-1 runs. */
export const begin = (hash: string): readonly string[] => [
  "@0",
  `effective good-1; status APPLYING ${hash}`,
  "health false StatusStopping",
];

/** Lines: a Collector is up. */
export const up = (atMs: number, marker: string): readonly string[] => [
  `@${atMs}`,
  "health false StatusStarting",
  `effective ${marker}`,
  "health true StatusOK",
];

/** Lines: a Collector crashed. */
export const crash = (atMs: number): readonly string[] => [`@${atMs}`, `health false "${CRASHED}"`];

/** Lines: a Collector crashed on a config that is being applied since 0. */
export const crashAndFail = (hash: string): readonly string[] => [
  ...crash(15),
  `status FAILED ${hash} "${CRASH_FAILED}"`,
];

/** Turns a table into tests. */
export function observe(topic: string, observations: readonly Observation[]): void {
  describe(topic, () => {
    for (const c of observations) {
      it(c.name, () => {
        const drive = createDrive(c.options ?? {});
        if (c.fresh) drive.forget();
        else drive.settle("h-1", GOOD_1);
        c.act(drive);
        drive.advance(c.watchMs ?? 6000);
        assert.deepEqual(drive.transcript(), c.want);
        c.after?.(drive);
      });
    }
  });
}
