// The smoke: all six scripts, 200 agents in all, in less than a minute, among them a run that has to fail. Sizes only; the
// numbers say that everything works together, nothing about how fast it is. Data.

import type { Script } from "./arguments.ts";

/** One run of the smoke. */
export interface SmokeRun {
  readonly name: string;
  readonly script: Script;
  readonly agents: number;
  readonly durationSeconds: number;
  readonly env: Readonly<Record<string, string>>;
  /** What k6 has to exit with: 0, or 99 for thresholds that were crossed. */
  readonly exitCode: 0 | 99;
}

/** What k6 exits with when a threshold was crossed. */
const THRESHOLDS_CROSSED = 99;

/** Agents per engine: few, so that several engines take part. */
const FEW = { AGENTS_PER_VU: "10", APPLY_SECONDS: "1" };

const STORM: Sizes = { script: "connect-storm", agents: 45, durationSeconds: 3, env: {} };
const CALM: readonly Sizes[] = [
  { script: "steady-heartbeats", agents: 30, durationSeconds: 5, env: { RAMP_SECONDS: "1", HEARTBEAT_SECONDS: "1" } },
  { script: "status-churn", agents: 30, durationSeconds: 5, env: { RAMP_SECONDS: "1", CHANGE_SECONDS: "1" } },
  { script: "http-polling", agents: 30, durationSeconds: 5, env: { RAMP_SECONDS: "1", POLL_SECONDS: "1" } },
  { script: "rollout-under-load", agents: 30, durationSeconds: 13, env: { RAMP_SECONDS: "1", HEARTBEAT_SECONDS: "1" } },
];
/** Whatever is measured took longer than nothing. */
const IMPOSSIBLE: Sizes = { ...STORM, agents: 5, durationSeconds: 1, env: { MAX_CONNECT_P95_MS: "0" } };
/** Heartbeats of 30 s: hardly an agent has beaten when the gateway dies, so hardly a request for everything is excused. */
const LOSS: Sizes = { script: "gateway-loss", agents: 30, durationSeconds: 12, env: { RAMP_SECONDS: "1" } };

/** The runs, each with agents of its own; the loss comes last, since the gateway stays away. */
export const SMOKE: readonly SmokeRun[] = [
  ...[STORM, ...CALM].map(passing),
  { ...passing(IMPOSSIBLE, 5), name: "a crossed threshold fails the run", exitCode: THRESHOLDS_CROSSED },
  passing(LOSS, 6),
];

type Sizes = Omit<SmokeRun, "name" | "exitCode">;

/** A run that has to pass, with a seed of its own: its agents are not those of another run that start again. */
function passing(sizes: Sizes, index: number): SmokeRun {
  return { ...sizes, name: sizes.script, env: { ...FEW, ...sizes.env, SEED: `${index + 1}` }, exitCode: 0 };
}
