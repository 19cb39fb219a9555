// A rollout as data: what was asked (spec, written by management) and how far it is (status, written by the rollout
// worker). Its states are rollout-states.ts, how it moves is plan.ts, what one agent is doing is assess.ts.

import type { FailureBudget } from "./budget.ts";
import type { Window } from "./calendar.ts";
import type { FailureState } from "./desired.ts";
import type { Gate } from "./gate.ts";
import type { ConfigHash, ConfigId, InstanceUid, RolloutId } from "./ids.ts";
import type { Rank } from "./rank.ts";
import {
  AGENT_STATES,
  type AgentRolloutState,
  type RolloutPhase,
  type RolloutReason,
  type StageState,
} from "./rollout-states.ts";
import type { Storm } from "./storm.ts";

/** Which agents have the revision when a stage is done; percent and count are cumulative over the stages. */
export type StageSize =
  | { readonly kind: "percent" /** Above 0, to 100; rounded up to whole agents. */; readonly percent: number }
  | { readonly kind: "count" /** From 1. */; readonly count: number }
  /** Everybody that this matches, beside those that stages before it reached. */
  | { readonly kind: "selector"; readonly selector: string };

/** Who comes first within a stage. */
export type StageOrder =
  /** By a hash over the seed and the agent: as good as random, and always the same. */
  | "sticky_hash"
  /** Agents that exist for longest first, by the time in their UUIDv7; those without one come last. */
  | "oldest_first"
  /** By the attribute `muster.risk`: low, medium (also when there is none), high. */
  | "risk_low_first";

/** One step of a rollout. */
export interface Stage {
  readonly name: string;
  readonly size: StageSize;
  readonly order: StageOrder;
  /** Agents of this stage that may be on their way at once; null: as many as the rollout allows. */
  readonly maxInFlight: number | null;
  /** Of the agents that the stage reached and that are through, how many must be good. */
  readonly successMinPercent: number;
  /** How long the stage must stay good before its gates are asked. */
  readonly bakeMs: number;
  /** Asked in turn once it baked; all must pass. */
  readonly gates: readonly Gate[];
  /** People who must promote the stage before the next begins; 0: nobody. */
  readonly promotions: number;
}

/** How fast agents are assigned. Null: no limit. */
export interface Pace {
  readonly maxPerMinute: number | null;
  readonly maxInFlight: number | null;
  /** Multiplies `maxPerMinute` by `factor` each time `afterVerified` more agents are verified, up to `maxPerMinute` of its own. */
  readonly ramp: { readonly factor: number; readonly afterVerified: number; readonly maxPerMinute: number } | null;
  /** Attribute that tells which failure domain an agent is in; "": none. */
  readonly domainKey: string;
  /** Agents of one failure domain that may be on their way or unwell at once. */
  readonly maxUnavailablePerDomain: number | null;
}

/** When things are due. All spans in milliseconds, all times in milliseconds since 1970. */
export interface Timing {
  /** How long an agent may take from the offer until it says applied. */
  readonly applyTimeoutMs: number;
  /** How long it must then be well and connected. */
  readonly soakMs: number;
  /** How long an agent that went dark after its offer may stay away. */
  readonly darkTimeoutMs: number;
  /** How long an agent may be unhealthy after it said applied: Collectors take some seconds to start all of their parts. */
  readonly unhealthyGraceMs: number;
  /** How long a stage may take; null: as long as it takes. */
  readonly stageDeadlineMs: number | null;
  readonly finalBakeMs: number;
  /** How long after its success a rollout may be reverted. */
  readonly revertWindowMs: number;
  readonly startAtMs: number | null;
  readonly endAtMs: number | null;
  /** What becomes of it when it is not through by its end time. */
  readonly endBehavior: "halt" | "pause" | "rollback";
  /** Agents are assigned only within one of these; none: at any time. */
  readonly windows: readonly Window[];
  /** Calendars that say when nothing may change. */
  readonly calendarIds: readonly string[];
}

