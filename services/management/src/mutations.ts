// The methods of the API that change something, with what they change and how it is read before and after, for the audit. A method
// that is in no table here and is not named as a read fails mutations.spec.ts.

import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { FleetError } from "@muster/fleet";
import { AgentSchema, type AgentService, GetAgentRequestSchema } from "@muster/protocol/muster/agents";
import { CalendarSchema, type CalendarService, GetCalendarRequestSchema } from "@muster/protocol/muster/calendars";
import { ConfigSchema, type ConfigService, GetConfigRequestSchema } from "@muster/protocol/muster/configs";
import {
  type ConnectionService,
  GetConnectionSettingsRequestSchema,
  OfferedConnectionSettingsSchema,
} from "@muster/protocol/muster/connections";
import { GetGroupRequestSchema, GroupSchema, type GroupService } from "@muster/protocol/muster/groups";
import { GetPackagesRequestSchema, OfferedPackagesSchema, type PackageService } from "@muster/protocol/muster/packages";
import { GetPolicyRequestSchema, PolicySchema, type PolicyService } from "@muster/protocol/muster/policies";
import { GetRolloutRequestSchema, RolloutSchema, type RolloutService } from "@muster/protocol/muster/rollouts";
import { GetSecretRequestSchema, SecretSchema, type SecretService } from "@muster/protocol/muster/secrets";
import type { Call, MethodsOf } from "./call.ts";
import type { MutationsOf, Snapshot } from "./recorded.ts";

/**
 * Actions: an agent is asked something once; there is no resource that tells of it. What operators say of one agent is told as
 * it was and is; where a selector names many, the request says it all.
 */
export function agentMutations(methods: MethodsOf<typeof AgentService>): MutationsOf<typeof AgentService> {
  const MARKS = { paths: ["instance_uid", "labels", "annotations", "metadata_generation"] };
  const resource = ({ instanceUid }: { readonly instanceUid: string }) => `agent/${instanceUid}`;
  return {
    restartAgent: { resource },
    refreshAgent: { resource },
    sendCustomMessage: { resource },
    releaseAgent: { resource },
    updateAgent: {
      resource,
      read: ({ instanceUid }, call) =>
        found(AgentSchema, async () => {
          const request = create(GetAgentRequestSchema, { instanceUid, readMask: MARKS });
          return (await methods.getAgent(request, call)).agent;
        }),
    },
    labelAgents: { resource: ({ selector }) => `agents/${selector}` },
    forgetAgents: { resource: ({ instanceUids, selector }) => agentsOf(instanceUids, selector) },
  };
}

/** Several agents as one resource; the request has all of their uids. */
function agentsOf([first, ...others]: readonly string[], selector: string): string {
  if (first === undefined) return `agents/${selector}`;
  return others.length === 0 ? `agent/${first}` : `agent/${first} and ${others.length} more`;
}

/** Configs. A revision is told by its number and hash; its files are not repeated. */
export function configMutations(methods: MethodsOf<typeof ConfigService>): MutationsOf<typeof ConfigService> {
  const onConfig = on("config", ConfigSchema, async (configId, call) => {
    return (await methods.getConfig(create(GetConfigRequestSchema, { configId }), call)).config;
  });
  const ofId = onConfig(({ configId }: { readonly configId: string }) => configId);
  return {
    createConfig: ofId,
    publishRevision: ofId,
    restoreRevision: ofId,
    deleteConfig: ofId,
    updateConfig: onConfig(({ config }) => config?.configId ?? ""),
  };
}

/** Rollouts and what operators wish of them. */
export function rolloutMutations(methods: MethodsOf<typeof RolloutService>): MutationsOf<typeof RolloutService> {
  const onRollout = on("rollout", RolloutSchema, async (rolloutId, call) => {
    return (await methods.getRollout(create(GetRolloutRequestSchema, { rolloutId }), call)).rollout;
  });
  const ofId = onRollout(({ rolloutId }: { readonly rolloutId: string }) => rolloutId);
  return {
    startRollout: {
      resource: (_, answer) => `rollout/${answer?.rollout?.rolloutId ?? "?"}`,
      read: async (_, __, answer) => answer?.rollout && { desc: RolloutSchema, message: answer.rollout },
    },
    approveRollout: ofId,
    promoteRollout: ofId,
    pauseRollout: ofId,
    resumeRollout: ofId,
    abortRollout: ofId,
    revertRollout: ofId,
    retryAgents: ofId,
  };
}

