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
import { SecretService } from "@muster/protocol/muster/secrets";
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
import { createHide, hidingSecrets } from "./hide-secrets.ts";
import {
  agentMutations,
  calendarMutations,
  configMutations,
  connectionMutations,
  groupMutations,
  packageMutations,
  policyMutations,
  rolloutMutations,
  secretMutations,
} from "./mutations.ts";
import { createPackageService } from "./packages.ts";
import { createPolicyService } from "./policies.ts";
import { type MutationsOf, recorded } from "./recorded.ts";
import { createRolloutService } from "./rollouts.ts";
import { createSecretService } from "./secrets.ts";
import { type Served, serve } from "./server.ts";
import { openRolloutHints } from "./watch-rollout.ts";

/** What the API needs from its process. */
export interface ManagementDeps {
  readonly store: Store;
  readonly queue: Pick<WorkQueue, "requestReconcileNow">;
  readonly clock: Pick<Clock, "nowMs" | "delay">;
  readonly background: RunInBackground;
  readonly onError: (error: Error) => void;
}

/** Follows what watches need until `signal` aborts, and answers the services to serve. */
export async function openManagement(
  { store, queue, clock, background, onError }: ManagementDeps,
  signal: AbortSignal,
): Promise<readonly Served[]> {
  const { changes, gateways, rollouts, secrets } = store;
  const { nowMs } = clock;
  const hide = createHide({ secrets, nowMs });
  const feed = await openChangeFeed({ changes, delay: clock.delay, onError }, signal);
  background("change feed", feed.ended);
  const hints = openRolloutHints(rollouts, signal);
  const requestReconcile: Parameters<typeof createRolloutService>[0]["requestReconcile"] = (id) =>
    background("reconcile request", queue.requestReconcileNow(id));
  const hintSettings = (uid: InstanceUid) => background("settings hint", hintOwner(uid));
  async function hintOwner(uid: InstanceUid): Promise<void> {
    const gateway = await store.sessions.owner(uid);
    if (gateway !== null) await gateways.hint(gateway, { kind: "settings", uid });
  }
  const shared = { ...store, ...store.sessions, feed, hints, hintSettings, requestReconcile, nowMs };
  const made = { newRolloutId: () => parseRolloutId(v7()), newActionId: () => v7() };
  const deps = { ...shared, ...made };
  const recording = { audit: store.audit, answers: store.answers, nowMs, newEntryId: () => v7() };
  const serveRecorded = <S extends DescService>(
    desc: S,
    methods: MethodsOf<S>,
    mutationsOf: (methods: MethodsOf<S>) => MutationsOf<S>,
  ): Served => serve(desc, recorded(desc, methods, mutationsOf(methods), recording));
  return [
    serveRecorded(AgentService, hidingSecrets(createAgentService(deps), hide), agentMutations),
    serveRecorded(ConfigService, createConfigService(deps), configMutations),
    serveRecorded(RolloutService, hidingSecrets(createRolloutService(deps), hide), rolloutMutations),
    serveRecorded(CalendarService, createCalendarService(deps), calendarMutations),
    serveRecorded(GroupService, createGroupService(deps), groupMutations),
    serveRecorded(PolicyService, createPolicyService(deps), policyMutations),
    serveRecorded(SecretService, createSecretService(deps), secretMutations),
    serveRecorded(ConnectionService, createConnectionService(deps), connectionMutations),
    serveRecorded(PackageService, createPackageService(deps), packageMutations),
    serve(AuditService, createAuditService(deps)),
  ];
}