/** What is tried again. */
export interface RetryPolicy {
  /** Offers of one revision to one agent at most. */
  readonly maxAttempts: number;
  readonly retryOn: readonly FailureState[];
  /** The wait before try n is `baseMs * factor^(n-2)`, at most `capMs`. */
  readonly backoff: { readonly baseMs: number; readonly factor: number; readonly capMs: number };
  /** Whether an agent that failed this very hash under an earlier rollout is offered it again. */
  readonly requeueFailedHash: boolean;
}

/** Who has to approve a rollout before it starts. */
export interface ApprovalPolicy {
  readonly required: number;
  /** Role that approvers need; "": any. Recorded, and enforced once users have roles. */
  readonly approverRole: string;
  /** Whether the author's own approval does not count. */
  readonly notAuthor: boolean;
}

/** How a rollout treats agents that are not simply there. */
export interface Policies {
  /** What agents get that come to exist while it runs: as their rank says, the stable revision, or nothing until it ended. */
  readonly newAgents: "by_rank" | "stable" | "hold";
  /** What agents count as that are offline when their turn comes: caught up later, failed, or not there. */
  readonly offline: "defer" | "fail" | "exclude";
  /** Whether agents that cannot take the revision count as failures. */
  readonly incapable: "ignore" | "fail";
  /** Share of a stage's agents that must be through before the stage may pass; the others may be offline. */
  readonly minReachedPercent: number;
  /** Whether agents that were offline get the revision when they return after the success. */
  readonly catchUpAfterSuccess: boolean;
}

/** A person's word on a rollout or one of its stages. */
export interface Approval {
  readonly by: string;
  readonly atMs: number;
  readonly remark: string;
}

/** What operators may wish of a rollout that was started. */
export type RolloutWish = "run" | "pause" | "abort" | "rollback" | "revert" | "cancel" | "deny";

/** What was asked. `generation` counts the wishes, from 1. */
export interface RolloutSpec {
  readonly id: RolloutId;
  readonly configId: ConfigId;
  readonly revision: number;
  /** Hash of the revision. */
  readonly hash: ConfigHash;
  /** Who it is for and where it merges, as the config said when the rollout started. */
  readonly selector: string;
  readonly order: number;
  /** Makes the ranks; the rollout's id unless somebody wants the same agents to be first again. */
  readonly seed: string;
  readonly stages: readonly Stage[];
  readonly pace: Pace;
  readonly budget: FailureBudget;
  readonly timing: Timing;
  readonly retry: RetryPolicy;
  readonly approval: ApprovalPolicy;
  readonly policies: Policies;
  /** What to do when another rollout is at work on the config. */
  readonly onConflict: "reject" | "queue" | "supersede";
  /** Of those that wait for a config, the heaviest goes first. */
  readonly weight: number;
  /**
   * Types of components that the revision uses (`receivers/otlp`), and variables that it needs (`${agent:host.name}`); an agent
   * that is known to lack one is incapable.
   */
  readonly components: readonly string[];
  /** Variables that the revision uses; absent where it uses none. */
  readonly variables?: readonly string[];
  /** Why the quarantine of the content does not count; "": it does. */
  readonly quarantineOverride: string;
  /** Agents per stage as the plan said that it was started with; null: it was started without one. */
  readonly planned: { readonly targeted: number; readonly stages: readonly number[] } | null;
  readonly reason: string;
  readonly author: string;
  readonly source: string;
  readonly commit: string;
  readonly createdAtMs: number;
  readonly generation: number;
  readonly wish: RolloutWish;
  /** The generation that brought the wish; later ones brought approvals, promotions or retries. */
  readonly wishGeneration: number;
  readonly wishReason: string;
  readonly wishedBy: string;
  /** Whether the last "run" accepted the failures until then. */
  readonly acceptsFailures: boolean;
  readonly approvals: readonly Approval[];
  /** Promotions per stage, by its index. */
  readonly promotions: readonly (Approval & { readonly stage: number })[];
  /** Agents that an operator wants tried again, with when that was said. */
  readonly retries: readonly { readonly uid: InstanceUid; readonly atMs: number }[];
}

