// The whole API over one store: which parts of it each service of the API is given. Called by main.ts and by specs.

import { type InstanceUid, parseRolloutId } from "@muster/fleet";
import { AgentService } from "@muster/protocol/muster/agents";
import { CalendarService } from "@muster/protocol/muster/calendars";
import { ConfigService } from "@muster/protocol/muster/configs";
import { ConnectionService } from "@muster/protocol/muster/connections";
import { PackageService } from "@muster/protocol/muster/packages";
import { RolloutService } from "@muster/protocol/muster/rollouts";
import type { Clock, RunInBackground } from "@muster/runtime";
import type { Store, WorkQueue } from "@muster/store";
import { v7 } from "uuid";
import { createAgentService } from "./agents.ts";
import { createCalendarService } from "./calendars.ts";
import { createConfigService } from "./configs.ts";
import { createConnectionService } from "./connections.ts";
import { openChangeFeed } from "./feed.ts";
import { createPackageService } from "./packages.ts";
import { createRolloutService } from "./rollouts.ts";
import { type Served, serve } from "./server.ts";
import { openRolloutHints } from "./watch-rollout.ts";

/** What the API needs from its process. */
export interface ManagementDeps {
  readonly store: Store;
  readonly queue: Pick<WorkQueue, "requestReconcile">;
  readonly clock: Pick<Clock, "nowMs" | "delay">;
  readonly background: RunInBackground;
  readonly onError: (error: Error) => void;
}

/** Follows what watches need until `signal` aborts, and answers the services to serve. */
export async function openManagement(
  { store, queue, clock, background, onError }: ManagementDeps,
  signal: AbortSignal,
): Promise<readonly Served[]> {
  const { agents, desired, bodies, inventories, changes, configs, rollouts, actions, gateways } = store;
  const { nowMs } = clock;
  const feed = await openChangeFeed({ changes, delay: clock.delay, onError }, signal);
  background("change feed", feed.ended);
  const hints = openRolloutHints(rollouts, signal);
  const { partitionOf, owner, ownerIdentity, release } = store.sessions;
  const requestReconcile: Parameters<typeof createRolloutService>[0]["requestReconcile"] = (id) =>
    background("reconcile request", queue.requestReconcile(id));
  const hintSettings = (uid: InstanceUid) => background("settings hint", hintOwner(uid));
  async function hintOwner(uid: InstanceUid): Promise<void> {
    const gateway = await owner(uid);
    if (gateway !== null) await gateways.hint(gateway, { kind: "settings", uid });
  }
  const newRolloutId = () => parseRolloutId(v7());
  const offering = { agents, settings: store.settings, hintSettings, nowMs };
  const reading = { agents, desired, bodies, inventories, changes, feed, nowMs, partitionOf, ownerIdentity };
  const asking = { actions, gateways, release, newActionId: () => v7() };
  const rolling = {
    configs,
    rollouts,
    desired,
    cohorts: store.cohorts,
    componentsAt: store.componentsAt,
    calendars: store.calendars,
    nowMs,
  };
  return [
    serve(AgentService, createAgentService({ ...reading, ...asking })),
    serve(ConfigService, createConfigService({ configs, nowMs })),
    serve(RolloutService, createRolloutService({ ...rolling, hints, requestReconcile, newRolloutId })),
    serve(CalendarService, createCalendarService(store)),
    serve(ConnectionService, createConnectionService(offering)),
    serve(PackageService, createPackageService(offering)),
  ];
}
