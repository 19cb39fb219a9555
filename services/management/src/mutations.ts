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
  const read = (configId: string, call: Call) =>
    found(
      ConfigSchema,
      async () => (await methods.getConfig(create(GetConfigRequestSchema, { configId }), call)).config,
    );
  const ofId = {
    resource: ({ configId }: { readonly configId: string }) => `config/${configId}`,
    read: ({ configId }: { readonly configId: string }, call: Call) => read(configId, call),
  };
  return {
    createConfig: ofId,
    publishRevision: ofId,
    restoreRevision: ofId,
    deleteConfig: ofId,
    updateConfig: {
      resource: ({ config }) => `config/${config?.configId}`,
      read: ({ config }, call) => read(config?.configId ?? "", call),
    },
  };
}

/** Rollouts and what operators wish of them. */
export function rolloutMutations(methods: MethodsOf<typeof RolloutService>): MutationsOf<typeof RolloutService> {
  const read = (rolloutId: string, call: Call) =>
    found(
      RolloutSchema,
      async () => (await methods.getRollout(create(GetRolloutRequestSchema, { rolloutId }), call)).rollout,
    );
  const ofId = {
    resource: ({ rolloutId }: { readonly rolloutId: string }) => `rollout/${rolloutId}`,
    read: ({ rolloutId }: { readonly rolloutId: string }, call: Call) => read(rolloutId, call),
  };
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
  const read = (calendarId: string, call: Call) =>
    found(
      CalendarSchema,
      async () => (await methods.getCalendar(create(GetCalendarRequestSchema, { calendarId }), call)).calendar,
    );
  type Given = { readonly calendar?: { readonly calendarId: string } | undefined };
  const ofCalendar = {
    resource: ({ calendar }: Given) => `calendar/${calendar?.calendarId}`,
    read: ({ calendar }: Given, call: Call) => read(calendar?.calendarId ?? "", call),
  };
  return {
    createCalendar: ofCalendar,
    updateCalendar: ofCalendar,
    deleteCalendar: {
      resource: ({ calendarId }) => `calendar/${calendarId}`,
      read: ({ calendarId }, call) => read(calendarId, call),
    },
  };
}

/** Groups. */
export function groupMutations(methods: MethodsOf<typeof GroupService>): MutationsOf<typeof GroupService> {
  const read = (groupId: string, call: Call) =>
    found(GroupSchema, async () => (await methods.getGroup(create(GetGroupRequestSchema, { groupId }), call)).group);
  type Given = { readonly group?: { readonly groupId: string } | undefined };
  const ofGroup = {
    resource: ({ group }: Given) => `group/${group?.groupId}`,
    read: ({ group }: Given, call: Call) => read(group?.groupId ?? "", call),
  };
  return {
    createGroup: ofGroup,
    updateGroup: ofGroup,
    deleteGroup: { resource: ({ groupId }) => `group/${groupId}`, read: ({ groupId }, call) => read(groupId, call) },
  };
}

/** Policies. */
export function policyMutations(methods: MethodsOf<typeof PolicyService>): MutationsOf<typeof PolicyService> {
  const read = (policyId: string, call: Call) =>
    found(
      PolicySchema,
      async () => (await methods.getPolicy(create(GetPolicyRequestSchema, { policyId }), call)).policy,
    );
  type Given = { readonly policy?: { readonly policyId: string } | undefined };
  const ofPolicy = {
    resource: ({ policy }: Given) => `policy/${policy?.policyId}`,
    read: ({ policy }: Given, call: Call) => read(policy?.policyId ?? "", call),
  };
  return {
    createPolicy: ofPolicy,
    updatePolicy: ofPolicy,
    deletePolicy: {
      resource: ({ policyId }) => `policy/${policyId}`,
      read: ({ policyId }, call) => read(policyId, call),
    },
  };
}

/** Secrets; their values are in no message that is kept. */
export function secretMutations(methods: MethodsOf<typeof SecretService>): MutationsOf<typeof SecretService> {
  type Given = { readonly secretId: string };
  const ofSecret = {
    resource: ({ secretId }: Given) => `secret/${secretId}`,
    read: ({ secretId }: Given, call: Call) =>
      found(
        SecretSchema,
        async () => (await methods.getSecret(create(GetSecretRequestSchema, { secretId }), call)).secret,
      ),
  };
  return { createSecret: ofSecret, updateSecret: ofSecret, deleteSecret: ofSecret };
}

type OfAgent = { readonly instanceUid: string };

/** Connection settings of an agent. */
export function connectionMutations(
  methods: MethodsOf<typeof ConnectionService>,
): MutationsOf<typeof ConnectionService> {
  const ofAgent = {
    resource: ({ instanceUid }: OfAgent) => `connection-settings/${instanceUid}`,
    read: ({ instanceUid }: OfAgent, call: Call) =>
      found(OfferedConnectionSettingsSchema, async () => {
        const request = create(GetConnectionSettingsRequestSchema, { instanceUid });
        return (await methods.getConnectionSettings(request, call)).offered;
      }),
  };
  return { offerConnectionSettings: ofAgent, withdrawConnectionSettings: ofAgent };
}

/** Packages of an agent. */
export function packageMutations(methods: MethodsOf<typeof PackageService>): MutationsOf<typeof PackageService> {
  const ofAgent = {
    resource: ({ instanceUid }: OfAgent) => `packages/${instanceUid}`,
    read: ({ instanceUid }: OfAgent, call: Call) =>
      found(OfferedPackagesSchema, async () => {
        return (await methods.getPackages(create(GetPackagesRequestSchema, { instanceUid }), call)).offered;
      }),
  };
  return { offerPackages: ofAgent, withdrawPackages: ofAgent };
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