/** How far a stage is. */
export interface StageStatus {
  readonly state: StageState;
  /** How many agents it reaches with those before it, counted when it started; 0 before. */
  readonly size: number;
  /** Agents with a rank up to this one, of those that the stage is for, may have the revision; "" reaches none. */
  readonly cutoff: Rank;
  readonly startedAtMs: number | null;
  readonly convergedAtMs: number | null;
  readonly gatingAtMs: number | null;
  /** Names of its gates that passed so far. */
  readonly gatesPassed: readonly string[];
}

/** How many targeted agents are in each state. */
export type RolloutCounts = Readonly<Record<AgentRolloutState, number>>;

/** An agent that failed, with what it said. */
export interface RolloutFailure {
  readonly uid: InstanceUid;
  /** How it failed. */
  readonly state: FailureState;
  readonly error: string;
  /** How it fares since: the same as `state` until it is given back what it had. */
  readonly since: AgentRolloutState;
}

/** How far a rollout is. */
export interface RolloutStatus {
  /** The generation of the spec that was last acted on. */
  readonly observedGeneration: number;
  readonly phase: RolloutPhase;
  readonly reason: RolloutReason;
  readonly message: string;
  /** The stage at work, from 0. */
  readonly stageIndex: number;
  readonly stages: readonly StageStatus[];
  readonly counts: RolloutCounts;
  /** A few of the failures that count. */
  readonly failures: readonly RolloutFailure[];
  /** Failures an operator accepted by resuming; they no longer hold the rollout. */
  readonly acceptedFailures: readonly InstanceUid[];
  /** Stages whose gates an operator overrode by resuming. */
  readonly acceptedGates: readonly number[];
  /** Storms that there are, accepted or not. */
  readonly storms: readonly Storm[];
  /** Names of storms that an operator resumed in spite of. */
  readonly acceptedStorms: readonly string[];
  /** Whether agents are assigned one by one as the plan admits them, and not as soon as a stage reaches them. */
  readonly isPaced: boolean;
  /** Agents assigned within the last minute: when, and how many. */
  readonly dispatches: readonly (readonly [atMs: number, count: number])[];
  /** Counts the waves that assigned or took back agents. */
  readonly wave: number;
  readonly startedAtMs: number | null;
  /** When an operator last let it go on. */
  readonly resumedAtMs: number | null;
  /** When the stages were all through. */
  readonly passedAtMs: number | null;
  readonly updatedAtMs: number;
  readonly endedAtMs: number | null;
  /** Ended, and no agent is on its way any more: nobody needs to look again. */
  readonly isSettled: boolean;
  /** It was settled once: who is looked at since then came or came back after the end. */
  readonly hasSettled: boolean;
}

/** A rollout with its spec and its status. */
export interface Rollout {
  readonly spec: RolloutSpec;
  readonly status: RolloutStatus;
}

/** No agent in any state. */
export const NO_COUNTS = Object.fromEntries(Object.keys(AGENT_STATES).map((state) => [state, 0])) as RolloutCounts; // all of its keys

/** The status of a rollout that was just asked for. */
export function initialStatus(spec: RolloutSpec): RolloutStatus {
  return {
    observedGeneration: 0,
    phase: "draft",
    reason: "started",
    message: `Rollout of ${spec.configId} revision ${spec.revision} begins.`,
    stageIndex: 0,
    stages: spec.stages.map(() => ({
      state: "pending",
      size: 0,
      cutoff: "",
      startedAtMs: null,
      convergedAtMs: null,
      gatingAtMs: null,
      gatesPassed: [],
    })),
    counts: NO_COUNTS,
    failures: [],
    acceptedFailures: [],
    acceptedGates: [],
    storms: [],
    acceptedStorms: [],
    isPaced: false,
    dispatches: [],
    wave: 0,
    startedAtMs: null,
    resumedAtMs: null,
    passedAtMs: null,
    updatedAtMs: spec.createdAtMs,
    endedAtMs: null,
    isSettled: false,
    hasSettled: false,
  };
}

/** All targeted agents; those that were removed are not. */
export function targetedCount(counts: RolloutCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0) - counts.removed;
}
