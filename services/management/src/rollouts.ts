// RolloutService: records what operators want of rollouts and shows how far they are. Moves nothing itself: a worker
// sees the wish and acts on it. Starting and planning are start-rollout.ts and plan-rollout.ts, explaining is
// explain-rollout.ts.

import {
  FleetError,
  type InstanceUid,
  parseConfigId,
  parseInstanceUid,
  parseRolloutId,
  type Rollout,
  type RolloutId,
  type RolloutSpec,
} from "@muster/fleet";
import {
  ApprovalVerdict,
  type ApproveRolloutRequest,
  type PromoteRolloutRequest,
  type ResumeRolloutRequest,
  type RetryAgentsRequest,
  type RolloutService,
} from "@muster/protocol/muster/rollouts";
import type { Rollouts } from "@muster/store";
import type { Call, MethodsOf } from "./call.ts";
import { checked, invalid, parseCount, parseText } from "./checked.ts";
import { existingRollout } from "./existing-rollout.ts";
import { type ExplainDeps, explainRollout, listRolloutAgents } from "./explain-rollout.ts";
import { decodePageToken, pageOf, parsePageSize } from "./paging.ts";
import { parseBudget } from "./parse-settings.ts";
import { type PlanDeps, planRollout } from "./plan-rollout.ts";
import { type StartDeps, startRollout } from "./start-rollout.ts";
import { toRollout } from "./translate-rollout.ts";
import { type RolloutHints, watchRollout } from "./watch-rollout.ts";
import { abortWish, amended, mustAccept, mustAllow, type Verb, type Wisher, wished } from "./wish.ts";

/** What this service writes and reads. */
export interface RolloutDeps extends PlanDeps, ExplainDeps {
  readonly desired: PlanDeps["desired"];
  readonly cohorts: PlanDeps["cohorts"] & ExplainDeps["cohorts"];
  readonly rollouts: StartDeps["rollouts"] &
    ExplainDeps["rollouts"] &
    Pick<Rollouts, "get" | "list" | "wish" | "exclusions">;
  readonly hints: RolloutHints;
  /** Asks a worker to look; never fails the caller, since a lost request is healed by the workers' own sweep. */
  requestReconcile(id: RolloutId): void;
}

const MAX_REASON_CHARS = 1_000;
const MAX_RETRIES = 1_000;
/** Times a verb is tried again when somebody else was faster. */
const MAX_RACES = 10;

/** The methods of RolloutService. */
export function createRolloutService(deps: RolloutDeps): MethodsOf<typeof RolloutService> {
  const { rollouts } = deps;
  const steer = createSteering(deps);
  return {
    planRollout: (request, call) => planRollout(deps, request, call.user),
    async startRollout(request, call) {
      const rollout = await startRollout(deps, request, call.user);
      if (!request.validateOnly) deps.requestReconcile(rollout.spec.id);
      return { rollout: toRollout(rollout) };
    },
    async getRollout(request) {
      return { rollout: toRollout(await existingRollout(rollouts, parseRolloutId(request.rolloutId))) };
    },
    async listRollouts(request) {
      const list = ["rollouts", request.configId];
      const { pageSize, before, configId } = checked({
        pageSize: () => parsePageSize(request.pageSize),
        before: () => decodePageToken(list, request.pageToken),
        configId: () => (request.configId === "" ? undefined : parseConfigId(request.configId)),
      });
      const found = await rollouts.list(before, pageSize + 1, configId);
      const page = pageOf(found, pageSize, list, ({ spec }) => spec.id);
      return { rollouts: page.items.map(toRollout), nextPageToken: page.nextPageToken };
    },
    watchRollout: (request, { signal }) => watch(deps, request.rolloutId, signal),
    listRolloutAgents: (request) => listRolloutAgents(deps, request),
    explainRollout: (request) => explainRollout(deps, request),
    ...steer,
  };
}

async function* watch(deps: RolloutDeps, rolloutId: string, signal: AbortSignal) {
  const id = parseRolloutId(rolloutId);
  const { hints, nowMs } = deps;
  yield* watchRollout({ hints, nowMs, read: () => existingRollout(deps.rollouts, id) }, id, signal);
}

/** What requests of verbs have in common. */
interface Steering {
  readonly rolloutId: string;
  readonly expectedGeneration: bigint;
  readonly validateOnly: boolean;
}

