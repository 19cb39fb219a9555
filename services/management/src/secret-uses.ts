// Which configs refer to a secret in a revision that counts: one that agents have, or may get without anybody publishing.

import type { ConfigId, SecretId } from "@muster/fleet";
import type { Configs, DesiredConfigs, Rollouts } from "@muster/store";

/** What it reads. */
export interface SecretUseDeps {
  readonly configs: Pick<Configs, "list" | "revision">;
  readonly desired: Pick<DesiredConfigs, "assignments">;
  readonly rollouts: Pick<Rollouts, "active" | "get">;
}

const PAGE = 200;

/** The configs, in the order of their ids. Of each the latest revision counts, and those of rollouts that do. */
export async function configsWithSecret(deps: SecretUseDeps, id: SecretId): Promise<readonly ConfigId[]> {
  const counting = await revisionsInRollouts(deps);
  const found: ConfigId[] = [];
  let after = "";
  for (;;) {
    const page = await deps.configs.list(after, PAGE);
    for (const { config } of page) {
      const numbers = new Set([config.latestRevision, ...(counting.get(config.id) ?? [])]);
      if (await refersTo(deps, config.id, numbers, id)) found.push(config.id);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return found;
    after = last.config.id;
  }
}

async function refersTo(
  { configs }: SecretUseDeps,
  configId: ConfigId,
  numbers: ReadonlySet<number>,
  id: SecretId,
): Promise<boolean> {
  for (const number of numbers) {
    const revision = number === 0 ? undefined : await configs.revision(configId, number);
    if (revision?.secrets.some((pin) => pin.id === id)) return true;
  }
  return false;
}

/** Revisions that agents have or get from rollouts, by config. */
async function revisionsInRollouts({ desired, rollouts }: SecretUseDeps): Promise<ReadonlyMap<ConfigId, Set<number>>> {
  const numbers = new Map<ConfigId, Set<number>>();
  const add = (id: ConfigId, number: number) => numbers.set(id, (numbers.get(id) ?? new Set()).add(number));
  for (const { configId, layers } of (await desired.assignments()).list) {
    for (const { mode, revision } of layers) if (mode !== "withdrawn") add(configId, revision);
  }
  const active = await Promise.all((await rollouts.active()).map((id) => rollouts.get(id)));
  for (const rollout of active) if (rollout !== undefined) add(rollout.spec.configId, rollout.spec.revision);
  return numbers;
}
