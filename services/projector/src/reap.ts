// Liveness of gateways: the agents of one whose lease ran out are marked disconnected, or, if another gateway has them
// by now, noted as that one's. Every projector does this; doing it twice changes nothing.

import { type AgentEvent, type AgentView, type GatewayId, type InstanceUid, isConnected } from "@muster/fleet";
import type { VersionedView } from "@muster/store";

/** What it needs. */
export interface ReapDeps {
  gateways(): Promise<readonly { readonly id: GatewayId; readonly isAlive: boolean; readonly renewedAtMs: number }[]>;
  connectedAt(gateway: GatewayId, limit: number): Promise<readonly InstanceUid[]>;
  load(uids: readonly InstanceUid[]): Promise<readonly VersionedView[]>;
  owner(uid: InstanceUid): Promise<GatewayId | null>;
  /** Whether a gateway lives by now: one that began after `gateways` were read may have taken agents over already. */
  isAlive(gateway: GatewayId): Promise<boolean>;
  /**
   * Ends the session that a gateway which is gone had, with `evenBetween` also where it left in good order; false when somebody
   * has taken the agent over meanwhile, or still may.
   */
  endLost(uid: InstanceUid, gateway: GatewayId, evenBetween: boolean): Promise<boolean>;
  /** Folds and hints, like events from a gateway. */
  project(events: readonly AgentEvent[]): Promise<void>;
  forget(gateway: GatewayId): Promise<void>;
  nowMs(): number;
  onReaped(gateway: GatewayId, count: number): void;
}

/** Agents looked at in one pass and partition. */
const LIMIT = 500;
/** A dead gateway is remembered this long: events it wrote may still wait to be projected. */
const FORGET_MS = 10 * 60_000;
/** An agent that polls comes to another gateway with its next poll: three polls of 30 s and some slack. */
const POLL_GRACE_MS = 105_000;

/** One pass over all gateways. Answers how many agents were marked. */
export async function reap(deps: ReapDeps): Promise<number> {
  const gateways = await deps.gateways();
  const alive = new Set(gateways.filter(({ isAlive }) => isAlive).map(({ id }) => id));
  let reapedCount = 0;
  for (const { id, isAlive, renewedAtMs } of gateways) {
    if (isAlive) continue;
    const uids = await deps.connectedAt(id, LIMIT);
    if (uids.length === 0 && deps.nowMs() > renewedAtMs + FORGET_MS) await deps.forget(id);
    const count = await markLost(uids, alive, deps.nowMs() < renewedAtMs + POLL_GRACE_MS, deps);
    if (count > 0) deps.onReaped(id, count);
    reapedCount += count;
  }
  return reapedCount;
}

async function markLost(
  uids: readonly InstanceUid[],
  alive: ReadonlySet<GatewayId>,
  isInGrace: boolean,
  deps: ReapDeps,
): Promise<number> {
  const views = await deps.load(uids);
  const sessions = await Promise.all(views.map(async ({ view }) => ({ view, ...(await sessionOf(view, deps)) })));
  const living = new Set(alive);
  const others = new Set(sessions.flatMap(({ owner }) => (owner === null || alive.has(owner) ? [] : [owner])));
  for (const owner of others) if (await deps.isAlive(owner)) living.add(owner);
  const judged = sessions.map(async ({ view, uid, owner }): Promise<AgentEvent[]> => {
    // An agent that polls may be served by another gateway without having connected anew.
    if (owner !== null && living.has(owner)) return moved(view, owner);
    const isLost = owner === null || (await deps.endLost(uid, owner, !isInGrace));
    return isLost ? lost(view, deps.nowMs()) : [];
  });
  const events = (await Promise.all(judged)).flat();
  if (events.length > 0) await deps.project(events);
  return events.filter(({ kind }) => kind === "agent.disconnected").length;
}

/** Who has an agent, and under which uid: the one before, as long as it has not come under the one that it was given. */
async function sessionOf(
  view: AgentView,
  deps: ReapDeps,
): Promise<{ readonly uid: InstanceUid; readonly owner: GatewayId | null }> {
  for (const uid of [view.uid, ...view.previousUids.toReversed()]) {
    const owner = await deps.owner(uid);
    if (owner !== null) return { uid, owner };
  }
  return { uid: view.uid, owner: null };
}

/** The last word of the session that died with its gateway; a newer session has a higher epoch and outdoes it. */
function lost(view: AgentView, atMs: number): AgentEvent[] {
  if (view.connection === null || !isConnected(view)) return [];
  const { epoch } = view.connection;
  const n = Number.MAX_SAFE_INTEGER;
  return [{ kind: "agent.disconnected", uid: view.uid, epoch, n, atMs, reason: "gateway_lost" }];
}

/** The same connection with the gateway that serves it now: else it would be looked at in every pass from here on. */
function moved(view: AgentView, gateway: GatewayId): AgentEvent[] {
  if (view.connection === null || !isConnected(view) || view.connection.value.gateway === gateway) return [];
  const { epoch, n, value } = view.connection;
  const { transport, remoteAddress, connectedAtMs: atMs } = value;
  const head = { uid: view.uid, epoch, n: n + 1, atMs };
  return [{ kind: "agent.connected", ...head, gateway, transport: transport ?? "http", remoteAddress }];
}
