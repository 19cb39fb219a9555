// Plans as they are kept for a day, so that a rollout may be started as it was planned, or refused.

import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { type ConfigHash, FleetError } from "@muster/fleet";
import { type StartRolloutRequest, StartRolloutRequestSchema } from "@muster/protocol/muster/rollouts";
import type { Rollouts } from "@muster/store";

/** What is kept of a plan. */
export interface PlanRecord {
  readonly planId: string;
  /** Of the request that it was made for. */
  readonly digest: string;
  readonly hash: ConfigHash;
  readonly revision: number;
  readonly targeted: number;
  /** As the config said when it was planned. */
  readonly selector: string;
  readonly order: number;
  /** Agents that each stage reaches. */
  readonly stages: readonly number[];
  /** The ranks of the plan are those of the rollout that follows it: it reaches the very agents that were shown. */
  readonly seed: string;
}

/** What a request asks for, whoever asks and under which request id. */
export function digestOf(request: StartRolloutRequest): string {
  const asked = { ...request, planId: "", requestId: "", validateOnly: false };
  return createHash("sha256").update(toBinary(StartRolloutRequestSchema, asked)).digest("base64url");
}

/** The plan that a request follows. @throws FleetError `failed_precondition` when it is gone, or was made for another request */
export async function loadPlan(
  { loadPlan: load }: Pick<Rollouts, "loadPlan">,
  request: StartRolloutRequest,
): Promise<PlanRecord> {
  const { planId } = request;
  const details = { plan_id: planId };
  const plan = (await load(planId)) as PlanRecord | null; // saved by plan-rollout.ts
  if (plan === null) {
    const message = `There is no plan ${planId.slice(0, 64)}; plans are kept for a day. Plan the rollout again.`;
    throw new FleetError("failed_precondition", message, { reason: "PLAN_NOT_FOUND", details });
  }
  if (plan.digest === digestOf(request)) return plan;
  const message = `Plan ${planId} was made for another request; start the one that was planned, or plan this one.`;
  throw new FleetError("failed_precondition", message, { reason: "PLAN_MISMATCH", details });
}
