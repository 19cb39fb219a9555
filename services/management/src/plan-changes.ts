// What a rollout changes for agents: every distinct step from what they should run now to what they should run then, with
// the difference of their files. Most fleets have few of them.

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type CohortAgent,
  candidateOf,
  composeFiles,
  createWanted,
  type Desired,
  EVERYONE,
  type Layer,
  type Revision,
  type RolloutSpec,
} from "@muster/fleet";
import type { PlannedChangeSchema } from "@muster/protocol/muster/rollouts";
import type { ComponentsAt, Configs, DesiredConfigs } from "@muster/store";
import { diffTexts } from "./text-diff.ts";

/** What it reads. */
export interface ChangeDeps {
  readonly configs: Pick<Configs, "revision">;
  readonly desired: Pick<DesiredConfigs, "assignments">;
  readonly componentsAt: ComponentsAt;
}

const MAX_CHANGES = 20;
const MAX_UIDS = 10;
/** Of all changes together: many clients refuse answers beyond 4 MiB. */
const MAX_DIFF_CHARS = 1_000_000;

interface Change {
  readonly from: Desired | null;
  readonly to: Desired;
  readonly agents: CohortAgent[];
}

/** The distinct changes, the most common first. */
export async function planChanges(
  deps: ChangeDeps,
  spec: RolloutSpec,
  revision: Revision,
  cohort: readonly CohortAgent[],
): Promise<MessageInitShape<typeof PlannedChangeSchema>[]> {
  const changes = await changesOf(deps, spec, cohort);
  const sorted = [...changes].sort((a, b) => b.agents.length - a.agents.length).slice(0, MAX_CHANGES);
  let room = MAX_DIFF_CHARS;
  const planned: MessageInitShape<typeof PlannedChangeSchema>[] = [];
  for (const { from, to, agents } of sorted) {
    const diff = (await diffOf(deps, from, to, spec, revision)).slice(0, room);
    room -= diff.length;
    planned.push({
      fromHash: from?.hash ?? "",
      toHash: to.hash,
      agents: BigInt(agents.length),
      instanceUids: agents.slice(0, MAX_UIDS).map(({ view }) => view.uid),
      diff,
    });
  }
  return planned;
}

async function changesOf(
  { desired, componentsAt }: ChangeDeps,
  spec: RolloutSpec,
  cohort: readonly CohortAgent[],
): Promise<Iterable<Change>> {
  const { list } = await desired.assignments();
  const others = list.filter(({ configId }) => configId !== spec.configId);
  const own = list.find(({ configId }) => configId === spec.configId)?.layers ?? [];
  const wanted = createWanted([...others, { configId: spec.configId, layers: [layerOf(spec), ...own] }]);
  const changes = new Map<string, Change>();
  for (const agent of cohort) {
    const { view, desired: present } = agent;
    const address = view.components?.value.address;
    const components = typeof address === "string" ? await componentsAt(address) : null;
    const excluded = present?.exclusions ?? [];
    const { desired: to } = wanted(candidateOf(view, { present, excluded, waved: new Set(), components }));
    if (to === null) continue;
    const key = `${present?.hash ?? ""} ${to.hash}`;
    const change = changes.get(key) ?? { from: present, to, agents: [] };
    change.agents.push(agent);
    changes.set(key, change);
  }
  return changes.values();
}

/** The rollout when it is through. */
function layerOf({ id, revision, hash, selector, order, seed, components, variables }: RolloutSpec): Layer {
  const reach = [{ selector: "", order: "sticky_hash", cutoff: EVERYONE }] as const;
  const layer = { rolloutId: id, revision, hash, selector, order, seed, components, mode: "open", reach } as const;
  return { ...layer, ...(variables !== undefined && { variables }) };
}

async function diffOf(
  deps: ChangeDeps,
  from: Desired | null,
  to: Desired,
  spec: RolloutSpec,
  revision: Revision,
): Promise<string> {
  if (from?.hash === to.hash) return "";
  const [before, after] = await Promise.all([textsOf(deps, from, spec, revision), textsOf(deps, to, spec, revision)]);
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.map((name) => diffTexts(name, before.get(name) ?? "", after.get(name) ?? "")).join("");
}

/** The files of a desired config, by name. */
async function textsOf(
  { configs }: ChangeDeps,
  desired: Desired | null,
  spec: RolloutSpec,
  revision: Revision,
): Promise<ReadonlyMap<string, string>> {
  if (desired === null) return new Map();
  const found = await Promise.all(
    desired.contributions.map(async (part) => {
      const isNew = part.configId === spec.configId && part.revision === spec.revision;
      return [part.configId, isNew ? revision : await configs.revision(part.configId, part.revision)] as const;
    }),
  );
  const revisions = new Map(found);
  const files = composeFiles(desired, ({ configId }) => revisions.get(configId)?.files ?? []);
  return new Map(files.map(({ name, body }) => [name, new TextDecoder().decode(body)]));
}
