// PlanRollout: what a rollout would do if it started now. Reads what StartRollout and the workers read, writes nothing but
// the plan itself, which StartRollout may follow.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type CohortAgent, FleetError, isCapable, isConnected, type Placed, previewStages } from "@muster/fleet";
import {
  type IncapableGroupSchema,
  type PlannedStageSchema,
  type PlanRolloutRequest,
  type PlanRolloutResponseSchema,
  StartRolloutRequestSchema,
} from "@muster/protocol/muster/rollouts";
import { estimate } from "./estimate.ts";
import { type ChangeDeps, planChanges } from "./plan-changes.ts";
import { digestOf, type PlanRecord } from "./plan-record.ts";
import { withPolicy } from "./policies.ts";
import { mustNotBeQuarantined, type Prepared, prepare, type StartDeps } from "./start-rollout.ts";
import { toStage } from "./translate-settings.ts";

/** What it reads and writes. */
export type PlanDeps = StartDeps & ChangeDeps;

const MAX_STAGE_UIDS = 100;
const MAX_GROUP_UIDS = 10;
const MAX_GROUPS = 20;

type Planned = MessageInitShape<typeof PlanRolloutResponseSchema>;

/** Plans a rollout. */
export async function planRollout(
  deps: PlanDeps,
  { rollout: message }: PlanRolloutRequest,
  user: string,
): Promise<Planned> {
  const request = await withPolicy(deps, message ?? create(StartRolloutRequestSchema));
  const prepared = await prepare(deps, { ...request, planId: "" }, user, true);
  const { spec, revision } = prepared;
  const cohort = prepared.cohort ?? [];
  const capable = cohort.filter(isCapable);
  const previews = previewStages(cohort, spec);
  const times = estimate(
    spec,
    previews.map(({ target, members }) => ({
      newAgents: target.newCount,
      inLargestDomain: largestDomain(members.filter(({ agent }) => isCapable(agent))),
    })),
  );
  const stages = previews.map(({ target, members }, i): MessageInitShape<typeof PlannedStageSchema> => {
    const stage = spec.stages[i];
    const reached = members.filter(({ agent }) => isCapable(agent));
    return {
      ...(stage !== undefined && { stage: toStage(stage) }),
      size: BigInt(target.size),
      newAgents: BigInt(target.newCount),
      offline: BigInt(reached.filter(({ agent }) => !isConnected(agent.view)).length),
      instanceUids: reached.slice(0, MAX_STAGE_UIDS).map(({ agent }) => agent.view.uid),
      estimatedDuration: durationFromMs(times.stages[i] ?? 0),
    };
  });
  const plan: PlanRecord = {
    planId: `plan-${spec.id}`,
    digest: digestOf(request),
    hash: spec.hash,
    revision: spec.revision,
    targeted: cohort.length,
    selector: spec.selector,
    order: spec.order,
    stages: stages.map(({ size = 0n }) => Number(size)),
    seed: spec.seed,
  };
  await deps.rollouts.savePlan(plan.planId, plan);
  return {
    planId: plan.planId,
    revision: BigInt(spec.revision),
    configHash: spec.hash,
    targeted: BigInt(cohort.length),
    offline: BigInt(cohort.filter(({ view }) => !isConnected(view)).length),
    incapable: BigInt(cohort.length - capable.length),
    stages,
    incapableGroups: incapableGroups(cohort),
    changes: await planChanges(deps, spec, revision, capable),
    estimatedDuration: durationFromMs(times.total),
    warnings: await warningsOf(deps, prepared, cohort),
  };
}

/** How many agents the failure domain has that has most of them. */
function largestDomain(members: readonly Placed[]): number {
  const sizes = [...Map.groupBy(members, ({ domain }) => domain).values()].map(({ length }) => length);
  return sizes.reduce((a, b) => Math.max(a, b), 0);
}

/** Agents that cannot take the revision, by what they lack; the largest groups first. */
function incapableGroups(cohort: readonly CohortAgent[]): MessageInitShape<typeof IncapableGroupSchema>[] {
  const groups = Map.groupBy(
    cohort.filter((agent) => !isCapable(agent)),
    ({ lacking = [] }) => (lacking.length > 0 ? lacking.join(" ") : "AcceptsRemoteConfig"),
  );
  return [...groups]
    .sort(([, a], [, b]) => b.length - a.length)
    .slice(0, MAX_GROUPS)
    .map(([missing, agents]) => ({
      missing: missing.split(" "),
      agents: BigInt(agents.length),
      instanceUids: agents.slice(0, MAX_GROUP_UIDS).map(({ view }) => view.uid),
    }));
}

async function warningsOf(
  deps: PlanDeps,
  { spec, config }: Prepared,
  cohort: readonly CohortAgent[],
): Promise<string[]> {
  const warnings: string[] = [];
  if (cohort.length === 0) warnings.push("No agent matches the config's selector.");
  const capable = cohort.filter(isCapable);
  const connectedCount = capable.filter(({ view }) => isConnected(view)).length;
  const { minReachedPercent, offline } = spec.policies;
  if (offline === "defer" && connectedCount * 100 < capable.length * minReachedPercent) {
    warnings.push(
      `${capable.length - connectedCount} of ${capable.length} agents are offline: a stage needs ${minReachedPercent} % and may wait for them.`,
    );
  }
  if (config.activeRollout !== null) warnings.push(`Rollout ${config.activeRollout} is at work on the config.`);
  if (spec.timing.windows.length > 0 || spec.timing.calendarIds.length > 0) {
    warnings.push("The estimate leaves out the time between windows and in freezes.");
  }
  await mustNotBeQuarantined(deps, spec).catch((error: unknown) => warnings.push(sentenceOf(error)));
  return warnings;
}

function sentenceOf(error: unknown): string {
  if (error instanceof FleetError && error.code === "failed_precondition") return error.message;
  throw error;
}
