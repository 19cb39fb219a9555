// What a model agent is, and what it does with a config that it is offered (model-agent.ts).

import type { ConfigHash, InstanceUid } from "./ids.ts";

/** What an agent does with a config. */
export type Reaction =
  /** APPLYING, then APPLIED five seconds later, and healthy. */
  | "good"
  /** FAILED; what ran before runs on. */
  | "rejects"
  /** APPLYING, FAILED, and crash-looping until it is offered another. */
  | "crash_loops"
  /** APPLYING, then APPLIED of the config before. */
  | "goes_back"
  /** No answer, healthy with what it has. */
  | "silent"
  /** No answer to the first offer, good at the second. */
  | "slow"
  /** Gone, for ever. */
  | "dies"
  /** Good, and unhealthy `UNWELL_AFTER_MS` later. */
  | "unwell_later"
  /** Good, and a part of it is unhealthy from then on. */
  | "part_unwell"
  /** Gone, and back within the minute as a new process, still APPLYING; APPLIED when it is offered once more. */
  | "restarts";

/** What a model agent is. */
export interface ModelTraits {
  readonly uid: InstanceUid;
  readonly labels?: Readonly<Record<string, string>>;
  readonly capabilities?: readonly string[];
  readonly gateway?: string;
  readonly isAway?: boolean;
  /** What it does with a config; good with every config by default. */
  readonly react?: (hash: ConfigHash) => Reaction;
}
