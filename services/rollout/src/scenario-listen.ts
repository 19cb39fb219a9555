// What a gateway and the projector do with the word of an agent: open its session, fold what it said into its view, and ask
// those to look whom it concerns (services/projector/src/project.ts). Used by specs only.

import { type InstanceUid, isInTrouble, originOf, parseGatewayId } from "@muster/fleet";
import type { ModelAgent } from "@muster/fleet/builders";
import type { Store, WorkQueue } from "@muster/store";

/** Takes what an agent has to say. Answers its uid, or null where that is nothing. */
export async function listen(
  agent: ModelAgent,
  { store, work }: { readonly store: Store; readonly work: WorkQueue },
): Promise<InstanceUid | null> {
  const events = agent.take();
  if (events.length === 0) return null;
  const { uid } = agent;
  const opened = events.findLast((event) => event.kind === "agent.connected");
  if (opened !== undefined) await store.sessions.open(uid, parseGatewayId(opened.gateway), 0, null);
  const { before, after } = await store.agents.project(uid, events);
  if (before.description !== after.description || originOf(before) !== originOf(after))
    await work.requestAssign(store.sessions.partitionOf(uid));
  const [[desired = null], active] = await Promise.all([store.desired.load([uid]), store.rollouts.active()]);
  const brought = [...(desired?.contributions ?? []), ...(desired?.exclusions ?? [])].map((part) => part.rolloutId);
  const concerned = new Set([...brought, ...(desired?.returned ?? [])]);
  // Of rollouts that nobody looks after any more, only those that may fail it are looked at again.
  const isTroubled = isInTrouble(after, after.attempts.at(-1)?.answer?.atMs ?? 0);
  for (const id of concerned) if (isTroubled || active.includes(id)) await work.requestReconcile(id);
  return uid;
}
