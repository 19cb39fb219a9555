// Whether agents show in their effective configs what they should run: those that tell no status, and those that say APPLIED
// and show nothing new. Both are content-addressed, so an answer holds for ever, and for every agent that shows and should
// run the same.

import {
  type AgentView,
  type ConfigFile,
  composeFiles,
  type Desired,
  decodeEffective,
  hasCapability,
  type InstanceUid,
  isUnproven,
  showsConfig,
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

/** Whether an agent shows what it should run; null where its word is enough, or nobody can tell. */
export type Shown = (view: AgentView, desired: Desired | null) => Promise<boolean | null>;

const MAX_ANSWERS = 20_000;

export function createShown({ bodies, configs, partitionOf }: ShownDeps): Shown {
  const known = new LRUCache<string, { readonly answer: boolean | null }>({ max: MAX_ANSWERS });
  return async (view, desired) => {
    const address = view.effectiveConfig?.value.body;
    if (desired === null || address === undefined) return null;
    if (hasCapability(view, "ReportsRemoteConfig") && !isUnproven(view, desired)) return null;
    const key = `${address} ${desired.hash}`;
    const before = known.get(key);
    if (before !== undefined) return before.answer;
    const [body, offered] = await Promise.all([bodies.get(partitionOf(view.uid), address), filesOf(desired, configs)]);
    if (body === undefined || offered === null) return null; // maybe a moment later
    const answer = showsConfig(decodeEffective(body), offered);
    known.set(key, { answer });
    return answer;
  };
}

/** What an agent is offered; null where a revision is not to be found. */
async function filesOf(desired: Desired, configs: ShownDeps["configs"]): Promise<readonly ConfigFile[] | null> {
  const parts = desired.contributions;
  const revisions = await Promise.all(parts.map(({ configId, revision }) => configs.revision(configId, revision)));
  if (revisions.includes(undefined)) return null;
  return composeFiles(desired, (part) => revisions[parts.indexOf(part)]?.files ?? []);
}
