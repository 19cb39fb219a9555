// What the model test throws at the plan: random fleets, rollouts, wishes of operators and faults. For plan-model.spec.ts
// only. Every span is short, so that a rollout of many stages is through within hours of the model's time.

import fc from "fast-check";
import type { Reaction } from "./model-traits.ts";
import { MODEL_START_MS } from "./model-world.ts";
import type { RolloutSpec, RolloutWish, Stage } from "./rollout.ts";
import { DEFAULT_PACE, DEFAULT_POLICIES, DEFAULT_STAGE, DEFAULT_TIMING } from "./rollout-defaults.ts";

/** One agent of a scenario. */
export interface AgentPlan {
  readonly zone: string;
  readonly gateway: string;
  readonly tier: string;
  readonly isAway: boolean;
  readonly kind: "usual" | "unspoken" | "showing" | "incapable";
  /** What it does with the revision that is rolled out. */
  readonly reaction: Reaction;
  /** What it does with the one before, and with none. */
  readonly oldReaction: Reaction;
  /** What it does with the revision of the other config, and with both that are new together. */
  readonly besideReaction: Reaction;
  readonly bothReaction: Reaction;
}

/** What happens at one moment. Agents are named by their place in the fleet, modulo its size. */
export type Step = {
  readonly afterMs: number /** To the rollout of the other config. */;
  readonly isBeside: boolean;
} & (
  | { readonly kind: "wait" }
  | { readonly kind: "wish"; readonly wish: RolloutWish; readonly accepts: boolean }
  | { readonly kind: "approve" | "withdraw_approval" | "promote" }
  | { readonly kind: "retry" | "relabel" | "delete" | "leave" | "unwell" | "well"; readonly agent: number }
  | { readonly kind: "return"; readonly agent: number; readonly gateway: string }
  | { readonly kind: "join"; readonly agent: AgentPlan }
  | { readonly kind: "dark" | "back"; readonly zone: string }
  | { readonly kind: "lose_fleet_state" }
  | { readonly kind: "freeze"; readonly forMs: number }
  | { readonly kind: "two_workers"; readonly isFirstFaster: boolean; readonly betweenMs: number }
  | { readonly kind: "worker_dies"; readonly after: "commit" | "plan" }
  | { readonly kind: "another"; readonly onConflict: "queue" | "supersede" }
  | { readonly kind: "beside" | "both_at_once" }
);

/** A whole run. */
export interface Scenario {
  readonly fleet: readonly AgentPlan[];
  /** Whether a rollout succeeded before. */
  readonly hasStable: boolean;
  readonly spec: Partial<RolloutSpec> & { readonly stages: readonly Stage[] };
  /** A rollout of another config to the same fleet; null: there is no other config. */
  readonly beside: {
    readonly spec: Scenario["spec"];
    readonly hasStable: boolean;
    /** Whether it begins with the first, and not only when a step says so. */
    readonly isEarly: boolean;
  } | null;
  readonly steps: readonly Step[];
  /** Whether those that are away return in the end. */
  readonly comeBack: boolean;
  /** How an operator ends what has not ended by itself. */
  readonly lastWish: "rollback" | "abort";
}

const zone = fc.constantFrom("a", "b", "c");
const gateway = fc.constantFrom("gw-1", "gw-2");

const reaction: fc.Arbitrary<Reaction> = fc.oneof(
  { weight: 14, arbitrary: fc.constant<Reaction>("good") },
  {
    weight: 6,
    arbitrary: fc.constantFrom<Reaction>(
      "rejects",
      "crash_loops",
      "goes_back",
      "silent",
      "slow",
      "dies",
      "unwell_later",
      "part_unwell",
      "restarts",
    ),
  },
);

const mostlyGood: fc.Arbitrary<Reaction> = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Reaction>("good") },
  { weight: 1, arbitrary: fc.constantFrom<Reaction>("rejects", "silent", "slow") },
);

