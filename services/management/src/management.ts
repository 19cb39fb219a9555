// The whole API over one store: which parts of it each service of the API is given. Called by main.ts and by specs.

import type { DescService } from "@bufbuild/protobuf";
import { type InstanceUid, parseRolloutId } from "@muster/fleet";
import { AgentService } from "@muster/protocol/muster/agents";
import { AuditService } from "@muster/protocol/muster/audit";
import { CalendarService } from "@muster/protocol/muster/calendars";
import { ConfigService } from "@muster/protocol/muster/configs";
import { ConnectionService } from "@muster/protocol/muster/connections";
import { GroupService } from "@muster/protocol/muster/groups";
import { PackageService } from "@muster/protocol/muster/packages";
import { PolicyService } from "@muster/protocol/muster/policies";
import { RolloutService } from "@muster/protocol/muster/rollouts";
import type { Clock, RunInBackground } from "@muster/runtime";
import type { Store, WorkQueue } from "@muster/store";
import { v7 } from "uuid";
import { createAgentService } from "./agents.ts";
import { createAuditService } from "./audit.ts";
import { createCalendarService } from "./calendars.ts";
import type { MethodsOf } from "./call.ts";
import { createConfigService } from "./configs.ts";
import { createConnectionService } from "./connections.ts";
import { openChangeFeed } from "./feed.ts";
import { createGroupService } from "./groups.ts";
import {
  agentMutations,
  calendarMutations,
  configMutations,
  connectionMutations,
  groupMutations,
  packageMutations,
  policyMutations,
  rolloutMutations,
} from "./mutations.ts";
import { createPackageService } from "./packages.ts";
import { createPolicyService } from "./policies.ts";
import { type MutationsOf, recorded } from "./recorded.ts";
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
  const reading = {
    agents,
    desired,
    metadata: store.metadata,
    events: store.events,
    comparison: store.comparison,
    histories: store.histories,
    bodies,
    inventories,
    changes,
    feed,
    nowMs,
    partitionOf,
    ownerIdentity,
  };
  const asking = { actions, gateways, release, newActionId: () => v7() };
  const rolling = {
    configs,
    rollouts,
    desired,
    cohorts: store.cohorts,
    componentsAt: store.componentsAt,
    calendars: store.calendars,
    groups: store.groups,
    policies: store.policies,
    nowMs,
  };
  const recording = { audit: store.audit, answers: store.answers, nowMs, newEntryId: () => v7() };
  const serveRecorded = <S extends DescService>(
    desc: S,
    methods: MethodsOf<S>,
    mutationsOf: (methods: MethodsOf<S>) => MutationsOf<S>,
  ): Served => serve(desc, recorded(desc, methods, mutationsOf(methods), recording));
  const rollouting = { ...rolling, hints, requestReconcile, newRolloutId };
  const grouping = { groups: store.groups, configs, agents };
  return [
    serveRecorded(AgentService, createAgentService({ ...reading, ...asking }), agentMutations),
    serveRecorded(ConfigService, createConfigService({ configs, nowMs }), configMutations),
    serveRecorded(RolloutService, createRolloutService(rollouting), rolloutMutations),
    serveRecorded(CalendarService, createCalendarService(store), calendarMutations),
    serveRecorded(GroupService, createGroupService(grouping), groupMutations),
    serveRecorded(PolicyService, createPolicyService(store), policyMutations),
    serveRecorded(ConnectionService, createConnectionService(offering), connectionMutations),
    serveRecorded(PackageService, createPackageService(offering), packageMutations),
    serve(AuditService, createAuditService(store)),
  ];
}
