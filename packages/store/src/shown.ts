// Whether agents show in their effective configs what they should run. Both are content-addressed, so an answer holds for ever,
// and for every agent that shows and should run the same: one comparison for all of them. Asked by passes over rollouts (Shown),
// by the projector for the fact `config.drift`, and by GetAgent for the differences themselves.

import {
  type AgentView,
  type ConfigDifference,
  type ConfigFile,
  type ConfigMap,
  claimOf,
  claims,
  composeFiles,
  type Desired,
  type Drift,
  decodeEffective,
  diffConfigs,
  hasCapability,
  type InstanceUid,
  isDrift,
  isUnproven,
  mergeFiles,
} from "@muster/fleet";
import { LRUCache } from "lru-cache";
import type { Bodies } from "./bodies.ts";
import type { Configs } from "./configs.ts";
import type { Partition } from "./keys.ts";

/** What it reads. */
export interface ShownDeps {
  readonly bodies: Pick<Bodies, "get">;
  readonly configs: Pick<Configs, "revision">;
  readonly partitionOf: (uid: InstanceUid) => Partition;
}

/** What agents show beside what they should run. */
export interface Comparison {
  /** Where they differ; null where nobody can tell. */
  differences(view: AgentView, desired: Desired): Promise<readonly ConfigDifference[] | null>;
  /** Whether it shows what it should run; null where its word is enough, or nobody can tell. */
  shown(view: AgentView, desired: Desired | null): Promise<boolean | null>;
  /** Whether it drifted from what it says it runs; null where nobody can tell. */
  drift(view: AgentView, desired: Desired | null): Promise<Drift | null>;
}

/** Whether an agent shows what it should run; null where its word is enough, or nobody can tell. */
export type Shown = Comparison["shown"];

const MAX_ANSWERS = 20_000;
/** Desired configs that are remembered as they were parsed: a fleet has few. */
const MAX_TREES = 200;
/** Parsing more than this takes long enough that others would notice: whoever asks for the differences themselves waits. */
const MAX_COMPARED_BYTES = 512 * 1024;

export function createComparison({ bodies, configs, partitionOf }: ShownDeps): Comparison {
  const known = new LRUCache<string, { readonly answer: boolean | null }>({ max: MAX_ANSWERS });
  const trees = new LRUCache<string, { readonly tree: ConfigMap | null }>({ max: MAX_TREES });

  /** What is offered, parsed; undefined where a revision is not to be found. */
  async function offeredTree(desired: Desired): Promise<ConfigMap | null | undefined> {
    const before = trees.get(desired.hash);
    if (before !== undefined) return before.tree;
    const files = await filesOf(desired, configs);
    if (files === null) return undefined;
    const tree = mergeFiles(files);
    trees.set(desired.hash, { tree });
    return tree;
  }

  /** undefined: maybe a moment later. */
  async function compare(view: AgentView, desired: Desired): Promise<readonly ConfigDifference[] | null | undefined> {
    const address = view.effectiveConfig?.value.body;
    if (address === undefined) return null;
    const offered = await offeredTree(desired); // mostly remembered
    if (offered === undefined) return undefined;
    const body = await bodies.get(partitionOf(view.uid), address);
    if (body === undefined) return undefined;
    const effective = offered === null ? null : mergeFiles(decodeEffective(body));
    return offered === null || effective === null ? null : diffConfigs(offered, effective);
  }

  async function shows(view: AgentView, desired: Desired): Promise<boolean | null> {
    const { effectiveConfig } = view;
    if (effectiveConfig === null || effectiveConfig.value.sizeBytes > MAX_COMPARED_BYTES) return null;
    const key = `${effectiveConfig.value.body} ${desired.hash}`;
    const before = known.get(key);
    if (before !== undefined) return before.answer;
    const differences = await compare(view, desired);
    if (differences === undefined) return null;
    const answer = differences === null ? null : !isDrift(differences);
    known.set(key, { answer });
    return answer;
  }

  return {
    differences: async (view, desired) => (await compare(view, desired)) ?? null,
    async shown(view, desired) {
      if (desired === null) return null;
      if (hasCapability(view, "ReportsRemoteConfig") && !isUnproven(view, desired)) return null;
      return await shows(view, desired);
    },
    async drift(view, desired) {
      if (desired === null || !claims(claimOf(view), desired)) return null;
      const isShown = await shows(view, desired);
      return isShown === null ? null : { hash: desired.hash, isDrifted: !isShown };
    },
  };
}

/** What an agent is offered; null where a revision is not to be found. */
async function filesOf(desired: Desired, configs: ShownDeps["configs"]): Promise<readonly ConfigFile[] | null> {
  const parts = desired.contributions;
  const revisions = await Promise.all(parts.map(({ configId, revision }) => configs.revision(configId, revision)));
  if (revisions.includes(undefined)) return null;
  return composeFiles(desired, (part) => revisions[parts.indexOf(part)]?.files ?? []);
}
