// ForgetAgents: forgets agents that are gone, as the projector does by itself after a while (its forget-gone.ts). Who is connected
// is not forgotten: it would be new the next moment, without its labels and its history.

import { FleetError, type InstanceUid, isConnected, parseInstanceUid, type Selector } from "@muster/fleet";
import type { ForgetAgentsRequest } from "@muster/protocol/muster/agents";
import type { Agents, Tally, VersionedView } from "@muster/store";
import { checked, invalid, parseRequestId } from "./checked.ts";
import { parseGivenSelector } from "./mark-agents.ts";
import { existingAgent, type FindAgent, type RecordDeps } from "./records.ts";
import { selectAll } from "./select-all.ts";

/** What it reads and forgets. */
export interface ForgetDeps extends RecordDeps {
  readonly agents: RecordDeps["agents"] & FindAgent & Pick<Agents, "forget"> & { readonly tally: Tally };
}

const MAX_UIDS = 1_000;
/** Agents that are forgotten together. */
const BATCH = 250;

/** Forgets some agents. @throws FleetError `invalid`, `not_found`, `failed_precondition` */
export async function forgetAgents(
  deps: ForgetDeps,
  request: ForgetAgentsRequest,
  signal: AbortSignal,
): Promise<{ readonly forgottenCount: bigint; readonly skippedCount: bigint }> {
  const { target } = checked({
    target: () => parseTarget(request),
    requestId: () => parseRequestId(request.requestId),
  });
  const found =
    target.kind === "uids"
      ? await Promise.all(target.uids.map((uid) => existingAgent(deps.agents, uid)))
      : await selectAll(deps, target.selector, "forgotten", signal);
  const all = [...new Map(found.map((each) => [each.view.uid, each])).values()]; // two uids may be of one agent
  mustBeGone(all);
  let forgotten = request.validateOnly ? all.length : 0;
  for (let from = 0; !request.validateOnly && from < all.length; from += BATCH) {
    signal.throwIfAborted();
    const codes = await deps.agents.forget(all.slice(from, from + BATCH));
    forgotten += codes.filter((code) => code === "forgotten").length;
  }
  return { forgottenCount: BigInt(forgotten), skippedCount: BigInt(all.length - forgotten) };
}

type Target =
  | { readonly kind: "uids"; readonly uids: readonly InstanceUid[] }
  | { readonly kind: "selector"; readonly selector: Selector };

function parseTarget({ instanceUids, selector }: ForgetAgentsRequest): Target {
  if (instanceUids.length === 0) return { kind: "selector", selector: parseGivenSelector(selector) };
  if (selector !== "") throw invalid("selector", "comes with instance_uids; name agents by one of them.");
  if (instanceUids.length > MAX_UIDS) {
    throw invalid("instance_uids", `${instanceUids.length} are more than the ${MAX_UIDS} of one call; use a selector.`);
  }
  return { kind: "uids", uids: instanceUids.map((uid) => parseInstanceUid(uid)) };
}

function mustBeGone(found: readonly VersionedView[]): void {
  const there = found.filter(({ view }) => isConnected(view));
  const [first] = there;
  if (first === undefined) return;
  const others = there.length === 1 ? "" : ` and ${there.length - 1} more`;
  const message =
    `Agent ${first.view.uid}${others} is connected and would be new the next moment; stop it first, or add connected=false to ` +
    "the selector.";
  const details = { instance_uid: first.view.uid, count: `${there.length}` };
  throw new FleetError("failed_precondition", message, { reason: "AGENT_CONNECTED", details });
}
