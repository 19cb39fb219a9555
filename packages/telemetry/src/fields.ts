// The shared vocabulary: names of log fields and metric labels that more than one part of Muster writes.
// A name is spelled once, here, so that a search for it finds the log line, the metric and the dashboard.
// Fields of one service alone may stay beside their only use.

/** Field and label names shared by logs and metrics. Values are the spelling on the wire. */
export const field = {
  /** Instance uid of an agent, in its canonical text form. Logs only: never a metric label. */
  uid: "uid",
  /** Id of a gateway process. */
  gateway: "gateway",
  /** Epoch of a session, handed out by the store. */
  epoch: "epoch",
  /** Sequence number of a report or event. */
  seq: "seq",
  /** Partition of the event streams, an integer from 0. */
  partition: "partition",
  /** Name of a config. */
  config: "config",
  /** Number of an immutable config revision. */
  revision: "revision",
  /** Id of a rollout. */
  rollout: "rollout",
  /** Phase of a rollout, from its transition table. */
  phase: "phase",
  /** Index of a rollout stage, from 0. */
  stage: "stage",
  /** Why something happened, from a closed set. */
  reason: "reason",
  /** How an operation ended, from a closed set. */
  outcome: "outcome",
  /** How an agent reached us: `ws` or `http`. */
  transport: "transport",
  /** Kind of an event, message or offer, from its union. */
  kind: "kind",
  /** How many things a line or sample is about. */
  count: "count",
  /** Size in bytes. */
  bytes: "bytes",
  /** Elapsed time in milliseconds (logs; metrics measure in seconds). */
  elapsedMs: "elapsed_ms",
  /** The error behind a line; an Error becomes type, message, code and stack. */
  error: "error",
} as const;

/** One name of the shared vocabulary. */
export type FieldName = (typeof field)[keyof typeof field];
