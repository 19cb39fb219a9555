// The state machines of a rollout as tables: its phases, the states of its stages and of its agents, which may follow
// which, and why. Nothing else decides what is allowed; docs/rollout-states.md is drawn from here.

/** Where a rollout is in its life, with what it means. */
export const ROLLOUT_PHASES = {
  draft: "Asked for; no worker has seen it.",
  validating: "A worker checks it against the fleet as it is now.",
  invalid: "Ended: it cannot be run, and says why.",
  awaiting_approval: "People have to approve it first.",
  rejected: "Ended: somebody said no.",
  scheduled: "Approved; waits for its start time, a window, or another rollout of the config.",
  running: "Assigning, verifying or baking its stages.",
  paused: "Assigns to nobody; agents that have it are still judged.",
  baking_final: "Every stage passed; the whole fleet is watched for a last while.",
  succeeded: "Ended: the revision is stable.",
  reverting: "Succeeded, and is being taken back by an operator.",
  reverted: "Ended: taken back after it had succeeded.",
  halted: "Ended early; agents that have the revision keep it.",
  rolling_back: "Being taken back, last agents first.",
  rolled_back: "Ended: every agent that can be reached has what it had before.",
  rollback_incomplete: "Ended: taken back, but some agents are not well with what they had before.",
  superseded: "Ended: a newer rollout of the config took its place.",
  cancelled: "Ended before any agent was assigned anything.",
} as const;

/** A key of ROLLOUT_PHASES. */
export type RolloutPhase = keyof typeof ROLLOUT_PHASES;

/** Which phase may follow which. */
export const ROLLOUT_TRANSITIONS = {
  draft: ["validating", "superseded", "cancelled"],
  validating: ["invalid", "awaiting_approval", "scheduled", "superseded", "cancelled"],
  invalid: [],
  awaiting_approval: ["scheduled", "rejected", "superseded", "cancelled"],
  rejected: [],
  scheduled: ["running", "awaiting_approval", "invalid", "superseded", "cancelled"],
  running: ["paused", "baking_final", "halted", "rolling_back", "superseded"],
  paused: ["running", "baking_final", "halted", "rolling_back", "superseded"],
  baking_final: ["running", "paused", "succeeded", "halted", "rolling_back", "superseded"],
  succeeded: ["reverting"],
  reverting: ["reverted", "rollback_incomplete", "halted"],
  reverted: [],
  halted: [],
  rolling_back: ["rolled_back", "rollback_incomplete", "halted"],
  rolled_back: [],
  rollback_incomplete: [],
  superseded: [],
  cancelled: [],
} as const satisfies Record<RolloutPhase, readonly RolloutPhase[]>;

/** Why a rollout is where it is, with what it means. */
export const ROLLOUT_REASONS = {
  started: "The rollout began.",
  checked: "It was checked against the fleet.",
  plan_outdated: "The fleet has moved too far from the plan that it was started with.",
  quarantined: "A rollout of the same content was taken back or aborted before, and nobody overrode that.",
  incapable: "No agent that it is for has the components that the revision uses.",
  approval_needed: "Approvals are missing.",
  approved: "Enough people approved.",
  approval_withdrawn: "An approval was withdrawn, and too few are left.",
  denied: "Somebody denied it.",
  start_time: "Its start time has not come.",
  queued: "Another rollout is at work on the config; this one follows.",
  window: "Outside of every window; agents that were offered the revision finish.",
  freeze: "A calendar forbids changes now; agents that were offered the revision finish.",
  dependency: "Another rollout has to succeed first.",
  stage_started: "The agents of a stage are being assigned the revision.",
  stage_converging: "Every agent of the stage that can be reached was assigned; their answers are awaited.",
  stage_baking: "Enough agents of the stage are good; the bake time runs.",
  stage_reopened: "An agent of a baking stage is no longer good; the bake time starts over once enough are.",
  stage_gating: "The stage baked; its gates are asked.",
  stage_promotion: "The stage waits for people to promote it.",
  stage_passed: "The stage passed.",
  stage_skipped: "The stage reaches no further agent, or all that it reaches have the revision already.",
  stage_overdue: "The stage did not pass before its deadline.",
  waiting_for_agents: "Too many agents of the stage are offline; the stage waits for them.",
  held_back:
    "Those whose turn it is are held back: too many of their failure domain are missing, or another rollout has them on their way.",
  rebuilding: "The fleet state was lost and is being told again by the agents; nothing moves until it is.",
  manual: "An operator paused the rollout.",
  resumed: "An operator resumed the rollout.",
  window_open: "What held the rollout back by time or by another rollout is over.",
  aborted: "An operator ended the rollout; agents that have the revision keep it.",
  aborted_back: "An operator had the rollout taken back.",
  reverted: "An operator had the succeeded rollout taken back.",
  cancelled: "An operator cancelled the rollout before it reached anybody.",
  error_budget: "More agents failed than the failure budget allows.",
  inconclusive:
    "Agents failed: fewer than the failure budget forbids and too many for the stage to pass, or of too few for the budget to tell.",
  gate: "A gate failed or could not tell.",
  storm: "A failure domain or a gateway went dark; that says nothing about the revision.",
  storm_over: "What had gone dark is back.",
  end_time: "Its end time came before it was through.",
  superseded: "A newer rollout of the config took its place.",
  final_bake: "Every stage passed; the last watch runs.",
  completed: "Every stage passed, and the last watch is over.",
  taking_back: "Agents are being given back what they had.",
  taken_back: "Every agent that can be reached has what it had before.",
  not_all_back: "Some agents are not well with what they had before.",
} as const;

