// Agents that no gateway told what they should run, though it is decided and they are there: the hint was lost, perhaps with
// the worker that was to send it. Pure. reconcile.ts finds them and has them decided anew, assign.ts hints again.

import { type AgentView, type DesiredRecord, hasCapability, isConnected, offerOf } from "@muster/fleet";

/** How long a gateway may take from the decision to the offer, and its word of it to us. */
export const HINT_AGAIN_MS = 15_000;

/** From when on an agent counts as unheard, milliseconds since 1970; null: it was offered its config, or will not be. */
export function unheardFromMs(view: AgentView, desired: DesiredRecord | null): number | null {
  if (desired === null || !isConnected(view) || !hasCapability(view, "AcceptsRemoteConfig")) return null;
  if (view.acknowledgement?.value.hash === desired.hash || offerOf(view, desired) !== null) return null;
  // A gateway looks by itself when an agent connects.
  return Math.max(desired.assignedAtMs, view.connection?.value.connectedAtMs ?? 0) + HINT_AGAIN_MS;
}
