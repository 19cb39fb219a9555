// Plans and explanations of rollouts as people read them. Pure.

import { durationMs, timestampDate } from "@bufbuild/protobuf/wkt";
import type {
  ExplainRolloutResponse,
  ListRolloutAgentsResponse,
  PlannedStage,
  PlanRolloutResponse,
  RolloutEvent,
} from "@muster/protocol/muster/rollouts";
import { sizeText } from "./rollout-text.ts";
import { formatTable } from "./table.ts";
import { counted, formatSpan, oneLine } from "./text.ts";

/** What a rollout would do. */
export function formatPlan(plan: PlanRolloutResponse, configId: string): string {
  const { planId, revision, targeted, offline, incapable, stages, incapableGroups, changes, warnings } = plan;
  const head = `plan of ${configId}@${revision}: ${counted(targeted, "agent")}, ${offline} offline, ${incapable} not capable`;
  const table = formatTable(["STAGE", "SIZE", "AGENTS", "NEW", "OFFLINE", "AT LEAST"], stages.map(stageRow));
  const groups = incapableGroups.map(
    ({ missing, agents, instanceUids }) =>
      `  ${counted(agents, "agent")} without ${missing.join(", ")}: ${instanceUids.join(" ")}\n`,
  );
  const steps = changes.map(({ fromHash, toHash, agents, diff }) => {
    const from = fromHash === "" ? "nothing" : fromHash.slice(0, 12);
    return `\n${counted(agents, "agent")}: ${from} → ${toHash.slice(0, 12)}\n${diff === "" ? "  the same content\n" : diff}`;
  });
  const took =
    plan.estimatedDuration === undefined ? "" : `takes ${formatSpan(durationMs(plan.estimatedDuration))} at least\n`;
  const notes = warnings.map((warning) => `! ${warning}\n`).join("");
  const next = `start it as planned: muster rollouts start ${configId} --plan ${planId} and the same options\n`;
  return `${head}\n\n${table}${took}${groups.join("")}${notes}${steps.join("")}\n${next}`;
}

function stageRow({ stage, size, newAgents, offline, estimatedDuration }: PlannedStage, index: number): string[] {
  const ms = estimatedDuration === undefined ? 0 : durationMs(estimatedDuration);
  return [`${index + 1}`, sizeText({ stage }), `${size}`, `${newAgents}`, `${offline}`, formatSpan(ms)];
}

/** What happened and why, oldest first. */
export function formatExplanation({ summary, events, nextPageToken }: ExplainRolloutResponse): string {
  const rows = events.map((event) => [timeText(event), event.kind, event.reason, oneLine(event.message, 160)]);
  const more = nextPageToken === "" ? "" : "there is more; ask with a higher --limit\n";
  return `${summary}\n\n${formatTable(["TIME", "WHAT", "REASON", "MESSAGE"], rows)}${more}`;
}

function timeText({ time }: RolloutEvent): string {
  return time === undefined ? "?" : timestampDate(time).toISOString();
}

/** Agents with what each is doing. */
export function formatRolloutAgents({ agents, nextPageToken }: ListRolloutAgentsResponse): string {
  if (agents.length === 0) return "No agent of the rollout is in such a state.\n";
  const rows = agents.map(
    ({ instanceUid, state, stage, failureDomain, connected, errorMessage, missingComponents }) => [
      instanceUid,
      state.replaceAll("_", " "),
      stage === undefined ? "" : `${stage + 1}`,
      failureDomain,
      connected ? "yes" : "no",
      oneLine(errorMessage || missingComponents.join(" "), 80),
    ],
  );
  const more = nextPageToken === "" ? "" : "there are more; ask with a higher --limit\n";
  return `${formatTable(["AGENT", "STATE", "STAGE", "DOMAIN", "CONNECTED", "WHY"], rows)}${more}`;
}