const agentPlan: fc.Arbitrary<AgentPlan> = fc.record({
  zone,
  gateway,
  tier: fc.constantFrom("canary", "rest", "rest", "rest"),
  isAway: fc.oneof({ weight: 7, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  kind: fc.oneof(
    { weight: 10, arbitrary: fc.constant<AgentPlan["kind"]>("usual") },
    { weight: 4, arbitrary: fc.constantFrom<AgentPlan["kind"]>("unspoken", "showing", "incapable") },
  ),
  reaction,
  oldReaction: mostlyGood,
  besideReaction: reaction,
  bothReaction: mostlyGood,
});

/** Mostly small: what goes wrong goes wrong among few, and storms need five. */
const fleet = fc.oneof(
  { weight: 6, arbitrary: fc.array(agentPlan, { minLength: 1, maxLength: 8 }) },
  { weight: 2, arbitrary: fc.array(agentPlan, { minLength: 6, maxLength: 16 }) },
  { weight: 1, arbitrary: fc.array(agentPlan, { minLength: 16, maxLength: 30 }) },
);

const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });

const stage: fc.Arbitrary<Stage> = fc.record({
  name: fc.constantFrom("", "one"),
  size: fc.oneof(
    fc.integer({ min: 1, max: 100 }).map((percent) => ({ kind: "percent", percent }) as const),
    fc.integer({ min: 1, max: 20 }).map((count) => ({ kind: "count", count }) as const),
    fc.constantFrom("tier=canary", "zone=a").map((selector) => ({ kind: "selector", selector }) as const),
  ),
  order: fc.constantFrom("sticky_hash", "oldest_first", "risk_low_first"),
  maxInFlight: orNull(fc.integer({ min: 1, max: 4 })),
  successMinPercent: fc.constantFrom(100, 100, 80, 50),
  bakeMs: fc.constantFrom(0, 30_000),
  gates: fc.constantFrom<Stage["gates"]>([], [], [{ kind: "health", name: "healthy" }]),
  promotions: fc.constantFrom(0, 0, 0, 0, 1),
});

const pace = fc.oneof(
  { weight: 1, arbitrary: fc.constant(DEFAULT_PACE) },
  {
    weight: 2,
    arbitrary: fc.record({
      maxPerMinute: orNull(fc.integer({ min: 1, max: 6 })),
      maxInFlight: orNull(fc.integer({ min: 1, max: 6 })),
      ramp: orNull(fc.constant({ factor: 2, afterVerified: 2, maxPerMinute: 8 })),
      domainKey: fc.constantFrom("", "zone"),
      maxUnavailablePerDomain: orNull(fc.integer({ min: 1, max: 3 })),
    }),
  },
);

const criterion = fc.record({
  kinds: fc.constantFrom<RolloutSpec["budget"]["criteria"][number]["kinds"]>([], [], ["failed", "unhealthy"]),
  percent: orNull(fc.constantFrom(10, 30, 60)),
  absolute: orNull(fc.integer({ min: 1, max: 4 })),
  minSample: fc.constantFrom(1, 3, 5),
  window: fc.constantFrom<("stage" | "rollout")[]>("stage", "rollout"),
});

const timing: fc.Arbitrary<RolloutSpec["timing"]> = fc.record({
  applyTimeoutMs: fc.constantFrom(10_000, 60_000),
  soakMs: fc.constantFrom(0, 20_000),
  darkTimeoutMs: fc.constantFrom(45_000, 150_000),
  unhealthyGraceMs: fc.constantFrom(5_000, 30_000),
  stageDeadlineMs: fc.oneof(
    { weight: 8, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constant(600_000) },
  ),
  finalBakeMs: fc.constantFrom(0, 60_000),
  windows: fc.oneof(
    { weight: 8, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.constant([{ cron: "*/10 * * * *", durationMs: 240_000, timeZone: "UTC" }]) },
  ),
  calendarIds: fc.constantFrom([], [], ["freezes"]),
  revertWindowMs: fc.constant(DEFAULT_TIMING.revertWindowMs),
  startAtMs: fc.constantFrom(null, null, null, MODEL_START_MS + 70_000),
  endAtMs: fc.constantFrom(null, null, null, null, null, MODEL_START_MS + 600_000),
  endBehavior: fc.constantFrom<RolloutSpec["timing"]["endBehavior"][]>("halt", "pause", "rollback"),
});

