// Builders for specs: `anAgent({ healthy: false })` shows only what matters to the case. Never used in services.

import type { CohortAgent } from "./assess.ts";
import { DEFAULT_BUDGET } from "./budget.ts";
import type { AckState } from "./event.ts";
import {
  type ConfigHash,
  type InstanceUid,
  parseConfigHash,
  parseConfigId,
  parseGatewayId,
  parseInstanceUid,
  parseRolloutId,
} from "./ids.ts";
import type { ModelTraits } from "./model-traits.ts";
import { ModelWorld } from "./model-world.ts";
import type { RolloutSpec, Stage } from "./rollout.ts";
import {
  DEFAULT_APPROVAL,
  DEFAULT_PACE,
  DEFAULT_POLICIES,
  DEFAULT_RETRY,
  DEFAULT_STAGE,
  DEFAULT_TIMING,
} from "./rollout-defaults.ts";
import { type AgentView, unknownAgent } from "./view.ts";

/** The n-th uid of a test fleet. */
export function aUid(n = 1): InstanceUid {
  return parseInstanceUid(`01890a5d-ac96-774b-bcce-${n.toString(16).padStart(12, "0")}`);
}

/** A hash that is easy to tell apart: the digit, 64 times. */
export function aHash(digit = "a"): ConfigHash {
  return parseConfigHash(digit.repeat(64));
}

/** The rollout id that specs use unless they say otherwise. */
export const ROLLOUT_ID = parseRolloutId("01890a5d-0000-7000-8000-000000000001");

/** What a spec may say about an agent; all times in milliseconds since 1970. */
export interface AgentTraits {
  readonly uid?: InstanceUid;
  readonly labels?: Readonly<Record<string, string>>;
  readonly connected?: boolean;
  readonly disconnectedAtMs?: number;
  readonly capabilities?: readonly string[];
  readonly healthy?: boolean;
  readonly ack?: { readonly hash: ConfigHash; readonly state: AckState; readonly error?: string };
  readonly offered?: { readonly hash: ConfigHash; readonly atMs: number; readonly answer?: AckState };
  readonly effectiveConfigAtMs?: number;
}

const FENCE = { epoch: 1, n: 1, atMs: 0 };

/** A connected, healthy agent that accepts configs and reports about them. */
export function anAgent(traits: AgentTraits = {}): AgentView {
  const { uid = aUid(), labels = {}, connected = true, healthy = true, ack, offered } = traits;
  const capabilities = traits.capabilities ?? ["ReportsStatus", "AcceptsRemoteConfig", "ReportsRemoteConfig"];
  const ended = connected ? null : ({ reason: "closed", atMs: traits.disconnectedAtMs ?? 0 } as const);
  const connection = {
    gateway: parseGatewayId("gw"),
    transport: "websocket",
    remoteAddress: "",
    connectedAtMs: 0,
    ended,
  } as const;
  const health = {
    healthy,
    status: "",
    lastError: healthy ? "" : "broken",
    startTimeUnixNano: "0",
    statusTimeUnixNano: "0",
    components: [],
  };
  const answer = offered?.answer === undefined ? null : { ...FENCE, state: offered.answer, error: "said no" };
  return {
    ...unknownAgent(uid, 0),
    connection: { ...FENCE, value: connection },
    description: { ...FENCE, value: { identifying: [], nonIdentifying: Object.entries(labels) } },
    capabilities: { ...FENCE, value: capabilities },
    health: { ...FENCE, value: health, sinceMs: 0, drops: 0 },
    acknowledgement: ack === undefined ? null : { ...FENCE, value: { error: "", ...ack } },
    effectiveConfig:
      traits.effectiveConfigAtMs === undefined
        ? null
        : { ...FENCE, atMs: traits.effectiveConfigAtMs, value: { body: "b", sizeBytes: 1 } },
    attempts:
      offered === undefined ? [] : [{ ...FENCE, hash: offered.hash, number: 1, offeredAtMs: offered.atMs, answer }],
  };
}

/** A rollout of revision 2 (hash `aHash()`) of the config `base` to every agent, started at time 0, without soak or last watch. */
export function aRollout(stages: readonly Stage[], overrides: Partial<RolloutSpec> = {}): RolloutSpec {
  return {
    id: ROLLOUT_ID,
    configId: parseConfigId("base"),
    revision: 2,
    hash: aHash(),
    selector: "",
    order: 100,
    seed: ROLLOUT_ID,
    stages,
    pace: DEFAULT_PACE,
    budget: DEFAULT_BUDGET,
    timing: { ...DEFAULT_TIMING, soakMs: 0, finalBakeMs: 0 },
    retry: { ...DEFAULT_RETRY, maxAttempts: 1 },
    approval: DEFAULT_APPROVAL,
    policies: DEFAULT_POLICIES,
    onConflict: "reject",
    weight: 0,
    components: [],
    quarantineOverride: "",
    planned: null,
    reason: "",
    author: "",
    source: "",
    commit: "",
    createdAtMs: 0,
    generation: 1,
    wish: "run",
    wishGeneration: 1,
    wishReason: "",
    wishedBy: "",
    acceptsFailures: false,
    approvals: [],
    promotions: [],
    retries: [],
    ...overrides,
  };
}

/** Stages by percent without bake time. */
export function stages(...percents: readonly number[]): readonly Stage[] {
  return percents.map((percent) => ({ ...DEFAULT_STAGE, size: { kind: "percent", percent }, bakeMs: 0 }));
}

/** A stage of all agents without bake time, and what is said of it. */
export function aStage(overrides: Partial<Stage> = {}): Stage {
  return { ...DEFAULT_STAGE, size: { kind: "percent", percent: 100 }, bakeMs: 0, ...overrides };
}

/** Model agents with the uids 1 to `count`; `traits` says what is special about one of them. */
export function aFleet(
  count: number,
  traits: (n: number) => Omit<ModelTraits, "uid"> = () => ({}),
): readonly ModelTraits[] {
  return Array.from({ length: count }, (_, i) => ({ uid: aUid(i + 1), ...traits(i + 1) }));
}

/** A world with these agents, of which everybody that is there has revision 1 (hash `aHash("1")`) of the config `base`. */
export function aWorldWithStable(agents: readonly ModelTraits[]): ModelWorld {
  const world = new ModelWorld(agents);
  const id = parseRolloutId("01890a5d-0000-7000-8000-000000000000");
  const budget = { criteria: [], onBreach: "pause" } as const;
  const policies = { ...DEFAULT_POLICIES, minReachedPercent: 0 };
  world.start(aRollout([aStage({ successMinPercent: 0 })], { id, revision: 1, hash: aHash("1"), budget, policies }));
  world.advance(60_000);
  return world;
}

/** A world without any config yet. */
export function aWorld(agents: readonly ModelTraits[]): ModelWorld {
  return new ModelWorld(agents);
}

/** An agent of a rollout's cohort; `assigned` says that the rollout's revision was assigned to it at time 0. */
export function aCohortAgent(spec: RolloutSpec, view: AgentView, assigned = true): CohortAgent {
  const { configId, revision, hash, order, id: rolloutId } = spec;
  if (!assigned) return { view, desired: null };
  return { view, desired: { hash, contributions: [{ configId, revision, hash, order, rolloutId }], assignedAtMs: 0 } };
}

export { ModelAgent, UNWELL_AFTER_MS } from "./model-agent.ts";
export type { ModelTraits, Reaction } from "./model-traits.ts";
export { MODEL_START_MS, type ModelObserver, type ModelRollout, ModelWorld } from "./model-world.ts";