/** Calendars. */
export function calendarMutations(methods: MethodsOf<typeof CalendarService>): MutationsOf<typeof CalendarService> {
  const onCalendar = on("calendar", CalendarSchema, async (calendarId, call) => {
    return (await methods.getCalendar(create(GetCalendarRequestSchema, { calendarId }), call)).calendar;
  });
  return {
    createCalendar: onCalendar(({ calendar }) => calendar?.calendarId ?? ""),
    updateCalendar: onCalendar(({ calendar }) => calendar?.calendarId ?? ""),
    deleteCalendar: onCalendar(({ calendarId }) => calendarId),
  };
}

/** Groups. */
export function groupMutations(methods: MethodsOf<typeof GroupService>): MutationsOf<typeof GroupService> {
  const onGroup = on("group", GroupSchema, async (groupId, call) => {
    return (await methods.getGroup(create(GetGroupRequestSchema, { groupId }), call)).group;
  });
  return {
    createGroup: onGroup(({ group }) => group?.groupId ?? ""),
    updateGroup: onGroup(({ group }) => group?.groupId ?? ""),
    deleteGroup: onGroup(({ groupId }) => groupId),
  };
}

/** Policies. */
export function policyMutations(methods: MethodsOf<typeof PolicyService>): MutationsOf<typeof PolicyService> {
  const onPolicy = on("policy", PolicySchema, async (policyId, call) => {
    return (await methods.getPolicy(create(GetPolicyRequestSchema, { policyId }), call)).policy;
  });
  return {
    createPolicy: onPolicy(({ policy }) => policy?.policyId ?? ""),
    updatePolicy: onPolicy(({ policy }) => policy?.policyId ?? ""),
    deletePolicy: onPolicy(({ policyId }) => policyId),
  };
}

/** Secrets; their values are in no message that is kept. */
export function secretMutations(methods: MethodsOf<typeof SecretService>): MutationsOf<typeof SecretService> {
  const onSecret = on("secret", SecretSchema, async (secretId, call) => {
    return (await methods.getSecret(create(GetSecretRequestSchema, { secretId }), call)).secret;
  });
  const ofId = onSecret(({ secretId }: { readonly secretId: string }) => secretId);
  return { createSecret: ofId, updateSecret: ofId, deleteSecret: ofId };
}

const uidOf = ({ instanceUid }: { readonly instanceUid: string }) => instanceUid;

/** Connection settings of an agent. */
export function connectionMutations(
  methods: MethodsOf<typeof ConnectionService>,
): MutationsOf<typeof ConnectionService> {
  const onSettings = on("connection-settings", OfferedConnectionSettingsSchema, async (instanceUid, call) => {
    const request = create(GetConnectionSettingsRequestSchema, { instanceUid });
    return (await methods.getConnectionSettings(request, call)).offered;
  });
  return { offerConnectionSettings: onSettings(uidOf), withdrawConnectionSettings: onSettings(uidOf) };
}

/** Packages of an agent. */
export function packageMutations(methods: MethodsOf<typeof PackageService>): MutationsOf<typeof PackageService> {
  const onPackages = on("packages", OfferedPackagesSchema, async (instanceUid, call) => {
    return (await methods.getPackages(create(GetPackagesRequestSchema, { instanceUid }), call)).offered;
  });
  return { offerPackages: onPackages(uidOf), withdrawPackages: onPackages(uidOf) };
}

/** Mutations of one kind of resource, each by where its request has the id. */
function on<Desc extends DescMessage>(
  noun: string,
  desc: Desc,
  get: (id: string, call: Call) => Promise<MessageInitShape<Desc> | undefined>,
) {
  return <Request>(idOf: (request: Request) => string) => ({
    resource: (request: Request) => `${noun}/${idOf(request)}`,
    read: (request: Request, call: Call) => found(desc, () => get(idOf(request), call)),
  });
}

/** A resource as it is; undefined where there is none, or where what names it is no name: the method says so itself. */
async function found<Desc extends DescMessage>(
  desc: Desc,
  read: () => Promise<MessageInitShape<Desc> | undefined>,
): Promise<Snapshot | undefined> {
  try {
    const message = await read();
    return message === undefined ? undefined : { desc, message: create(desc, message) };
  } catch (error) {
    if (error instanceof FleetError && (error.code === "not_found" || error.code === "invalid")) return undefined;
    throw error;
  }
}