const spec = fc.record({
  stages: fc.array(stage, { minLength: 1, maxLength: 3 }),
  pace,
  budget: fc.record({
    criteria: fc.array(criterion, { maxLength: 2 }),
    onBreach: fc.constantFrom<RolloutSpec["budget"]["onBreach"][]>("default", "pause", "halt", "rollback", "rollback"),
  }),
  timing,
  retry: fc.record({
    maxAttempts: fc.integer({ min: 1, max: 3 }),
    retryOn: fc.constantFrom<RolloutSpec["retry"]["retryOn"]>(["timed_out"], ["timed_out", "went_dark"], []),
    backoff: fc.constant({ baseMs: 10_000, factor: 2, capMs: 60_000 }),
    requeueFailedHash: fc.boolean(),
  }),
  approval: fc.constantFrom(
    { required: 0, approverRole: "", notAuthor: true },
    { required: 0, approverRole: "", notAuthor: true },
    { required: 1, approverRole: "", notAuthor: true },
  ),
  policies: fc.record({
    newAgents: fc.constantFrom<RolloutSpec["policies"]["newAgents"][]>("by_rank", "stable", "hold"),
    offline: fc.constantFrom<RolloutSpec["policies"]["offline"][]>("defer", "defer", "fail", "exclude"),
    incapable: fc.constantFrom<RolloutSpec["policies"]["incapable"][]>("ignore", "ignore", "fail"),
    minReachedPercent: fc.constantFrom(DEFAULT_POLICIES.minReachedPercent, 50, 100),
    catchUpAfterSuccess: fc.boolean(),
  }),
  selector: fc.constantFrom("", "", "", "zone!=c"),
});

const agent = fc.nat(30);
const wish = fc.constantFrom<RolloutWish[]>("run", "run", "pause", "abort", "rollback", "revert", "cancel", "deny");

const happening = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("wait" as const) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("wish" as const), wish, accepts: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("approve", "promote", "withdraw_approval") }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("retry", "relabel", "delete", "leave", "leave", "unwell", "well"),
      agent,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("return" as const), agent, gateway }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("join" as const), agent: agentPlan }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("dark", "back"), zone }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose_fleet_state" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("freeze" as const), forMs: fc.constantFrom(60_000, 600_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("two_workers" as const),
      isFirstFaster: fc.boolean(),
      betweenMs: fc.constantFrom(0, 1, 5_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("worker_dies" as const), after: fc.constantFrom("commit", "plan") }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("another" as const), onConflict: fc.constantFrom("queue", "supersede") }),
  },
);

/** The fleet state is lost with one config only: what agents have of two cannot always be told from what they say then. */
const happeningBeside = fc.oneof(
  { weight: 10, arbitrary: happening.filter(({ kind }) => kind !== "lose_fleet_state") },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("beside", "both_at_once") }) },
);

const afterMs = fc.constantFrom(0, 1, 1_000, 6_000, 15_000, 40_000, 120_000);
const step = fc
  .tuple(afterMs, happening)
  .map(([after, what]) => ({ afterMs: after, isBeside: false, ...what }) as Step);
const stepBeside = fc
  .tuple(afterMs, fc.boolean(), happeningBeside)
  .map(([after, isBeside, what]) => ({ afterMs: after, isBeside, ...what }) as Step);

const usual = {
  fleet,
  hasStable: fc.boolean(),
  spec,
  comeBack: fc.boolean(),
  lastWish: fc.constantFrom<Scenario["lastWish"][]>("rollback", "abort"),
};

/** Any run with one config. */
export const scenario: fc.Arbitrary<Scenario> = fc.record({
  ...usual,
  beside: fc.constant(null),
  steps: fc.array(step, { maxLength: 10 }),
});

/** Any run with two. */
export const scenarioOfTwo: fc.Arbitrary<Scenario> = fc.record({
  ...usual,
  beside: fc.record({ spec, hasStable: fc.boolean(), isEarly: fc.boolean() }),
  steps: fc.array(stepBeside, { maxLength: 12 }),
});

/** A stage that fills in what scenarios of other rollouts do not choose. */
export const LAST_STAGE: Stage = { ...DEFAULT_STAGE, size: { kind: "percent", percent: 100 }, bakeMs: 0 };