/** The verbs. */
function createSteering(deps: RolloutDeps) {
  const on = async (verb: Verb, request: Steering, call: Call, reason: string, next: Next, wakes = false) => {
    const { id, said, expected } = checked({
      id: () => parseRolloutId(request.rolloutId),
      said: () => parseText("reason", reason, MAX_REASON_CHARS),
      expected: () => parseCount("expected_generation", request.expectedGeneration),
    });
    const wisher = { by: call.user, reason: said, atMs: deps.nowMs() };
    const guarded = (rollout: Rollout) => {
      mustBeAt(rollout, expected);
      return next(rollout, wisher);
    };
    return { rollout: toRollout(await record(deps, id, verb, guarded, wakes, request.validateOnly)) };
  };
  type Given = Steering & { readonly reason: string };
  return {
    pauseRollout: (request: Given, call: Call) =>
      on("pause", request, call, request.reason, ({ spec }, who) => wished(spec, "pause", who)),
    resumeRollout: (request: ResumeRolloutRequest, call: Call) =>
      on("resume", request, call, request.reason, (rollout, who) => resumed(rollout, request, who)),
    abortRollout: (request: Given & { readonly rollback: boolean }, call: Call) =>
      on("abort", request, call, request.reason, (rollout, who) =>
        wished(rollout.spec, abortWish(rollout, request.rollback), who),
      ),
    revertRollout: async (request: Given, call: Call) => {
      await mustBeStable(deps, request.rolloutId);
      return await on("revert", request, call, request.reason, (rollout, who) => reverted(rollout, who), true);
    },
    approveRollout: (request: ApproveRolloutRequest, call: Call) =>
      on("approve", request, call, request.remark, (rollout, who) => approved(rollout, request.verdict, who)),
    promoteRollout: (request: PromoteRolloutRequest, call: Call) =>
      on("promote", request, call, request.remark, (rollout, who) => promoted(rollout, request, who)),
    retryAgents: async (request: RetryAgentsRequest, call: Call) => {
      const retries = await retried(deps, request);
      const again = new Set(retries.map(({ uid }) => uid));
      const answer = await on("retry", request, call, request.reason, ({ spec }) => {
        const others = spec.retries.filter(({ uid }) => !again.has(uid));
        return amended(spec, { retries: [...others, ...retries].slice(-MAX_RETRIES) });
      });
      return { ...answer, agents: retries.length };
    },
  };
}

type Next = (rollout: Rollout, wisher: Wisher) => RolloutSpec;

function resumed(
  rollout: Rollout,
  { acceptFailures, failureBudget }: ResumeRolloutRequest,
  wisher: Wisher,
): RolloutSpec {
  mustAccept(rollout, acceptFailures || failureBudget !== undefined);
  if (failureBudget === undefined) return wished(rollout.spec, "run", wisher, { acceptsFailures: acceptFailures });
  const violations: Parameters<typeof parseBudget>[2] = [];
  const budget = parseBudget(failureBudget, "failure_budget", violations);
  if (violations.length > 0) throw FleetError.invalid(violations);
  return wished(rollout.spec, "run", wisher, { acceptsFailures: acceptFailures, budget });
}

function reverted({ spec, status }: Rollout, wisher: Wisher): RolloutSpec {
  const untilMs = (status.endedAtMs ?? 0) + spec.timing.revertWindowMs;
  if (wisher.atMs <= untilMs) return wished(spec, "revert", wisher);
  const message = `Rollout ${spec.id} could be reverted until ${new Date(untilMs).toISOString()}; roll out the revision before it instead.`;
  throw new FleetError("failed_precondition", message, {
    reason: "REVERT_WINDOW_OVER",
    details: { rollout_id: spec.id },
  });
}

/** Only what is stable can be reverted: under a newer one there is nothing to take back. */
async function mustBeStable({ rollouts, configs }: RolloutDeps, rolloutId: string): Promise<void> {
  const { spec, status } = await existingRollout(rollouts, parseRolloutId(rolloutId));
  const stable = (await configs.get(spec.configId))?.stableRevision;
  if (status.phase !== "succeeded" || stable === spec.revision) return;
  const message = `Revision ${stable} of "${spec.configId}" is stable since, and not the ${spec.revision} of rollout ${spec.id}; revert its rollout, or roll out another revision.`;
  throw new FleetError("failed_precondition", message, { reason: "NOT_STABLE", details: { rollout_id: spec.id } });
}