/** A key of ROLLOUT_REASONS. */
export type RolloutReason = keyof typeof ROLLOUT_REASONS;

/** Where a stage is in its life, with what it means. */
export const STAGE_STATES = {
  pending: "Its turn has not come.",
  dispatching: "Its agents are being assigned the revision.",
  converging: "All that can be reached are assigned; their answers are awaited.",
  baking: "Enough are good; it must stay so for the bake time.",
  gating: "Its gates are asked.",
  awaiting_promotion: "People have to promote it.",
  passed: "Done.",
  failed: "Its failures or its gates ended the rollout.",
  skipped: "It reached no agent that did not have the revision.",
} as const;

/** A key of STAGE_STATES. */
export type StageState = keyof typeof STAGE_STATES;

/** Which stage state may follow which. */
export const STAGE_TRANSITIONS = {
  pending: ["dispatching", "skipped", "failed"],
  dispatching: ["converging", "failed"],
  converging: ["dispatching", "baking", "skipped", "failed"],
  baking: ["dispatching", "converging", "gating", "failed"],
  gating: ["dispatching", "converging", "awaiting_promotion", "passed", "failed"],
  awaiting_promotion: ["dispatching", "converging", "passed", "failed"],
  passed: [],
  failed: [],
  skipped: [],
} as const satisfies Record<StageState, readonly StageState[]>;

/** What one targeted agent is doing, with what it means. */
export const AGENT_STATES = {
  queued: "Its turn has not come.",
  held: "Its turn has come, but a window, a freeze, a pause, another rollout or its failure domain holds it back.",
  assigned: "The revision is assigned to it; no gateway has sent the offer yet.",
  offered: "The offer was sent; no answer yet.",
  applying: "It says that it is at work.",
  applied_unverified: "It says applied; it is watched until it has been well for the soak time.",
  verified: "It applied the config, and was well and connected for the soak time.",
  already_current: "It had this very config before it was assigned.",
  failed: "It said that it failed.",
  self_rolled_back: "It failed and went back to the config before by itself.",
  timed_out: "It gave no answer in time, or said applied and never showed it.",
  went_dark: "It went dark after the offer and did not come back.",
  unhealthy: "It says applied, and is not healthy or worse than before.",
  incapable: "It does not accept remote configs, or lacks a component that the revision uses.",
  offline_deferred: "It was offline before the offer; it is caught up when it returns.",
  superseded: "It has a newer rollout's revision.",
  removed: "It is gone, or the rollout is for it no more.",
  restore_offered: "The revision failed it; it is given back what it had before.",
  restored: "The revision failed it; it has what it had before, and is well.",
  restore_failed: "The revision failed it, and so did what it had before.",
  rollback_offered: "The rollout is taken back; it is given what it had before.",
  rolled_back: "The rollout was taken back; it has what it had before, and is well.",
  rollback_failed: "The rollout was taken back, and what it had before failed it.",
} as const;

