// PolicyService: keeps how rollouts are to go, under names; and lays the request that names a policy over it.

import { create, fromJson, fromJsonString, type JsonValue, toJson, toJsonString } from "@bufbuild/protobuf";
import { FleetError, type RolloutPolicy } from "@muster/fleet";
import { type Policy, PolicySchema, type PolicyService } from "@muster/protocol/muster/policies";
import { RolloutSettingsSchema, type StartRolloutRequest } from "@muster/protocol/muster/rollouts";
import type { Documents, Stored } from "@muster/store";
import type { MethodsOf } from "./call.ts";
import { checked, invalid, parseText, within } from "./checked.ts";
import { dropKept, keepAgain, keepNew, kept, keptPage, parseKeptId } from "./kept.ts";
import { parseApplyTimeout, parseSettings } from "./parse-settings.ts";
import { parseStages } from "./parse-stages.ts";

/** What this service reads and writes. */
export interface PolicyDeps {
  readonly policies: Documents<RolloutPolicy>;
}

const MAX_DESCRIPTION_CHARS = 1_000;

/** The methods of PolicyService. */
export function createPolicyService({ policies }: PolicyDeps): MethodsOf<typeof PolicyService> {
  const kind = { noun: "policy", documents: policies };
  return {
    async createPolicy({ policy, validateOnly }) {
      return { policy: toPolicy(await keepNew(kind, parsePolicy(policy), validateOnly)) };
    },
    async updatePolicy({ policy, validateOnly }) {
      return { policy: toPolicy(await keepAgain(kind, parsePolicy(policy), policy?.etag ?? "", validateOnly)) };
    },
    async getPolicy({ policyId }) {
      return { policy: toPolicy(await kept(kind, policyId)) };
    },
    async listPolicies(request) {
      const { items, nextPageToken } = await keptPage(kind, request);
      return { policies: items.map(toPolicy), nextPageToken };
    },
    async deletePolicy({ policyId, etag, validateOnly }) {
      await dropKept(kind, policyId, etag, validateOnly);
      return {};
    },
  };
}

/** The selectors of a policy's stages. */
export function selectorsOf(policy: Stored<RolloutPolicy>): readonly string[] {
  return toPolicy(policy).stages.flatMap(({ size }) => (size.case === "selector" ? [size.value] : []));
}

/** A request with what its policy says where it says nothing itself. @throws FleetError `invalid` when there is no such policy */
export async function withPolicy(
  { policies }: { readonly policies: Pick<Documents<RolloutPolicy>, "get"> },
  request: StartRolloutRequest,
): Promise<StartRolloutRequest> {
  if (request.policyId === "") return request;
  const stored = await policies.get(request.policyId);
  if (stored === undefined) throw invalid("policy_id", `there is no policy "${request.policyId.slice(0, 63)}".`);
  const { stages, growth, applyTimeout, settings } = toPolicy(stored);
  const hasShape = request.stages.length > 0 || request.growth !== undefined;
  const timeout = request.applyTimeout ?? applyTimeout;
  return {
    ...request,
    ...(!hasShape && { stages }),
    ...(!hasShape && growth !== undefined && { growth }),
    ...(timeout !== undefined && { applyTimeout: timeout }),
    settings: laidOver(settings, request.settings),
  };
}

type Settings = NonNullable<StartRolloutRequest["settings"]>;

/** Field by field; what is not set is not in the JSON of a message. @throws FleetError `invalid` */
function laidOver(under: Settings | undefined, over: Settings | undefined): Settings {
  parseSettings(over); // a span that is too long for JSON is too long for a rollout
  const [low, high] = [under, over].map((each) => toJson(RolloutSettingsSchema, each ?? create(RolloutSettingsSchema)));
  return fromJson(RolloutSettingsSchema, mergeJson(low ?? {}, high ?? {}));
}

function mergeJson(low: JsonValue, high: JsonValue): JsonValue {
  if (!isMap(low) || !isMap(high)) return high;
  const both = Object.entries(high).map(([key, value]) => {
    const below = low[key];
    return [key, below === undefined ? value : mergeJson(below, value)] as const;
  });
  return { ...low, ...Object.fromEntries(both) };
}

function isMap(json: JsonValue): json is { readonly [key: string]: JsonValue } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function parsePolicy(policy: Policy | undefined): RolloutPolicy {
  const given = policy ?? create(PolicySchema);
  const { id, description } = checked({
    id: () => parseKeptId("policy", given.policyId),
    description: () => parseText("policy.description", given.description, MAX_DESCRIPTION_CHARS),
    stages: () => within("policy", () => parseStages(given.stages, given.growth, 1)),
    applyTimeout: () => within("policy", () => parseApplyTimeout(given.applyTimeout)),
    settings: () => within("policy", () => parseSettings(given.settings)),
  });
  const { stages, growth, applyTimeout, settings } = given;
  const body = create(PolicySchema, {
    stages,
    ...(growth !== undefined && { growth }),
    ...(applyTimeout !== undefined && { applyTimeout }),
    ...(settings !== undefined && { settings }),
  });
  return { id, description, body: toJsonString(PolicySchema, body) };
}

function toPolicy({ document: { id, description, body }, etag }: Stored<RolloutPolicy>): Policy {
  try {
    const policy = fromJsonString(PolicySchema, body, { ignoreUnknownFields: true });
    return { ...policy, policyId: id, description, etag };
  } catch (cause) {
    throw new FleetError("internal", `the policy "${id}" cannot be read`, { cause });
  }
}