function approved({ spec }: Rollout, verdict: ApprovalVerdict, { by, reason, atMs }: Wisher): RolloutSpec {
  if (by === "") throw invalid("muster-user", "say who you are: an approval counts by its person.");
  const others = spec.approvals.filter((each) => each.by !== by);
  switch (verdict) {
    case ApprovalVerdict.APPROVE:
      return amended(spec, { approvals: [...others, { by, atMs, remark: reason }] });
    case ApprovalVerdict.WITHDRAW:
      return amended(spec, { approvals: others });
    case ApprovalVerdict.DENY:
      return wished(spec, "deny", { by, reason, atMs });
    default:
      throw invalid("verdict", "say approve, deny or withdraw.");
  }
}

function promoted(
  { spec, status }: Rollout,
  request: PromoteRolloutRequest,
  { by, reason, atMs }: Wisher,
): RolloutSpec {
  if (by === "") throw invalid("muster-user", "say who you are: a promotion counts by its person.");
  const stage = request.stage ?? status.stageIndex;
  const wanted = spec.stages[stage];
  if (wanted === undefined)
    throw invalid("stage", `${stage} is not one of the ${spec.stages.length} stages; they count from 0.`);
  if (wanted.promotions === 0 || stage < status.stageIndex) {
    const why = wanted.promotions === 0 ? "needs no promotion" : "is over";
    const details = { rollout_id: spec.id, stage: String(stage) };
    throw new FleetError("failed_precondition", `Stage ${stage} of rollout ${spec.id} ${why}.`, {
      reason: "STAGE_NOT_PROMOTABLE",
      details,
    });
  }
  const others = spec.promotions.filter((each) => each.by !== by || each.stage !== stage);
  return amended(spec, { promotions: [...others, { by, atMs, remark: reason, stage }] });
}

/** Agents to try again: those that were named, or all that the rollout failed. */
async function retried({ rollouts }: RolloutDeps, { rolloutId, instanceUids }: RetryAgentsRequest) {
  const id = parseRolloutId(rolloutId);
  if (instanceUids.length > MAX_RETRIES)
    throw invalid("instance_uids", `${instanceUids.length} are more than ${MAX_RETRIES}.`);
  await existingRollout(rollouts, id);
  const failed = await rollouts.exclusions(id);
  // Named by its time: a failure that comes later is another, whatever the clocks of those who say so.
  const retry = (uid: InstanceUid) => ({ uid, atMs: (failed.get(uid)?.atMs ?? 0) + 1 });
  if (instanceUids.length === 0) return [...failed.keys()].slice(0, MAX_RETRIES).map(retry);
  const uids = instanceUids.map((uid) => parseInstanceUid(uid));
  const stranger = uids.find((uid) => !failed.has(uid));
  if (stranger === undefined) return uids.map(retry);
  const details = { rollout_id: id, instance_uid: stranger };
  throw new FleetError("failed_precondition", `Agent ${stranger} did not fail in rollout ${id}.`, {
    reason: "AGENT_NOT_FAILED",
    details,
  });
}

function mustBeAt({ spec: { id, generation } }: Rollout, expected: number): void {
  if (expected === 0 || expected === generation) return;
  const message = `Rollout ${id} is at generation ${generation}, not ${expected}; look at it again and repeat what you want.`;
  const details = { rollout_id: id, expected_generation: String(expected), generation: String(generation) };
  throw new FleetError("conflict", message, { reason: "GENERATION_MISMATCH", details });
}

async function record(
  deps: RolloutDeps,
  id: RolloutId,
  verb: Verb,
  next: (rollout: Rollout) => RolloutSpec,
  wakes: boolean,
  validateOnly: boolean,
): Promise<Rollout> {
  for (let races = 0; races < MAX_RACES; races++) {
    const stored = await existingRollout(deps.rollouts, id);
    mustAllow(stored, verb);
    const spec = next(stored);
    if (validateOnly) return { ...stored, spec };
    const outcome = await deps.rollouts.wish(spec, wakes);
    if (outcome === "busy") {
      const message = `Another rollout is at work on config "${spec.configId}"; wait until it ends, or abort it first.`;
      throw new FleetError("failed_precondition", message, {
        reason: "ROLLOUT_ACTIVE",
        details: { config_id: spec.configId },
      });
    }
    if (outcome === "moved") continue;
    deps.requestReconcile(id);
    return { ...stored, spec };
  }
  const message = `Others steer rollout ${id} at this moment; look at it again before you ${verb} it.`;
  throw new FleetError("conflict", message, { reason: "GENERATION_MISMATCH", details: { rollout_id: id } });
}
