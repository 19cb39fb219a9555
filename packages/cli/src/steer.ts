// `muster rollouts pause`, `approve`, `retry` and the like: what operators ask of a rollout that was started.

import { create } from "@bufbuild/protobuf";
import { ApprovalVerdict, type Rollout, RolloutSchema } from "@muster/protocol/muster/rollouts";
import { phaseText } from "./rollout-text.ts";
import type { Session } from "./session.ts";
import { counted } from "./text.ts";

/** Options of the verbs. */
export interface SteerOptions {
  readonly reason?: string;
  readonly acceptFailures?: boolean;
  readonly rollback?: boolean;
  readonly stage?: number;
}

/** Verbs that need no more than a rollout and options. */
export type SteerVerb = "pause" | "resume" | "abort" | "revert" | "approve" | "deny" | "withdraw" | "promote";

/** Asks something of a rollout. */
export async function steerRollout(
  session: Session,
  verb: SteerVerb,
  rolloutId: string,
  { reason = "", acceptFailures = false, rollback = false, stage }: SteerOptions,
): Promise<void> {
  const { rollouts, call } = session;
  const approve = (verdict: ApprovalVerdict) => rollouts.approveRollout({ rolloutId, verdict, remark: reason }, call);
  // People count stages from 1, the API from 0.
  const promotion = { rolloutId, remark: reason, ...(stage !== undefined && { stage: stage - 1 }) };
  const asked = {
    pause: () => rollouts.pauseRollout({ rolloutId, reason }, call),
    resume: () => rollouts.resumeRollout({ rolloutId, reason, acceptFailures }, call),
    abort: () => rollouts.abortRollout({ rolloutId, reason, rollback }, call),
    revert: () => rollouts.revertRollout({ rolloutId, reason }, call),
    approve: () => approve(ApprovalVerdict.APPROVE),
    deny: () => approve(ApprovalVerdict.DENY),
    withdraw: () => approve(ApprovalVerdict.WITHDRAW),
    promote: () => rollouts.promoteRollout(promotion, call),
  } satisfies Record<SteerVerb, () => Promise<{ readonly rollout?: Rollout | undefined }>>;
  const { rollout = create(RolloutSchema) } = await asked[verb]();
  const what = verb === "withdraw" ? "withdraw your approval of" : verb;
  const now = `It was ${phaseText(rollout)}; see what comes of it: muster rollouts watch ${rolloutId}`;
  session.show(RolloutSchema, rollout, () => `Asked to ${what} rollout ${rolloutId}. ${now}\n`);
}

/** Tries agents again that the rollout failed: those named, or all. */
export async function retryAgents(
  session: Session,
  rolloutId: string,
  instanceUids: string[],
  { reason = "" }: { readonly reason?: string },
): Promise<void> {
  const answer = await session.rollouts.retryAgents({ rolloutId, instanceUids, reason }, session.call);
  const { rollout = create(RolloutSchema), agents } = answer;
  session.show(RolloutSchema, rollout, () => `${counted(agents, "agent")} will be tried again.\n`);
}