/** A key of AGENT_STATES. */
export type AgentRolloutState = keyof typeof AGENT_STATES;

const FAILS = ["failed", "self_rolled_back", "timed_out", "went_dark", "unhealthy"] as const;
/** What each of them is called after the name of who failed. */
export const FAILURE_WORDS = {
  failed: "failed",
  self_rolled_back: "rolled itself back",
  timed_out: "timed out",
  went_dark: "went dark",
  unhealthy: "is unhealthy",
} as const satisfies Record<(typeof FAILS)[number], string>;
const LEAVES = ["removed", "superseded", "rollback_offered", "rolled_back"] as const;

/**
 * Which agent state may follow which from one report or one moment to the next. A state is judged from what is known and
 * not remembered, so an agent that did much between two looks is seen to skip states; the table says what each step is.
 */
export const AGENT_TRANSITIONS = {
  queued: ["held", "assigned", "already_current", "offline_deferred", "incapable", "removed", "superseded"],
  held: ["queued", "assigned", "already_current", "offline_deferred", "incapable", "removed", "superseded"],
  assigned: ["offered", "already_current", "timed_out", "offline_deferred", ...LEAVES],
  offered: ["applying", "applied_unverified", ...FAILS, ...LEAVES],
  applying: ["applied_unverified", ...FAILS, ...LEAVES],
  applied_unverified: ["verified", "timed_out", "went_dark", "unhealthy", ...LEAVES],
  verified: ["applied_unverified", "went_dark", "unhealthy", ...LEAVES],
  already_current: ["applied_unverified", "went_dark", "unhealthy", ...LEAVES],
  failed: ["restore_offered", "self_rolled_back", ...LEAVES],
  self_rolled_back: ["restore_offered", "restored", ...LEAVES],
  timed_out: ["assigned", "restore_offered", ...LEAVES],
  went_dark: ["offered", "restore_offered", ...LEAVES],
  unhealthy: ["restore_offered", ...LEAVES],
  incapable: ["queued", "removed", "superseded"],
  offline_deferred: ["queued", "held", "assigned", "offered", "removed", "superseded"],
  superseded: [],
  removed: ["queued"],
  restore_offered: ["restored", "restore_failed", "assigned", "removed", "superseded"],
  restored: ["assigned", "removed", "superseded"],
  restore_failed: ["restored", "assigned", "removed", "superseded"],
  rollback_offered: ["rolled_back", "rollback_failed", "removed"],
  rolled_back: ["removed"],
  rollback_failed: ["rolled_back", "removed"],
} as const satisfies Record<AgentRolloutState, readonly AgentRolloutState[]>;

/** What a budget may count: how a config fails an agent, and what a rollout's policies make a failure. */
export const FAILURE_KINDS = [...FAILS, "incapable", "offline_deferred"] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/** Whether nothing more will happen to a rollout by itself. One that succeeded may still be reverted. */
export function isEnded(phase: RolloutPhase): boolean {
  return phase === "succeeded" || ROLLOUT_TRANSITIONS[phase].length === 0;
}

/** Whether a rollout in this phase gives agents back what they had. */
export function isTakingBack(phase: RolloutPhase): boolean {
  return phase === "rolling_back" || phase === "reverting";
}

/** Pauses that end by themselves; any other waits for an operator. */
const PASSING: ReadonlySet<RolloutReason> = new Set(["window", "freeze", "storm", "dependency", "approval_withdrawn"]);

/** Whether a pause for this reason ends by itself, once the reason is over. */
export function isPassing(reason: RolloutReason): boolean {
  return PASSING.has(reason);
}

/** Whether no agent was assigned anything in this phase or before it. */
export function isBeforeStart(phase: RolloutPhase): boolean {
  switch (phase) {
    case "draft":
    case "validating":
    case "awaiting_approval":
    case "scheduled":
    case "invalid":
    case "rejected":
    case "cancelled":
      return true;
    default:
      return false;
  }
}
