// The state of a simulated agent, what can happen to it, and what it can want done. Types and their tables
// only; supervisor.ts moves from one state to the next.
//
// Invariants
//   A1. `stored`, `storedStatus`, `lastWorking` and `uid` are the disk: they survive a restart, nothing else does.
//   A2. `sequenceNum` is the number of the next message; it starts at 0 with every client and never goes back.
//   A3. `dirty` is what the server has not been told yet; it is empty while the link is ready.
//   A4. `apply` is present exactly while the timer `apply` runs.

import type { AttributeValue } from "@muster/protocol";
import type { AgentToServer, ServerToAgent } from "@muster/protocol/opamp";
import type { Composed, OwnTelemetry, Uncomposable } from "./compose.ts";
import type { Behaviour } from "./profile.ts";

/** Attributes as pairs: cheaper to hold than a Map, and ordered. */
export type AttributePairs = readonly (readonly [string, AttributeValue])[];

/** Who an agent is, before anyone gives it another uid. */
export interface Identity {
  /** Canonical UUID text. */
  readonly uid: string;
  /** Identifying attributes without service.instance.id, which follows the uid at each start. */
  readonly identifying: AttributePairs;
  /** Non-identifying attributes. */
  readonly other: AttributePairs;
}

/** Parts of a report, as bits: a report is any set of them. */
export const FIELD = {
  description: 1,
  health: 2,
  effectiveConfig: 4,
  configStatus: 8,
  packages: 16,
  componentsHash: 32,
  components: 64,
  disconnect: 128,
} as const;

/** Status of the last remote config. The hash is lower-case hex, "" when none was received. */
export interface ConfigStatus {
  readonly status: "UNSET" | "APPLIED" | "APPLYING" | "FAILED";
  readonly hash: string;
  readonly error: string;
}

/** Health as the agent reports it. */
export interface Health {
  readonly healthy: boolean;
  /** E.g. StatusOK; may be empty. */
  readonly status: string;
  readonly lastError: string;
  readonly atMs: number;
}

/** An offer on disk. */
export interface StoredOffer {
  readonly hash: string;
  readonly config: Composed | Uncomposable;
}

/** The Collector's process. The timer `collector` runs in `starting`, `crashed` and sometimes in `running`. */
export type CollectorProcess =
  | { readonly kind: "stopped" }
  | { readonly kind: "starting"; readonly pid: number }
  | { readonly kind: "running"; readonly pid: number; readonly startedAtMs: number }
  | { readonly kind: "crashed" };

/** The supervisor's own process. `doomed` ends as soon as its first report is out, `dead` stays so. */
export type Phase = "down" | "up" | "doomed" | "dead";

/** Everything about one agent. */
export interface AgentState {
  readonly behaviour: Behaviour;
  readonly identity: Identity;
  readonly phase: Phase;

  readonly uid: string;
  readonly stored: StoredOffer | undefined;
  readonly storedStatus: ConfigStatus;
  readonly lastWorking: { readonly hash: string; readonly config: Composed } | undefined;

  /** service.instance.id: the uid at the start of the process. */
  readonly instanceId: string;
  readonly other: AttributePairs;
  readonly health: Health;
  /** What the Collector last reported to run on; undefined is an empty effective config. */
  readonly effective: Composed | undefined;
  readonly status: ConfigStatus;
  /** The merged config in force, whether the Collector survives it or not. */
  readonly current: Composed;
  /** Hash of the offer that `current` came from; "" for the base config. */
  readonly currentHash: string;
  readonly collector: CollectorProcess;
  readonly nextPid: number;
  /** The config being applied; `persist` is false for a rollback, which is not written to disk. */
  readonly apply: { readonly hash: string; readonly persist: boolean } | undefined;
  readonly ownTelemetry: OwnTelemetry;

  /** `busy` is a half-duplex link with a request on the way. */
  readonly link: "down" | "ready" | "busy";
  /** True until the first report of this client is out. */
  readonly first: boolean;
  readonly sequenceNum: number;
  readonly dirty: number;
  /** 0 means no heartbeats. */
  readonly heartbeatMs: number;
  readonly endpoint: string;
  /** The endpoint in the agent's own configuration, used again after each start. */
  readonly homeEndpoint: string;
  /** Asks the server for a uid until it gets one. */
  readonly requestsUid: boolean;
}

/** The agent's timers; arming one again moves it. */
export type TimerName = "heartbeat" | "collector" | "apply" | "come-back";

/** What can happen to an agent. */
export type Input = InputKind & { readonly atMs: number };

type InputKind =
  | { readonly kind: "started" }
  | { readonly kind: "connected" }
  | { readonly kind: "disconnected" }
  | { readonly kind: "received"; readonly message: ServerToAgent }
  /** A half-duplex request is over, answered or lost. */
  | { readonly kind: "answered" }
  | { readonly kind: "timer"; readonly timer: TimerName }
  /** The supervisor gets SIGINT. */
  | { readonly kind: "stopping" }
  /** Supervisor and Collector get SIGKILL. */
  | { readonly kind: "killed" }
  | { readonly kind: "collector-killed"; readonly exitCode: number }
  | { readonly kind: "heartbeat" }
  | { readonly kind: "health"; readonly health: Omit<Health, "atMs"> }
  | { readonly kind: "describe"; readonly attributes: AttributePairs };

/** What an agent wants done, in order. */
export type Effect =
  | { readonly kind: "send"; readonly message: AgentToServer }
  | { readonly kind: "arm"; readonly timer: TimerName; readonly afterMs: number }
  | { readonly kind: "disarm"; readonly timer: TimerName }
  /** Connect to the configured endpoint. */
  | { readonly kind: "connect" }
  /** Say goodbye to this server and connect to another, for as long as the process lives. */
  | { readonly kind: "move"; readonly endpoint: string; readonly headers: readonly (readonly [string, string])[] }
  /** Close in an orderly way and stay away. */
  | { readonly kind: "close" }
  /** Cut the connection without a word and stay away. */
  | { readonly kind: "vanish" };

/** A step in the making: mutable, lives for one call of `step`. */
export interface Turn {
  state: AgentState;
  readonly effects: Effect[];
  readonly atMs: number;
}

/** Unreachable while every member of a union has its case; the compiler notices a new one. */
export function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}

/** Changes some fields of the state of a turn. */
export function update(turn: Turn, patch: Partial<AgentState>): void {
  turn.state = { ...turn.state, ...patch };
}

/** All timers, for whoever ends them. */
export const TIMERS: readonly TimerName[] = ["heartbeat", "collector", "apply", "come-back"];

/** The status of an agent that never got a config. */
export const UNSET: ConfigStatus = { status: "UNSET", hash: "", error: "" };
